import { describe, expect, test } from 'vitest'
import type { JudgedObject } from '../src/api'
import { bestThreshold, changesThreshold, curvePath, ratesAt, ratesOf } from '../src/evaluation/curve'
import { around, drawnLines, judgedText, placed } from '../src/evaluation/picture'
import { mistakeQuery, readShown, searchOf, type Shown } from '../src/evaluation/state'

const curve = [
  { threshold: 42.3, right: 8, wrong: 4, missed: 2 },
  { threshold: 60, right: 8, wrong: 1, missed: 2 },
  { threshold: 91, right: 0, wrong: 0, missed: 10 },
]

describe('a curve', () => {
  test('has the counts of the last point that is not above the threshold', () => {
    expect(ratesAt({ curve }, 42.3).wrong).toBe(4)
    expect(ratesAt({ curve }, 59).wrong).toBe(4)
    expect(ratesAt({ curve }, 60).wrong).toBe(1)
    expect(ratesAt({ curve }, 10).wrong).toBe(4)
    expect(ratesAt({ curve: [] }, 10)).toMatchObject({ precision: null, recall: null, f1: null })
  })
  test('has no precision where nothing is detected, and no recall where nothing is', () => {
    expect(ratesOf({ right: 0, wrong: 0, missed: 3 })).toMatchObject({ precision: null, recall: 0, f1: 0 })
    expect(ratesOf({ right: 0, wrong: 2, missed: 0 })).toMatchObject({ precision: 0, recall: null, f1: null })
  })
  test('is best where F1 is', () => {
    expect(bestThreshold({ curve })).toBe(60)
    expect(bestThreshold({ curve: [{ threshold: 42.3, right: 0, wrong: 3, missed: 0 }] })).toBeNull()
  })
  test('offers no threshold that is in force already', () => {
    const own = { own_threshold: 36, deployment_threshold: null }
    expect([null, 36, 40].map((moved) => changesThreshold(own, moved))).toEqual([false, false, true])
    const set = { own_threshold: 36, deployment_threshold: 80 }
    expect([null, 80, 36].map((moved) => changesThreshold(set, moved))).toEqual([false, false, true])
    expect(changesThreshold({ own_threshold: null, deployment_threshold: null }, null)).toBe(false)
  })
  test('is drawn without the points that have no precision', () => {
    const area = { left: 0, top: 0, width: 100, height: 100 }
    expect(curvePath({ curve }, area)).toBe('M80.0 33.3 L80.0 11.1')
  })
})

describe('an address', () => {
  const all: Shown = {
    view: 'mistakes',
    thresholds: { 'a:b': 60, 'c&d': 42.5 },
    label: 'a:b',
    kind: 'loose',
    cell: { truth: '', detected: 'c&d' },
    size: 'small',
    confidence: [20, 80],
    other: 'v6-1',
    change: 'better',
  }
  test('holds all that is shown', () => {
    expect(readShown(searchOf(all))).toEqual(all)
  })
  test('is empty to begin with', () => {
    expect(searchOf(readShown(''))).toBe('')
  })
  test('of nonsense shows what is shown to begin with', () => {
    expect(readShown('?view=x&kind=y&size=z&min=abc&max=900&threshold=cat&threshold=:5&threshold=dog:x&change=q')).toEqual(readShown(''))
  })
  test('of a cell asks for what is right in it as well', () => {
    const query = mistakeQuery(all, 24)
    expect(query.getAll('kind')).toContain('right')
    expect([query.get('truth'), query.get('detected'), query.get('offset')]).toEqual(['', 'c&d', '24'])
    expect(query.getAll('threshold')).toEqual(['a:b:60', 'c&d:42.5'])
  })
})

describe('the part of a picture', () => {
  const size = { width: 1200, height: 900 }
  const inside = (part: { left: number; top: number; width: number; height: number }) =>
    part.left >= 0 && part.top >= 0 && part.left + part.width <= size.width + 1e-9 && part.top + part.height <= size.height + 1e-9
  test('has the boxes in it, and what surrounds them', () => {
    const part = around([{ left: 10, top: 10, width: 20, height: 20 }], size)
    expect(inside(part)).toBe(true)
    expect(part.width).toBe(360)
    expect(part.width / part.height).toBeCloseTo(4 / 3)
  })
  test('of boxes everywhere is all of it', () => {
    expect(around([{ left: 0, top: 0, width: 1200, height: 900 }], size)).toEqual({ left: 0, top: 0, ...size })
  })
  test('of a tall picture is around its middle', () => {
    const part = around([{ left: 0, top: 0, width: 300, height: 1200 }], { width: 300, height: 1200 })
    expect([part.left, part.width, part.height]).toEqual([-650, 1600, 1200])
  })
  test('without boxes is the picture', () => {
    expect(around([], size)).toEqual({ left: 0, top: 0, ...size })
  })
  test('places what lies in it', () => {
    const part = { left: 100, top: 0, width: 400, height: 300 }
    expect(placed({ left: 200, top: 30, width: 40, height: 60 }, part)).toEqual({
      left: '25.000%',
      top: '10.000%',
      width: '10.000%',
      height: '20.000%',
    })
  })
})

test('a legend has the lines that are drawn', () => {
  const box = { left: 0, top: 0, width: 1, height: 1 }
  const truth = { label: 'cat', box }
  const one = (judgement: JudgedObject['judgement'], seen: boolean): JudgedObject => ({
    judgement,
    truth,
    detection: seen ? { label: 'cat', confidence: 90, box } : null,
    overlap: 0,
  })
  expect(drawnLines([one('missed', false)])).toEqual(['truth'])
  expect(drawnLines([one('right', true), one('loose', true)])).toEqual(['truth', 'wrong', 'right'])
  expect(drawnLines([])).toEqual([])
})

test('each judgement has its words', () => {
  const truth = { label: 'cat', box: null }
  const detection = { label: 'dog', confidence: 89.6, box: null }
  const words = (judgement: JudgedObject['judgement']) => judgedText({ judgement, truth, detection, overlap: 0.4 })
  expect(words('confusion')).toBe('cat, taken for dog at 90 %')
  expect(words('background')).toBe('dog at 90 %, where nothing is labelled')
  expect(words('loose')).toContain('overlap 0.40')
  expect(words('duplicate')).toContain('found already')
  expect(words('right')).toBe('dog at 90 %, right')
  expect(words('missed')).toBe('cat, missed')
})
