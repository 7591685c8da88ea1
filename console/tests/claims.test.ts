import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { FakeLocks, FakeStorage } from './browser'

let leaving: (() => Promise<unknown>)[]

vi.mock('../src/auth', () => ({
  SignedOutError: class extends Error {},
  config: () => ({ apiBase: '/api' }),
  accessToken: () => Promise.resolve('token'),
  currentToken: () => 'token',
  onSignOut: (act: () => Promise<unknown>) => {
    leaving.push(act)
    return () => leaving.splice(leaving.indexOf(act), 1)
  },
}))

const tasks = ['one', 'two'].map((id) => ({ id, url: `/${id}.jpg`, until: 'noon' }))
const givenBack = ['DELETE /api/claims/one?until=noon', 'DELETE /api/claims/two?until=noon']
let asked: string[]
let sent: unknown[]
let claim: (response: Response) => void
/** What renewing a claim is answered with. */
let renewals: Record<string, () => Response>

beforeEach(() => {
  asked = []
  sent = []
  leaving = []
  renewals = {}
  vi.stubGlobal('localStorage', new FakeStorage())
  vi.stubGlobal('navigator', { locks: new FakeLocks() })
  vi.stubGlobal('window', new EventTarget())
  vi.stubGlobal('document', new EventTarget())
  vi.stubGlobal('Image', class {
    decode = () => Promise.resolve()
  })
  vi.stubGlobal('fetch', (path: string, { method, body }: RequestInit) => {
    asked.push(`${method} ${path}`)
    if (body) sent.push(JSON.parse(body as string))
    const renewed = method === 'PUT' ? (renewals[path.split('/').at(-1) ?? ''] ?? (() => Response.json({ until: 'one' }))) : null
    if (renewed) return Promise.resolve(renewed())
    if (path !== '/api/claims') return Promise.resolve(new Response(null, { status: 204 }))
    return new Promise<Response>((resolve) => {
      claim = resolve
    })
  })
})
afterEach(() => vi.unstubAllGlobals())

async function opened() {
  const { claimed, Claims } = await import('../src/desk/claims')
  const lost: string[] = []
  const claims = new Claims('me', (why, begun) => lost.push(`${why}${begun ? ', begun' : ''}`), () => ['in-the-outbox'])
  const ready = claims.open()
  await vi.waitFor(() => expect(asked).toEqual(['POST /api/claims']))
  return { claimed, claims, lost, ready }
}

it('shows what it has claimed, and gives it back when the desk is left', async () => {
  const { claimed, claims, ready } = await opened()
  claim(Response.json({ tasks }))
  await ready
  expect(claimed.value.map(({ task }) => task.id)).toEqual(['one', 'two'])
  claims.close()
  await vi.waitFor(() => expect(asked.slice(1)).toEqual(givenBack))
})
it('gives back what is claimed for it after the desk was left', async () => {
  const { claimed, claims, ready } = await opened()
  claims.close()
  claim(Response.json({ tasks }))
  await ready
  expect(claimed.value).toEqual([])
  await vi.waitFor(() => expect(asked.slice(1)).toEqual(givenBack))
})
it('tells what it has at hand, so that what was claimed before a reload comes again', async () => {
  const { claimed, claims, ready } = await opened()
  expect(sent).toEqual([{ count: 4, held: ['in-the-outbox'] }])
  claim(Response.json({ tasks }))
  await ready
  claims.next()
  await vi.waitFor(() => expect(sent).toHaveLength(2))
  expect(sent[1]).toEqual({ count: 3, held: ['two', 'in-the-outbox', 'one'] })
  claim(Response.json({ tasks: [] }))
  expect(claimed.value.map(({ task }) => task.id)).toEqual(['two'])
  claims.close()
})
it('gives back at the end of the page the very claims that it has', async () => {
  const { ready } = await opened()
  claim(Response.json({ tasks }))
  await ready
  window.dispatchEvent(new Event('pagehide'))
  expect(asked.slice(1)).toEqual(givenBack)
})
it('gives back at signing out, while the token holds, and claims no more', async () => {
  const { claimed, claims, ready } = await opened()
  claim(Response.json({ tasks }))
  await ready
  await Promise.all(leaving.map((act) => act()))
  expect(asked.slice(1)).toEqual(givenBack)
  await claims.fill()
  claims.close()
  expect([claimed.value, asked.length, leaving]).toEqual([[], 3, []])
})
it('leaves to other tabs what they have', async () => {
  const { Tabs } = await import('../src/desk/tabs')
  const other = new Tabs('me')
  other.keep(['elsewhere'])
  await vi.waitFor(async () => expect(await other.tasks()).toEqual(['elsewhere']))
  const { saveUnsent } = await import('../src/desk/unsent')
  saveUnsent('me', 'elsewhere', { boxes: [], labels: [] })
  const { claims, ready } = await opened()
  expect(sent).toEqual([{ count: 4, held: ['elsewhere', 'in-the-outbox'] }])
  claim(Response.json({ tasks }))
  await ready
  await vi.waitFor(async () => expect((await other.tasks()).sort()).toEqual(['elsewhere', 'one', 'two']))
  claims.close()
})
it('tells of a task that is gone if it was on the desk or begun, and forgets what was not sent of one that is over', async () => {
  const { saveUnsent, unsentTasks } = await import('../src/desk/unsent')
  const { claimed, claims, lost, ready } = await opened()
  const more = ['three', 'four'].map((id) => ({ id, url: `/${id}.jpg`, until: 'noon' }))
  claim(Response.json({ tasks: [...tasks, ...more] }))
  await ready
  saveUnsent('me', 'four', { boxes: [], labels: [] })
  const over = (message: string) => () => Response.json({ error: { code: 'already_done', message } }, { status: 409 })
  renewals = { one: over('you have answered this task already'), three: over('not seen'), four: over('this task is done') }
  Object.assign(document, { visibilityState: 'visible' })
  document.dispatchEvent(new Event('visibilitychange'))
  await vi.waitFor(() => expect(claimed.value.map(({ task }) => task.id)).toEqual(['two']))
  expect(lost).toEqual(['you have answered this task already', 'this task is done, begun'])
  expect(unsentTasks('me')).toEqual([])
  claims.close()
})
