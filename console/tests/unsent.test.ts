import { beforeEach, expect, it, vi } from 'vitest'
import { draftedTasks, dropDraft, dropOldDrafts, loadDraft, saveDraft } from '../src/desk/drafts'
import { FakeStorage } from './browser'

const draft = (label: string) => ({ boxes: [], labels: [label] })
beforeEach(() => vi.stubGlobal('localStorage', new FakeStorage()))

it('keeps what two people draw on one task apart', () => {
  saveDraft('ann', 't1', draft('nut'))
  expect(loadDraft('ben', 't1')).toBeNull()
  saveDraft('ben', 't1', draft('gear'))
  expect(loadDraft('ann', 't1')).toEqual(draft('nut'))
  dropDraft('ben', 't1')
  expect([draftedTasks('ann'), draftedTasks('ben')]).toEqual([['t1'], []])
})
it('forgets old drafts of everybody, and whatever cannot be read', () => {
  saveDraft('ann', 't1', draft('nut'))
  saveDraft('ben', 't2', draft('nut'))
  localStorage.setItem('labelloop.draft.ben.t3', '{')
  localStorage.setItem('labelloop.outbox', '[]')
  dropOldDrafts()
  expect([draftedTasks('ann'), draftedTasks('ben')]).toEqual([['t1'], ['t2']])
  dropOldDrafts(Date.now() + 8 * 24 * 3600 * 1000)
  expect(Object.keys(localStorage)).toEqual(['labelloop.outbox'])
})
