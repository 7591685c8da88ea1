import { beforeEach, expect, it, vi } from 'vitest'
import { FakeStorage } from './browser'

const config = {
  clientId: 'page',
  authority: 'pool',
  authorizationEndpoint: 'https://host/oauth2/authorize',
  tokenEndpoint: 'https://host/oauth2/token',
  revocationEndpoint: 'https://host/oauth2/revoke',
  logoutEndpoint: 'https://host/logout',
  redirectUri: 'https://console/',
}
const user = { access_token: 'access', refresh_token: 'refresh', token_type: 'Bearer', profile: { sub: 'me' }, expires_at: 4e9 }
let asked: string[]
let left: string[]
let revocation: () => Promise<Response>

beforeEach(() => {
  vi.resetModules()
  asked = []
  left = []
  revocation = () => Promise.resolve(new Response())
  const sessions = new FakeStorage()
  sessions.setItem('oidc.user:pool:page', JSON.stringify(user))
  vi.stubGlobal('sessionStorage', sessions)
  vi.stubGlobal('location', { search: '', pathname: '/review', assign: (to: string) => left.push(to) })
  vi.stubGlobal('history', { replaceState: () => undefined })
  vi.stubGlobal('fetch', (path: string, options?: RequestInit) => {
    if (path === '/config.json') return Promise.resolve(Response.json(config))
    asked.push(`${options?.method} ${path} ${String(options?.body)}`)
    return revocation()
  })
})

async function signedIn() {
  const auth = await import('../src/auth')
  await auth.startAuth()
  expect(auth.signIn.value).toBe('in')
  return auth
}

it('does what is to be done with the token, revokes it, and then forgets it', async () => {
  const auth = await signedIn()
  const tokens: string[] = []
  auth.onSignOut(async () => tokens.push(await auth.accessToken()))
  const back = auth.onSignOut(() => Promise.reject(new Error('taken back')))
  back()
  await auth.signOut()
  expect(tokens).toEqual(['access'])
  expect(asked).toEqual(['POST https://host/oauth2/revoke token=refresh&client_id=page'])
  expect([auth.signIn.value, auth.currentToken(), Object.keys(sessionStorage)]).toEqual(['out', '', []])
  expect(left).toEqual(['https://host/logout?client_id=page&logout_uri=https%3A%2F%2Fconsole%2F'])
})
it('signs out all the same when nothing answers', async () => {
  vi.useFakeTimers()
  const auth = await signedIn()
  auth.onSignOut(() => new Promise(() => undefined))
  revocation = () => Promise.reject(new TypeError('Failed to fetch'))
  const done = auth.signOut()
  await vi.advanceTimersByTimeAsync(10_000)
  await done
  vi.useRealTimers()
  expect([auth.signIn.value, left.length]).toEqual(['out', 1])
})
it.each([
  ['?error=access_denied&error_description=The%20user%20is%20disabled&state=unknown', /No matching state/],
  ['?code=c&state=of-another-tab', /No matching state/],
])('says why signing in did not work: %s', async (search, why) => {
  const location = { search, href: `https://console/${search}`, pathname: '/' }
  vi.stubGlobal('location', location)
  vi.stubGlobal('window', { location })
  const auth = await import('../src/auth')
  await auth.startAuth()
  expect(auth.signIn.value).toBe('out')
  expect(auth.signInProblem.value).toMatch(why)
})

it.each([
  ['rejected', () => Promise.resolve(Response.json({ error: 'invalid_grant' }, { status: 400 })), 'expired', 'SignedOutError'],
  ['not understood', () => Promise.resolve(Response.json({ token_type: 'Bearer', id_token: 'x' })), 'expired', 'SignedOutError'],
  ['not answered', () => Promise.reject(new TypeError('Failed to fetch')), 'in', 'TypeError'],
])('signs nobody out for want of a connection: a renewal that is %s', async (_, answer, then, thrown) => {
  const auth = await signedIn()
  revocation = answer
  await expect(auth.accessToken(true)).rejects.toMatchObject({ name: thrown })
  expect(auth.signIn.value).toBe(then)
})
