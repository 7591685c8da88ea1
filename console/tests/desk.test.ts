import { describe, expect, it, vi } from 'vitest'
import { contentOf, taskOf } from '../src/dataset/opened'
import * as histories from '../src/desk/history'
import { actionOf, isCharacter, labelKeys, RESERVED_KEYS } from '../src/desk/keys'
import * as views from '../src/desk/view'
import { FakeStorage } from './browser'

describe('history', () => {
  const three = histories.change(histories.change(histories.begin(1), 2), 3)
  it('goes back and forth over each change', () => {
    const back = histories.undo(histories.undo(three))
    expect(back.present).toBe(1)
    expect(histories.redo(histories.redo(back)).present).toBe(3)
    expect(histories.undo(back)).toBe(back)
  })
  it('forgets what was undone when something else is done', () => {
    const other = histories.change(histories.undo(three), 9)
    expect(other.future).toEqual([])
    expect(histories.undo(other).present).toBe(2)
  })
})

describe('view', () => {
  const image = { width: 4000, height: 2000 }
  const screen = { width: 1024, height: 700 }
  it('shows the whole image, centred', () => {
    const view = views.whole(image, screen)
    expect(view.scale).toBe(0.25)
    expect([view.x, view.y]).toEqual([12, 100])
  })
  it('keeps the point under the pointer while zooming', () => {
    const at = { x: 300, y: 400 }
    const before = views.whole(image, screen)
    const after = views.zoom(before, 3, at, image, screen)
    expect(after.scale).toBeCloseTo(0.75)
    expect(views.toImage(after, at).x).toBeCloseTo(views.toImage(before, at).x)
    expect(views.toImage(after, at).y).toBeCloseTo(views.toImage(before, at).y)
  })
  it('never loses the image out of sight', () => {
    const far = views.pan(views.whole(image, screen), -1e6, 1e6, image, screen)
    expect(far.x).toBe(60 - 1000)
    expect(far.y).toBe(700 - 60)
  })
  it('places a new box in the middle of what is seen', () => {
    const zoomed = { scale: 1, x: -2000, y: -1000 }
    expect(views.middle(zoomed, image, { width: 400, height: 200 })).toEqual({ left: 2150, top: 1075, width: 100, height: 50 })
  })
})

describe('keys', () => {
  const plain = { shiftKey: false, altKey: false, ctrlKey: false, metaKey: false }
  const labels = [
    { label: 'cat', key: 'c' },
    { label: 'bird', key: 'b' },
    { label: 'cow', key: 'C' },
    { label: 'dog', key: '' },
  ]
  const keys = labelKeys(labels)
  it('gives a digit to a label whose key is missing, taken, or the desk\u2019s own', () => {
    expect(Object.fromEntries(keys)).toEqual({ cat: 'c', bird: '1', cow: '2', dog: '3' })
    expect(RESERVED_KEYS).toContain('b')
  })
  it.each([
    [{ key: 'Enter' }, { command: 'confirm' }],
    [{ key: 'z' }, { command: 'undo' }],
    [{ key: 'p' }, { command: 'previous' }],
    [{ key: 'Z', shiftKey: true }, { command: 'redo' }],
    [{ key: 'z', metaKey: true, shiftKey: true }, { command: 'redo' }],
    [{ key: 'y', ctrlKey: true }, { command: 'redo' }],
    [{ key: '+', shiftKey: true }, { command: 'zoom-in' }],
    [{ key: 'ArrowLeft' }, { step: { dx: -1, dy: 0, resize: false } }],
    [{ key: 'ArrowDown', shiftKey: true, altKey: true }, { step: { dx: 0, dy: 10, resize: true } }],
    [{ key: 'C', shiftKey: true }, { label: 'cat' }],
    [{ key: 'r', ctrlKey: true }, null],
    [{ key: 'n', ctrlKey: true }, null],
    [{ key: 'n', altKey: true }, null],
    [{ key: 'q' }, null],
  ])('%j means %j', (press, meaning) => {
    expect(actionOf({ ...plain, ...press }, keys)).toEqual(meaning)
  })
  it.each(['n', 'N', '1', '?', '+'])('%s types a character, and can be switched off', (key) => {
    expect(isCharacter({ ...plain, key })).toBe(true)
  })
  it.each([{ key: 'Enter' }, { key: 'ArrowLeft' }, { key: 'Tab' }, { key: ' ' }, { key: 'z', ctrlKey: true }])(
    '%j stays whatever is switched off',
    (press) => {
      expect(isCharacter({ ...plain, ...press })).toBe(false)
    },
  )
})

describe('a label that is chosen', () => {
  it('changes the selected box, and nothing if that has it already', async () => {
    vi.stubGlobal('localStorage', new FakeStorage())
    vi.stubGlobal('document', new EventTarget())
    const desk = await import('../src/desk/state')
    const image = { image: 'f', width: 100, height: 100, url: '', asked_kind: 'detection' as const, kind: 'detection' as const, changed_at: '1' }
    const boxes = [{ label: 'cat', left: 1, top: 1, width: 50, height: 50 }]
    desk.show(taskOf({ ...image, labels: [], boxes }), 'ann', contentOf({ ...image, labels: [], boxes }))
    desk.select(desk.unsent.value.boxes[0]?.id ?? '')
    desk.chooseLabel('cat')
    expect(desk.canUndo.value).toBe(false)
    desk.chooseLabel('dog')
    expect(desk.canUndo.value).toBe(true)
    expect(desk.unsent.value.boxes[0]?.label).toBe('dog')
  })
})
