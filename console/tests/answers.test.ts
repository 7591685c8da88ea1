import { describe, expect, it } from 'vitest'
import { boxesToSend, problemOf } from '../src/desk/answers'

const box = { label: 'crate', left: 10, top: 20, width: 30, height: 40 }
const drawn = (count: number) =>
  Array.from({ length: count }, (_, i) => ({ ...box, left: i, id: String(i), confidence: 80 }))
const available = new Set(['crate', 'cone'])

describe('the boxes that are sent', () => {
  it('have the members of the contract and no others', () => {
    expect(boxesToSend(drawn(1))).toEqual([{ ...box, left: 0 }])
  })
  it('are sent once each: the API rejects two that are the same', () => {
    expect(boxesToSend([box, { ...box, label: 'cone' }, { ...box }])).toEqual([box, { ...box, label: 'cone' }])
  })
})

describe('boxes and labels that are confirmed', () => {
  it('needs something that is labelled', () => {
    expect(problemOf('detection', { boxes: [], labels: ['crate'] }, available)).toMatch(/^Draw a box/)
    expect(problemOf('classification', { boxes: drawn(1), labels: [] }, available)).toMatch(/^Choose a label/)
    expect(problemOf('detection', { boxes: drawn(1), labels: [] }, available)).toBe('')
    expect(problemOf('classification', { boxes: [], labels: ['cone'] }, available)).toBe('')
  })
  it('has no label that was retired, which a model may still suggest', () => {
    const retired = new Set(['cone'])
    expect(problemOf('detection', { boxes: drawn(1), labels: [] }, retired)).toMatch(/^crate is no longer available: give/)
    expect(problemOf('classification', { boxes: [], labels: ['cone', 'crate'] }, retired)).toMatch(
      /^crate is no longer available: choose/,
    )
  })
  it('has no more boxes than a manifest takes', () => {
    expect(problemOf('detection', { boxes: drawn(50), labels: [] }, available)).toBe('')
    expect(problemOf('detection', { boxes: drawn(51), labels: [] }, available)).toBe('An image can have up to 50 boxes; this one has 51.')
    const twice = [...drawn(50), ...drawn(1)]
    expect(problemOf('detection', { boxes: twice, labels: [] }, available)).toBe('')
  })
})
