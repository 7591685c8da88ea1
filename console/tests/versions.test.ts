import { describe, expect, it } from 'vitest'
import type { ModelVersion } from '../src/api'
import { barLength, linePath, linePoints, shares, span } from '../src/charts/geometry'
import { differenceText, measured, ordered, weakestFirst } from '../src/versions/compare'

const version = (name: string, created_at: string, champion = false) => ({ name, created_at, champion }) as ModelVersion
const label = (name: string, f1: number) => ({ label: name, f1, precision: 1, recall: 1, test_images: 5, threshold: null })

describe('versions', () => {
  it('come with the champion first, then the newest', () => {
    const all = [version('old', '2026-01-01'), version('best', '2026-01-02', true), version('new', '2026-01-03')]
    expect(ordered(all).map(({ name }) => name)).toEqual(['best', 'new', 'old'])
  })
  it('list the labels that need work first: the lowest', () => {
    const labels = [label('cone', 0.8), label('barrel', 0.8), label('sack', 0.2)]
    expect(weakestFirst(labels).map((weak) => weak.label)).toEqual(['sack', 'barrel', 'cone'])
  })
  it.each([
    [0.92, 0.9, '+0.020 compared with the champion'],
    [0.88, 0.9, '\u22120.020 compared with the champion'],
    [0.9001, 0.9, 'same as the champion'],
    [null, 0.9, ''],
    [0.9, null, ''],
  ])('%s beside %s is "%s"', (f1, champion, text) => {
    expect(differenceText(f1, champion)).toBe(text)
  })
  it('have a precision only once a sample was reviewed; 0 is one', () => {
    expect(measured(null)).toBeNull()
    const counts = { confirmed: 0, false: 4, missed: 1, images: 8 }
    expect(measured({ ...counts, precision: 0, low: 0, high: 0.2 })).toEqual({ value: 0, low: 0, high: 0.2, images: 8 })
  })
})

describe('charts', () => {
  it('keep a bar on its axis', () => {
    expect([-1, 0.256, 1.5, null, undefined, Number.NaN].map((value) => barLength(value, 100))).toEqual([0, 25.6, 100, 0, 0, 0])
  })
  it('span an interval whichever end comes first', () => {
    expect(span(0.2, 0.7, 100)).toEqual({ start: 20, length: 50 })
    expect(span(0.7, 0.2, 100)).toEqual({ start: 20, length: 50 })
  })
  it('measure by the greatest, and by nothing when there is none', () => {
    expect(shares([1, null, 4, -2])).toEqual([0.25, 0, 1, 0])
    expect(shares([null, 0])).toEqual([0, 0])
  })
  it('draw a line that is interrupted where a figure is missing', () => {
    const points = linePoints([0, 1, null, 0.5], { width: 320, height: 90, margin: 10 })
    expect(points).toEqual([{ x: 10, y: 80 }, { x: 110, y: 10 }, null, { x: 310, y: 45 }])
    expect(linePath(points)).toBe('M10 80 L110 10 M310 45')
  })
  it('put a single figure in the middle', () => {
    expect(linePoints([1], { width: 320, height: 90, margin: 10 })).toEqual([{ x: 160, y: 10 }])
  })
})
