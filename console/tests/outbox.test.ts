import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { Delivery } from '../src/desk/outbox'
import { FakeStorage } from './browser'

vi.mock('../src/auth', () => {
  class SignedOutError extends Error {}
  return {
    SignedOutError,
    config: () => ({ apiBase: '/api' }),
    accessToken: () => Promise.resolve('token'),
    signInNeeded: () => {
      throw new SignedOutError()
    },
  }
})

const answer = (task: string, sub = 'me'): Delivery => ({ task, sub, answer: { verdict: 'nothing', seconds: 2 } })
const says = (status: number, body: unknown = {}) => new Response(JSON.stringify(body), { status })
let replies: (() => Response)[]
let asked: string[]

beforeEach(() => {
  vi.useFakeTimers()
  replies = []
  asked = []
  vi.stubGlobal('localStorage', new FakeStorage())
  vi.stubGlobal('window', new EventTarget())
  vi.stubGlobal('navigator', { locks: { request: (_name: string, act: () => Promise<void>) => act() } })
  vi.stubGlobal('fetch', (path: string) => {
    asked.push(path)
    const reply = replies.shift()
    return reply ? Promise.resolve().then(reply) : Promise.resolve(says(200))
  })
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

async function opened() {
  const { Outbox, waiting } = await import('../src/desk/outbox')
  const sent: string[] = []
  const rejected: string[] = []
  const outbox = new Outbox('me', {
    sent: ({ task }) => sent.push(task),
    rejected: ({ task }, error) => rejected.push(`${task}: ${error.message}`),
  })
  return { outbox, waiting, sent, rejected }
}
const noConnection = () => {
  throw new TypeError('Failed to fetch')
}

it('keeps an answer through a dropped connection and sends it when it is back', async () => {
  const { outbox, waiting, sent } = await opened()
  replies = [noConnection, noConnection]
  outbox.put(answer('t1'))
  await vi.advanceTimersByTimeAsync(0)
  expect([waiting.value, sent]).toEqual([1, []])
  await vi.advanceTimersByTimeAsync(1000)
  expect(waiting.value).toBe(1)
  await vi.advanceTimersByTimeAsync(2000)
  expect([waiting.value, sent]).toEqual([0, ['t1']])
})

it('sends a correction that took the place of an answer on its way', async () => {
  const { outbox, waiting, sent } = await opened()
  const correction: Delivery = { task: 't1', sub: 'me', answer: { verdict: 'unusable', seconds: 1, correction: true } }
  outbox.put(answer('t1'))
  outbox.put(correction)
  await vi.advanceTimersByTimeAsync(0)
  expect([waiting.value, sent, asked]).toEqual([0, ['t1', 't1'], ['/api/tasks/t1/answer', '/api/tasks/t1/answer']])
})

it('tries at once when the browser is online again', async () => {
  const { outbox, sent } = await opened()
  replies = [noConnection]
  outbox.start()
  outbox.put(answer('t1'))
  await vi.advanceTimersByTimeAsync(0)
  window.dispatchEvent(new Event('online'))
  await vi.advanceTimersByTimeAsync(0)
  expect(sent).toEqual(['t1'])
})

it('sends after a reload what another page left, and only one\u2019s own', async () => {
  const first = await opened()
  replies = [noConnection, noConnection]
  first.outbox.put(answer('t1'))
  first.outbox.put(answer('t2', 'somebody else'))
  await vi.advanceTimersByTimeAsync(0)
  first.outbox.stop()
  const { outbox, sent } = await opened()
  replies = []
  outbox.start()
  await vi.advanceTimersByTimeAsync(0)
  expect(sent).toEqual(['t1'])
  expect(JSON.parse(localStorage.getItem('labelloop.outbox') ?? '')).toEqual([answer('t2', 'somebody else')])
})

it('keeps an answer of somebody else about the same task', async () => {
  const { outbox, sent } = await opened()
  const theirs = answer('t1', 'somebody else')
  localStorage.setItem('labelloop.outbox', JSON.stringify([theirs]))
  outbox.put(answer('t1'))
  await vi.advanceTimersByTimeAsync(0)
  expect(sent).toEqual(['t1'])
  expect(JSON.parse(localStorage.getItem('labelloop.outbox') ?? '')).toEqual([theirs])
})

it('reports an error, drops the answer, and goes on with the next', async () => {
  const { outbox, sent, rejected, waiting } = await opened()
  replies = [() => says(410, { error: { code: 'gone', message: 'The task was deleted.' } })]
  outbox.put(answer('t1'))
  outbox.put(answer('t2'))
  await vi.advanceTimersByTimeAsync(0)
  expect(rejected).toEqual(['t1: The task was deleted.'])
  expect([sent, waiting.value]).toEqual([['t2'], 0])
})

it('keeps an answer when the sign-in has expired, and asks no more until it is renewed', async () => {
  const { outbox, waiting, sent } = await opened()
  replies = [() => says(401), () => says(401)]
  outbox.put(answer('t1'))
  await vi.advanceTimersByTimeAsync(300_000)
  expect([asked.length, waiting.value]).toEqual([2, 1])
  outbox.now()
  await vi.advanceTimersByTimeAsync(0)
  expect([sent, waiting.value]).toEqual([['t1'], 0])
})

it('waits longer each time, to a minute', async () => {
  const { backoff } = await import('../src/desk/outbox')
  expect([0, 1, 2, 5, 6, 30].map(backoff)).toEqual([1000, 2000, 4000, 32000, 60000, 60000])
})
