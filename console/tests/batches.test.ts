import { expect, test } from 'vitest'
import type { BatchLine } from '../src/api'
import { histogramOf, paceAfter, progressText, secondsLeft, secondsToNextLook, shareOf, summaryText, type Pace } from '../src/batches/wording'

const batch = (rest: Partial<BatchLine>): BatchLine => ({
  name: 'night',
  state: 'running',
  source: '',
  total: 1000,
  answered: 250,
  failed: 0,
  version: 'v1',
  created_by: '',
  created_at: '',
  started_at: '',
  ended_at: '',
  waits_for: '',
  reason: '',
  ...rest,
})
const looks = (...seen: [number, number][]): Pace | null =>
  seen.reduce<Pace | null>((pace, [seconds, answered]) => paceAfter(pace, { at: seconds * 1000, answered }), null)

test('the time left goes by what was answered since the page was opened', () => {
  expect(secondsLeft(looks([0, 200], [10, 250]), 1000)).toBe(150)
  expect(secondsLeft(looks([0, 200], [10, 250], [20, 400]), 1000)).toBe(60)
})

test('while nothing is answered nothing is known, and that time does not count', () => {
  expect(secondsLeft(looks([0, 0], [600, 0]), 1000)).toBeNull()
  expect(secondsLeft(looks([0, 0], [600, 0], [610, 100]), 1000)).toBe(90)
  expect(secondsLeft(null, 1000)).toBeNull()
})

test('a batch that was counted anew begins anew', () => {
  expect(secondsLeft(looks([0, 0], [10, 500], [20, 100], [30, 200]), 1000)).toBe(80)
})

test('progress is said in words', () => {
  expect(progressText(batch({}), looks([0, 150], [10, 250]))).toBe(
    '250 of 1,000 images have an answer, 25 %; about 1 min 15 s left.',
  )
  expect(progressText(batch({ state: 'done', answered: 1000 }), looks([0, 900], [10, 1000]))).toBe(
    '1,000 of 1,000 images have an answer, 100 %.',
  )
  expect(shareOf(batch({ total: 0, answered: 0 }))).toBe(0)
})

test('a batch that has ended is not looked at again', () => {
  expect(secondsToNextLook(batch({}))).toBe(3)
  expect(secondsToNextLook(batch({ state: 'cancelled' }))).toBeNull()
})

test('the histogram begins where there is something', () => {
  expect(histogramOf([0, 0, 3, 0])).toEqual([
    { name: '50 %', parts: [3, 0] },
    { name: '75 %', parts: [0, 0] },
  ])
  expect(histogramOf([])).toEqual([])
})

test('what is missing is said only where something is', () => {
  const summary = { detected: 2, failed: 1, without_objects: 1, missing: 0, labels: [], histogram: [], failures: [] }
  expect(summaryText(summary)).toBe('2 images were looked at, 1 of them without objects; 1 failed.')
  expect(summaryText({ ...summary, missing: 4 })).toContain('4 have no answer')
})
