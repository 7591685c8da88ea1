import { describe, expect, it } from 'vitest'
import type { ModelVersion } from '../src/api'
import { axisOf, barLength, heightOf, linePath, linePoints, span } from '../src/charts/geometry'
import { answerText, decisionText, differenceText, isOverdue, measured, newestFirst, serveWords, shortName, thresholdText, weakestFirst } from '../src/versions/compare'

const version = (name: string, created_at: string, champion = false) => ({ name, created_at, champion }) as ModelVersion
const label = (name: string, f1: number) => ({ label: name, f1, precision: 1, recall: 1, test_images: 5, threshold: null })

describe('versions', () => {
  it('come with the newest first, whichever is the champion', () => {
    const all = [version('old', '2026-01-01'), version('best', '2026-01-02', true), version('new', '2026-01-03')]
    expect(newestFirst(all).map(({ name }) => name)).toEqual(['new', 'best', 'old'])
  })
  it('say who has decided about them', () => {
    const asked = { by: 'Ann', why: 'misses nuts' }
    expect(decisionText({ ...asked, decision: 'declined' })).toBe('Declined by Ann: misses nuts')
    expect(decisionText({ decision: 'approved', by: '', why: '' })).toBe('Approved as nobody had decided in time')
  })
  it('are decided about until their deadline', () => {
    const asked = { decision: null, by: '', why: '', at: null, asked_at: '2026-11-28T12:00:00.000000Z', deadline: '2026-11-29T12:00:00.000000Z' }
    const at = (time: string) => Date.parse(time)
    expect(isOverdue(asked, at('2026-11-29T11:59:59Z'))).toBe(false)
    expect(isOverdue(asked, at('2026-11-29T12:00:00Z'))).toBe(true)
    expect(isOverdue({ ...asked, decision: 'declined' }, at('2026-11-30T12:00:00Z'))).toBe(false)
  })
  it('go on after an answer before their record says so', () => {
    expect(answerText('approved')).toBe('Approved by you, it is being started.')
  })
  it('are rolled back to only if they have served', () => {
    expect(serveWords({ name: 'v1', status: 'retired' }).label).toBe('Roll back to v1')
    expect(serveWords({ name: 'v2', status: 'rejected' }).act).toBe('Make it serve')
  })
  it('are called by their number where there is little room', () => {
    expect([shortName('v12-0123456789ab'), shortName('mine-v2'), shortName('v3')]).toEqual(['v12', 'mine-v2', 'v3'])
  })
  it('list the labels that need work first: the lowest', () => {
    const labels = [label('cone', 0.8), label('barrel', 0.8), label('sack', 0.2)]
    expect(weakestFirst(labels).map((weak) => weak.label)).toEqual(['sack', 'barrel', 'cone'])
  })
  it.each([
    [0.92, 0.9, '+0.020 compared with the champion, each on its own test images'],
    [0.88, 0.9, '\u22120.020 compared with the champion, each on its own test images'],
    [0.9001, 0.9, 'same as the champion, each on its own test images'],
    [null, 0.9, ''],
    [0.9, null, ''],
  ])('%s beside %s is "%s"', (f1, champion, text) => {
    expect(differenceText(f1, champion)).toBe(text)
  })
  it('have the thresholds that the deployment sets, else their own', () => {
    const cone = { ...label('cone', 0.8), threshold: 0.461 }
    expect(thresholdText(cone, { sack: 80 })).toBe('from 46 %')
    expect(thresholdText(cone, { cone: 80 })).toBe('from 80 %, set here; the model\u2019s own: 46 %')
    expect(thresholdText(cone, { cone: 0 })).toMatch(/^from 0 %/)
    expect(thresholdText(label('cone', 0.8), {})).toBe('')
    expect(thresholdText(label('cone', 0.8), { cone: 80 })).toBe('from 80 %, set here')
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
  const area = { left: 10, top: 10, width: 300, height: 70 }
  const whole = { low: 0, high: 1, ticks: [] }
  it('have figures at tenths, or at fifths where there would be many, around the figures that there are', () => {
    expect(axisOf([0.837, 0.884])).toEqual({ low: 0.8, high: 0.9, ticks: [0.8, 0.9] })
    expect(axisOf([0.9, null, 0.62])).toEqual({ low: 0.6, high: 1, ticks: [0.6, 0.7, 0.8, 0.9, 1] })
    expect(axisOf([0.12, 0.93])).toEqual({ low: 0, high: 1, ticks: [0, 0.2, 0.4, 0.6, 0.8, 1] })
    expect(axisOf([0, 0])).toEqual({ low: 0, high: 0.1, ticks: [0, 0.1] })
    expect(axisOf([1])).toMatchObject({ high: 1 })
    expect(axisOf([null])).toMatchObject({ low: 0, high: 1 })
  })
  it('place a figure between the ends of the axis', () => {
    expect(heightOf(0.85, { low: 0.8, high: 0.9, ticks: [] }, area)).toBe(45)
  })
  it('draw a line that is interrupted where a figure is missing', () => {
    const points = linePoints([0, 1, null, 0.5], whole, area)
    expect(points).toEqual([{ x: 10, y: 80 }, { x: 110, y: 10 }, null, { x: 310, y: 45 }])
    expect(linePath(points)).toBe('M10 80 L110 10 M310 45')
  })
  it('put a single figure in the middle', () => {
    expect(linePoints([1], whole, area)).toEqual([{ x: 160, y: 10 }])
  })
})
