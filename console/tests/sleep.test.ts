import { expect, test } from 'vitest'
import { changeText, servingStatus } from '../src/versions/sleep'

test.each([
  ['RUNNING', 'awake', 'Runs'],
  ['RUNNING', 'asleep', 'Falls asleep'],
  ['STARTING', 'awake', 'Starts'],
  ['STOPPING', 'asleep', 'Stops'],
  ['STOPPED', 'asleep', 'Sleeps'],
  ['FAILED', 'awake', 'Does not run'],
  [null, 'awake', 'Does not run'],
] as const)('a champion that is %s and %s', (status, state, text) => {
  expect(servingStatus({ status, state }).text).toBe(text)
})

test('a decision names the person who has made it', () => {
  const change = { at: '2026-01-01T00:00:00Z', by: 'ann', what: 'stop', why: 'holidays' }
  expect(changeText(change)).toBe('ann: stop, holidays')
  expect(changeText({ ...change, by: 'labelloop', what: 'sleeps', why: '' })).toBe('sleeps')
})
