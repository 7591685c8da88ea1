import { describe, expect, it } from 'vitest'
import { problemOf, sent } from '../src/desk/answers'

const box = { label: 'crate', left: 10, top: 20, width: 30, height: 40 }
const drawn = (count: number) =>
  Array.from({ length: count }, (_, i) => ({ ...box, left: i, id: String(i), confidence: 80 }))
const offered = new Set(['crate', 'cone'])

describe('the boxes that are sent', () => {
  it('have the members of the contract and no others', () => {
    expect(sent(drawn(1))).toEqual([{ ...box, left: 0 }])
  })
  it('are sent once each: the API refuses two that are the same', () => {
    expect(sent([box, { ...box, label: 'cone' }, { ...box }])).toEqual([box, { ...box, label: 'cone' }])
  })
})

describe('a draft that is confirmed', () => {
  it('needs something that is labelled', () => {
    expect(problemOf('detection', { boxes: [], labels: ['crate'] }, offered)).toMatch(/^Draw a box/)
    expect(problemOf('classification', { boxes: drawn(1), labels: [] }, offered)).toMatch(/^Choose a label/)
    expect(problemOf('detection', { boxes: drawn(1), labels: [] }, offered)).toBe('')
    expect(problemOf('classification', { boxes: [], labels: ['cone'] }, offered)).toBe('')
  })
  it('has no label that was retired, which a model may still suggest', () => {
    const retired = new Set(['cone'])
    expect(problemOf('detection', { boxes: drawn(1), labels: [] }, retired)).toMatch(/^crate is not offered any more: give/)
    expect(problemOf('classification', { boxes: [], labels: ['cone', 'crate'] }, retired)).toMatch(
      /^crate is not offered any more: choose/,
    )
  })
  it('has no more boxes than a manifest takes', () => {
    expect(problemOf('detection', { boxes: drawn(50), labels: [] }, offered)).toBe('')
    expect(problemOf('detection', { boxes: drawn(51), labels: [] }, offered)).toBe('An image has up to 50 boxes: these are 51.')
    const twice = [...drawn(50), ...drawn(1)]
    expect(problemOf('detection', { boxes: twice, labels: [] }, offered)).toBe('')
  })
})
