/** Sign-in at the deployment's Cognito user pool: authorization code with PKCE, refreshed silently. */
import { signal } from '@preact/signals'
import { ErrorTimeout, UserManager, WebStorageStateStore, type User } from 'oidc-client-ts'

/** `/config.json`, written by the deployment beside the page. */
export interface Config {
  deployment: string
  region: string
  clientId: string
  authority: string
  authorizationEndpoint?: string
  tokenEndpoint?: string
  revocationEndpoint?: string
  logoutEndpoint?: string
  redirectUri: string
  apiBase: string
}

/** `expired`: was signed in and has to sign in again; nothing on the screen is lost. */
export type SignIn = 'unknown' | 'out' | 'in' | 'expired'
export const signIn = signal<SignIn>('unknown')
/** Why signing in failed; empty when nobody has tried, or it worked. */
export const signInProblem = signal('')

export class SignedOutError extends Error {
  constructor() {
    super('Your session has expired. Sign in again.')
    this.name = 'SignedOutError'
  }
}

let loaded: Config | null = null
let manager: UserManager | null = null
let user: User | null = null
let renewal: Promise<User | null> | null = null

export function config(): Config {
  if (!loaded) throw new Error('config.json has not been read yet')
  return loaded
}

function userManager(): UserManager {
  if (!manager) throw new Error('sign-in has not been set up yet')
  return manager
}

function makeManager(settings: Config): UserManager {
  const { authorizationEndpoint, tokenEndpoint, logoutEndpoint } = settings
  const hasEndpoints = authorizationEndpoint && tokenEndpoint
  return new UserManager({
    authority: settings.authority,
    client_id: settings.clientId,
    redirect_uri: settings.redirectUri,
    response_type: 'code',
    scope: 'openid email profile',
    automaticSilentRenew: false,
    userStore: new WebStorageStateStore({ store: sessionStorage }),
    stateStore: new WebStorageStateStore({ store: sessionStorage }),
    ...(hasEndpoints && {
      metadata: {
        issuer: settings.authority,
        authorization_endpoint: authorizationEndpoint,
        token_endpoint: tokenEndpoint,
        ...(logoutEndpoint && { end_session_endpoint: logoutEndpoint }),
      },
    }),
  })
}

/** Reads the configuration and restores a sign-in: one just made, or the one of this tab. */
export async function startAuth(): Promise<void> {
  const response = await fetch('/config.json', { cache: 'no-store' })
  if (!response.ok) throw new Error(`config.json answered ${response.status}: is the deployment complete?`)
  loaded = (await response.json()) as Config
  manager = makeManager(loaded)
  const query = new URLSearchParams(location.search)
  if (query.has('state') && (query.has('code') || query.has('error'))) {
    await finishSignIn()
  } else {
    user = await manager.getUser()
  }
  // Without a connection the page opens all the same: what was not sent is in this browser.
  if (user?.expired) user = await renew().catch(() => user)
  signIn.value = user ? 'in' : 'out'
}

async function finishSignIn(): Promise<void> {
  let back = '/'
  try {
    user = await userManager().signinRedirectCallback()
    back = typeof user.state === 'string' ? user.state : back
  } catch (error) {
    user = null
    signInProblem.value = error instanceof Error ? error.message : String(error)
  }
  history.replaceState(null, '', back)
}

/** No connection: `fetch` throws a TypeError then. */
const isUnreachable = (error: unknown): boolean => error instanceof TypeError || error instanceof ErrorTimeout

/** Renews the token. Null when the user has to sign in again; throws when the sign-in host cannot be reached. */
function renew(): Promise<User | null> {
  if (!user?.refresh_token) return Promise.resolve(null)
  // One renewal at a time: a refresh token that is rotated can be used only once.
  renewal ??= userManager()
    .signinSilent()
    .catch((error: unknown) => {
      if (isUnreachable(error)) throw error
      return null
    })
    .finally(() => {
      renewal = null
    })
  return renewal
}

/** The token to send; renewed when it is about to expire, or when the API has rejected it. */
export async function accessToken(rejected = false): Promise<string> {
  const soon = (user?.expires_in ?? 0) < 30
  if (user && (rejected || soon)) {
    user = await renew()
  }
  if (!user) signInNeeded()
  return user.access_token
}

/** The token without a renewal, for a request that cannot wait; empty when signed out. */
export const currentToken = (): string => user?.access_token ?? ''

export function signInNeeded(): never {
  signIn.value = signIn.value === 'out' ? 'out' : 'expired'
  throw new SignedOutError()
}

export async function startSignIn(): Promise<void> {
  await userManager().signinRedirect({ state: location.pathname })
}

const signOutActions = new Set<() => Promise<unknown>>()
/** Runs `act` when somebody signs out, while the token is still valid; returns a function that cancels this. */
export function onSignOut(act: () => Promise<unknown>): () => void {
  signOutActions.add(act)
  return () => signOutActions.delete(act)
}

/** Revokes the refresh token and every token that was issued with it. */
async function revoke(): Promise<void> {
  const { revocationEndpoint, clientId } = config()
  if (!revocationEndpoint || !user?.refresh_token) return
  // https://docs.aws.amazon.com/cognito/latest/developerguide/revocation-endpoint.html
  const body = new URLSearchParams({ token: user.refresh_token, client_id: clientId })
  await fetch(revocationEndpoint, { method: 'POST', body, keepalive: true })
}

/** Without a connection, signing out waits no longer than this. */
const SIGN_OUT_TIMEOUT_MS = 3000
async function withTimeout(work: Promise<unknown>): Promise<void> {
  const timeout = new Promise((resolve) => setTimeout(resolve, SIGN_OUT_TIMEOUT_MS))
  await Promise.race([work.catch(() => undefined), timeout])
}

export async function signOut(): Promise<void> {
  const { logoutEndpoint, clientId, redirectUri } = config()
  await withTimeout(Promise.all([...signOutActions].map((act) => act())))
  await withTimeout(revoke())
  await userManager().removeUser()
  user = null
  signIn.value = 'out'
  if (!logoutEndpoint) return
  // Cognito's /logout: https://docs.aws.amazon.com/cognito/latest/developerguide/logout-endpoint.html
  const query = new URLSearchParams({ client_id: clientId, logout_uri: redirectUri })
  location.assign(`${logoutEndpoint}?${query.toString()}`)
}
