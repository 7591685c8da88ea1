import { afterEach, beforeEach, expect, it, vi } from 'vitest'

vi.mock('../src/auth', () => ({
  SignedOut: class extends Error {},
  config: () => ({ apiBase: '/api' }),
  accessToken: () => Promise.resolve('token'),
  tokenAtHand: () => 'token',
}))

class Storage {
  getItem = () => null
  setItem = () => undefined
  removeItem = () => undefined
}
const tasks = ['one', 'two'].map((id) => ({ id, url: `/${id}.jpg` }))
let asked: string[]
let sent: unknown[]
let claim: (response: Response) => void

beforeEach(() => {
  asked = []
  sent = []
  vi.stubGlobal('localStorage', new Storage())
  vi.stubGlobal('sessionStorage', new Storage())
  vi.stubGlobal('window', new EventTarget())
  vi.stubGlobal('document', new EventTarget())
  vi.stubGlobal('Image', class {
    decode = () => Promise.resolve()
  })
  vi.stubGlobal('fetch', (path: string, { method, body }: RequestInit) => {
    asked.push(`${method} ${path}`)
    if (body) sent.push(JSON.parse(body as string))
    if (path !== '/api/claims') return Promise.resolve(new Response(null, { status: 204 }))
    return new Promise<Response>((resolve) => {
      claim = resolve
    })
  })
})
afterEach(() => vi.unstubAllGlobals())

async function opened() {
  const { claimed, Claims } = await import('../src/desk/claims')
  const claims = new Claims(() => undefined, () => ['in-the-outbox'])
  const ready = claims.open()
  await vi.waitFor(() => expect(asked).toEqual(['POST /api/claims']))
  return { claimed, claims, ready }
}

it('shows what it has claimed, and gives it back when the desk is left', async () => {
  const { claimed, claims, ready } = await opened()
  claim(Response.json({ tasks }))
  await ready
  expect(claimed.value.map(({ task }) => task.id)).toEqual(['one', 'two'])
  claims.close()
  await vi.waitFor(() => expect(asked.slice(1)).toEqual(['DELETE /api/claims/one', 'DELETE /api/claims/two']))
})
it('gives back what is claimed for it after the desk was left', async () => {
  const { claimed, claims, ready } = await opened()
  claims.close()
  claim(Response.json({ tasks }))
  await ready
  expect(claimed.value).toEqual([])
  await vi.waitFor(() => expect(asked.slice(1)).toEqual(['DELETE /api/claims/one', 'DELETE /api/claims/two']))
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
  claim(Response.json({ tasks: tasks.map((task) => ({ ...task, until: 'noon' })) }))
  await ready
  window.dispatchEvent(new Event('pagehide'))
  expect(asked.slice(1)).toEqual(['DELETE /api/claims/one?until=noon', 'DELETE /api/claims/two?until=noon'])
})
