import { beforeEach, expect, it, vi } from 'vitest'
import { unsentTasks, dropUnsent, dropOldUnsent, loadUnsent, saveUnsent } from '../src/desk/unsent'
import { FakeStorage } from './browser'

const unsent = (label: string) => ({ boxes: [], labels: [label] })
beforeEach(() => vi.stubGlobal('localStorage', new FakeStorage()))

it('keeps what two people draw on one task apart', () => {
  saveUnsent('ann', 't1', unsent('nut'))
  expect(loadUnsent('ben', 't1')).toBeNull()
  saveUnsent('ben', 't1', unsent('gear'))
  expect(loadUnsent('ann', 't1')).toEqual(unsent('nut'))
  dropUnsent('ben', 't1')
  expect([unsentTasks('ann'), unsentTasks('ben')]).toEqual([['t1'], []])
})
it('forgets what is old of everybody, and whatever cannot be read', () => {
  saveUnsent('ann', 't1', unsent('nut'))
  saveUnsent('ben', 't2', unsent('nut'))
  localStorage.setItem('labelloop.draft.ben.t3', '{')
  localStorage.setItem('labelloop.outbox', '[]')
  dropOldUnsent()
  expect([unsentTasks('ann'), unsentTasks('ben')]).toEqual([['t1'], ['t2']])
  dropOldUnsent(Date.now() + 8 * 24 * 3600 * 1000)
  expect(Object.keys(localStorage)).toEqual(['labelloop.outbox'])
})
