import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

const renewed: boolean[] = []
vi.mock('../src/auth', () => {
  class SignedOutError extends Error {}
  return {
    SignedOutError,
    config: () => ({ apiBase: '/api' }),
    accessToken: (rejected: boolean) => {
      renewed.push(rejected)
      return Promise.resolve(rejected ? 'new' : 'old')
    },
    signInNeeded: () => {
      throw new SignedOutError()
    },
  }
})
const api = await import('../src/api')
const { SignedOutError } = await import('../src/auth')

interface Asked {
  path: string
  method: string
  token: string
  body: unknown
}
let asked: Asked[]
let replies: (() => Response)[]
beforeEach(() => {
  asked = []
  replies = []
  renewed.length = 0
  vi.stubGlobal('fetch', (path: string, { method, headers, body }: RequestInit) => {
    const token = (headers as Record<string, string>)['Authorization'] ?? ''
    asked.push({ path, method: method ?? '', token, body })
    return Promise.resolve().then(replies.shift() ?? (() => Response.json({})))
  })
})
afterEach(() => void vi.unstubAllGlobals())
const fails = (status: number, error?: unknown) => () => Response.json(error ? { error } : {}, { status })

it('hands on what the API says is wrong, and where', async () => {
  replies = [fails(422, { code: 'bad_label', message: 'a key is empty or one of these', field: 'key' })]
  await expect(api.putLabel('nut', { key: '?' })).rejects.toMatchObject({
    status: 422,
    code: 'bad_label',
    message: 'a key is empty or one of these',
    field: 'key',
  })
})
it('has words for an answer without any', async () => {
  replies = [() => new Response('<html>', { status: 413 })]
  await expect(api.getRuns()).rejects.toMatchObject({
    code: 'http_413',
    message: 'The service responded with status 413. Try again in a moment.',
  })
})

/** All timers that are set until then have gone off. */
async function patiently<T>(request: Promise<T>): Promise<T> {
  const settled = request.then(
    (value) => () => value,
    (error: unknown) => () => {
      throw error
    },
  )
  await vi.advanceTimersByTimeAsync(20_000)
  return (await settled)()
}

describe('while AWS has no function left to run', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())
  const busy = (status: number) => () => Response.json({ message: 'Service Unavailable' }, { status })

  it.each([429, 500, 502, 503, 504])('tries a request again that was answered with %i', async (status) => {
    replies = [busy(status), busy(status), () => Response.json({ runs: [] })]
    expect(await patiently(api.getRuns())).toEqual({ runs: [] })
    expect(asked.map(({ method }) => method)).toEqual(['GET', 'GET', 'GET'])
  })
  it.each([429, 503])('sends again what has to be done, too (%i)', async (status) => {
    replies = [busy(status), () => Response.json({ tasks: [] })]
    expect(await patiently(api.claimTasks(1, []))).toEqual({ tasks: [] })
    expect(asked[1]).toEqual(asked[0])
  })
  it('does not do twice what may have been done', async () => {
    replies = [busy(500)]
    await expect(patiently(api.claimTasks(1, []))).rejects.toMatchObject({ code: 'http_500' })
    expect(asked).toHaveLength(1)
  })
  it('gives up in the end, and says why', async () => {
    replies = Array.from({ length: 9 }, () => busy(503))
    await expect(patiently(api.getRuns())).rejects.toMatchObject({
      status: 503,
      message: 'AWS took no more requests just now: too many came at once. Try again in a moment.',
    })
    expect(asked).toHaveLength(5)
  })
  it.each([500, 503])('believes the API itself (%i)', async (status) => {
    replies = [fails(status, { code: 'starting', message: 'the champion is being started', field: null })]
    await expect(patiently(api.getRuns())).rejects.toMatchObject({ code: 'starting' })
    expect(asked).toHaveLength(1)
  })
})
it('promises nothing when there is no connection: only the desk keeps what is done', async () => {
  replies = [
    () => {
      throw new TypeError('Failed to fetch')
    },
  ]
  const error = await api.putLabel('nut', {}).catch((caught: unknown) => caught)
  expect(error).toBeInstanceOf(api.OfflineError)
  expect(String(error)).toMatch(/connection/)
  expect(String(error)).not.toMatch(/kept|sent/)
})
it('tries once more with a new token, and then asks for signing in', async () => {
  replies = [fails(401), () => Response.json({ runs: [] })]
  await expect(api.getRuns()).resolves.toEqual({ runs: [] })
  expect(asked.map(({ token }) => token)).toEqual(['Bearer old', 'Bearer new'])
  replies = [fails(401), fails(401)]
  await expect(api.getRuns()).rejects.toBeInstanceOf(SignedOutError)
})
it('writes names that people choose so that a path keeps its segments', async () => {
  await api.putLabel('nut/M4 & bolt', { retired: true })
  await api.getAdminTasks('given_back', 'a=b&c')
  await api.getAdminTasks()
  expect(asked.map(({ method, path }) => `${method} ${path}`)).toEqual([
    'PUT /api/admin/labels?label=nut%2FM4%20%26%20bolt',
    'GET /api/admin/tasks?state=given_back&cursor=a%3Db%26c',
    'GET /api/admin/tasks',
  ])
  expect(asked[0]?.body).toBe('{"retired":true}')
})
it('takes an answer without a body', async () => {
  replies = [() => new Response(null, { status: 204 })]
  await expect(api.deleteTask('t1')).resolves.toBeUndefined()
})
