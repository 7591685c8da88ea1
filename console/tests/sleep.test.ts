import { expect, test } from 'vitest'
import { changeText, servingStatus, unreadyText } from '../src/versions/sleep'

test.each([
  ['RUNNING', 'awake', 'Runs'],
  ['RUNNING', 'asleep', 'Falls asleep'],
  ['STARTING', 'awake', 'Starts'],
  ['STOPPING', 'asleep', 'Stops'],
  ['STOPPED', 'asleep', 'Sleeps'],
  ['FAILED', 'awake', 'Does not run'],
  [null, 'awake', 'Does not run'],
] as const)('a champion that is %s and %s', (status, state, text) => {
  expect(servingStatus({ status, state, usd_per_hour: 4 }).text).toBe(text)
})

test('a decision names the person who has made it', () => {
  const change = { at: '2026-01-01T00:00:00Z', by: 'ann', what: 'stop', why: 'holidays' }
  expect(changeText(change)).toBe('stop by ann: holidays')
  expect(changeText({ ...change, by: 'labelloop', what: 'sleeps', why: '' })).toBe('sleeps')
})

test('a champion that runs says what it costs', () => {
  expect(servingStatus({ status: 'RUNNING', state: 'awake', usd_per_hour: 8 }).meaning).toContain('8.00 USD an hour')
})

test.each([
  [{}, ''],
  [{ champion: null, status: null }, 'no model to try yet'],
  [{ status: 'STARTING' }, '10 to 20 minutes'],
  [{ status: 'STOPPED' }, 'is to run, and is STOPPED'],
  [{ status: 'STOPPED', state: 'asleep' }, 'until it is started'],
  [{ status: 'RUNNING', state: 'asleep' }, 'until it is started'],
  [{ status: 'STOPPED', state: 'asleep', policy: 'demand' }, 'An image that you try starts it'],
  [{ status: 'STOPPED', state: 'asleep', policy: 'demand', asked: 'stop' }, 'until it is started'],
] as const)('before an image is tried, of a champion that is %j', (changed, words) => {
  const serving = { champion: 'v1', status: 'RUNNING', state: 'awake', usd_per_hour: 4, policy: 'idle', asked: null } as const
  const text = unreadyText({ ...serving, ...changed })
  expect(text).toContain(words)
  expect(text === '').toBe(words === '')
})
