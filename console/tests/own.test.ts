import { beforeEach, describe, expect, it, vi } from 'vitest'
import type { AnsweredTask, Task } from '../src/api'
import type { Ready } from '../src/desk/claims'
import { answerText } from '../src/desk/wording'

vi.mock('../src/auth', () => ({ SignedOutError: class extends Error {}, onSignOut: () => () => undefined }))
const getAnswers = vi.hoisted(() => vi.fn())
vi.mock('../src/api', () => ({ getAnswers, ApiError: class extends Error {} }))
vi.stubGlobal('Image', class {
  src = ''
  decode = () => Promise.resolve()
})
const { correct, correcting, forget, goBack, leave, loadOwn, own, ownBy, remember } = await import('../src/desk/own')

const LATER = '2999-01-01T00:00:00Z'
const ready = (id: string) => ({ task: { id, url_expires_at: LATER } as Task }) as Ready
const nothing = { verdict: 'nothing' as const, seconds: 1 }
const fromApi = (id: string, at: string, url_expires_at = LATER) =>
  ({
    id,
    url: `/${id}`,
    url_expires_at,
    state: 'done',
    corrected: false,
    answer: { verdict: 'unusable', boxes: [], labels: [], reason: 'blurred', at },
  }) as unknown as AnsweredTask
const ids = () => own.value.map(({ task }) => task.id)

let person = 0
beforeEach(() => {
  getAnswers.mockReset().mockResolvedValue({ tasks: [] })
  person += 1
  ownBy(`person ${person}`)
})

describe('own answers', () => {
  it('go back one by one, those of this page first and at once', async () => {
    getAnswers.mockResolvedValue({ tasks: [fromApi('second', '2026-01-01T00:00:02Z'), fromApi('first', '2026-01-01T00:00:00Z')] })
    remember(ready('second'), nothing, '2026-01-01T00:00:02Z')
    remember(ready('third'), nothing, '2026-01-01T00:00:03Z')
    expect([await goBack(), correcting.value?.task.id]).toEqual([true, 'third'])
    expect([await goBack(), correcting.value?.task.id]).toEqual([true, 'second'])
    expect(getAnswers).not.toHaveBeenCalled()
    expect([await goBack(), correcting.value?.task.id]).toEqual([true, 'first'])
    expect(correcting.value?.answer).toMatchObject({ verdict: 'unusable', reason: 'blurred' })
    expect(await goBack()).toBe(false)
    leave()
    expect([await goBack(), correcting.value?.task.id]).toEqual([true, 'third'])
  })
  it('have what was corrected last, once', () => {
    remember(ready('a'), nothing, '2026-01-01T00:00:00Z')
    remember(ready('b'), nothing, '2026-01-01T00:00:01Z')
    remember(ready('a'), { ...nothing, correction: true }, '2026-01-01T00:00:02Z')
    expect(own.value.map(({ task, corrected }) => [task.id, corrected])).toEqual([['a', true], ['b', false]])
    expect(own.value[0]?.answer).toEqual(nothing)
  })
  it('forget what the API has not accepted, and ask it again', async () => {
    getAnswers.mockResolvedValue({ tasks: [fromApi('a', '2026-01-01T00:00:00Z')] })
    await loadOwn()
    remember(ready('a'), nothing)
    forget('a')
    expect(ids()).toEqual([])
    await loadOwn()
    expect(own.value[0]?.answer.verdict).toBe('unusable')
  })
  it('are nobody else\u2019s', async () => {
    remember(ready('a'), nothing)
    await goBack()
    ownBy('another person')
    expect([ids(), correcting.value]).toEqual([[], null])
  })
  it('get a new link to an image whose link has expired', async () => {
    getAnswers.mockResolvedValue({ tasks: [fromApi('a', '2026-01-01T00:00:00Z')] })
    await correct({ task: fromApi('a', '', '2020-01-01T00:00:00Z') as unknown as Task, answer: nothing, at: '', corrected: false })
    expect(correcting.value?.task.url_expires_at).toBe(LATER)
  })
})

it('says an answer in words', () => {
  const box = (label: string) => ({ label, left: 0, top: 0, width: 1, height: 1 })
  expect(answerText({ verdict: 'labelled', boxes: [box('cone'), box('crate'), box('cone')] })).toBe('Labelled: 2 cone, crate')
  expect(answerText({ verdict: 'labelled', labels: ['cat'] })).toBe('Labelled: cat')
  expect(answerText({ verdict: 'nothing' })).toBe('No objects')
  expect(answerText({ verdict: 'unusable', reason: 'Blurred' })).toBe('Unusable: Blurred')
})
