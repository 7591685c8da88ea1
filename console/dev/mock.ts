/** A mock of the API in memory, for `vite` and `vite preview`. It is not part of the built page. */
import { readdirSync, readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import type { Connect, Plugin } from 'vite'
import { administrationAnswer, forgetTasks } from './administration.ts'
import { ok, failure, type Answer } from './answers.ts'
import { datasetAnswer, forgetImages } from './dataset.ts'
import { colours, forgetLabels, labels } from './labels.ts'
import { forgetAnswers, labelIssuesAnswer } from './evaluations.ts'
import { homeAnswer } from './home.ts'
import { noCosts, pagesAnswer, runs } from './pages.ts'

const pictures = process.env['MOCK_PICTURES'] ?? ''

/** The state of the mock; POST /mock/world resets it with other members, PATCH changes some. */
const first = () => ({
  kind: process.env['MOCK_KIND'] ?? 'detection',
  /** The number of tasks on the desk. */
  tasks: Number(process.env['MOCK_TASKS'] ?? 120),
  /** The number of images of the dataset. */
  images: Number(process.env['MOCK_IMAGES'] ?? 340),
  /** No runs, no versions, no labels, no reviewers yet. */
  empty: false,
  /** Nothing of the home page can be read. */
  unread: false,
  /** Several people are asked about each image. */
  shared: false,
  /** Who signs in. */
  sub: 'u1',
  name: 'Rosa',
  administrator: true,
  /** An error that the sign-in page comes back with. */
  signInError: '',
  /** The error that answers and skips get; 401 is for every route. */
  error: null as { status: number; code?: string; message?: string } | null,
})
let world = first()
const claimedTasks = new Map<string, string>()
const doneTasks = new Map<string, Record<string, unknown>>()
const answeredAt = new Map<string, string>()
const skippedTasks = () => [...doneTasks].filter(([, body]) => !('verdict' in body)).map(([task]) => task)
const revoked: string[] = []

function begin(changes: Record<string, unknown>): Answer {
  world = { ...first(), ...changes }
  for (const kept of [claimedTasks, doneTasks, answeredAt]) kept.clear()
  revoked.length = 0
  forgetLabels()
  forgetTasks()
  forgetAnswers()
  forgetImages()
  return ok(world)
}

/** A seeded generator, so that a picture is the same each time. */
function random(seed: number): () => number {
  let state = seed * 2654435761
  return () => {
    state = (state * 1664525 + 1013904223) % 4294967296
    return Math.abs(state) / 4294967296
  }
}

interface Shape {
  label: string
  left: number
  top: number
  width: number
  height: number
}
const size = { width: 1280, height: 853 }

function shapes(n: number): Shape[] {
  const next = random(n + 1)
  return Array.from({ length: 2 + Math.floor(next() * 4) }, () => ({
    label: Object.keys(colours)[Math.floor(next() * 4)] ?? 'crate',
    left: Math.floor(next() * 950),
    top: Math.floor(next() * 560),
    width: 120 + Math.floor(next() * 180),
    height: 110 + Math.floor(next() * 160),
  }))
}

function picture(n: number): string {
  const body = shapes(n).map(
    ({ label, left, top, width, height }) =>
      `<rect x="${left}" y="${top}" width="${width}" height="${height}" rx="14" fill="${colours[label] ?? ''}"/>`,
  )
  const { width, height } = size
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"><rect width="100%" height="100%" fill="#${(90 + (n % 60)).toString(16)}8a7c"/><path d="M0 600L1280 520V853H0Z" fill="#5d635c"/>${body.join('')}</svg>`
}

function taskOf(n: number) {
  const soon = new Date(Date.now() + 600_000).toISOString()
  const boxes = shapes(n).map((shape, i) => ({ ...shape, left: shape.left + 6 * i, confidence: 91.4 - 13 * i }))
  return {
    id: `task-${n}`,
    image: `${n}`.padStart(64, '0'),
    url: `/mock/pictures/${n}`,
    url_expires_at: soon,
    ...size,
    kind: world.kind,
    reason: n % 3 ? 'low_confidence' : 'unlabelled',
    why: n % 3 ? 'the model is not sure of what it detects' : 'it has no labels yet',
    created_at: new Date(Date.now() - n * 60_000).toISOString(),
    until: soon,
    suggestions:
      world.kind === 'detection' ? { boxes: n % 3 ? boxes : [] } : { labels: [{ label: 'crate', confidence: 71.2 }] },
    suggested_by: world.kind === 'detection' ? 'labelloop-7' : null,
    drafted_from: world.kind === 'detection' ? 0 : 12,
    wanted: 1,
    answers: 0,
  }
}

const isFree = (task: string): boolean => world.shared || (claimedTasks.get(task) ?? world.sub) === world.sub

/** Those that the reviewer claimed before and does not hold, then free ones, as the API does it. */
function claim(count: number, held: string[]): Answer {
  const tasks = []
  for (let n = 0; n < world.tasks && tasks.length < count; n += 1) {
    const id = `task-${n}`
    if (held.includes(id) || doneTasks.has(id) || !isFree(id)) continue
    claimedTasks.set(id, world.sub)
    tasks.push(taskOf(n))
  }
  return ok({ tasks })
}

/** What was answered, as the person's own answers. */
function ownAnswers() {
  const answered = [...doneTasks].filter(([, body]) => 'verdict' in body)
  return answered.reverse().map(([task, body]) => ({
    ...taskOf(Number(task.slice(5))),
    until: '',
    answers: 1,
    state: 'done',
    corrected: body['correction'] === true,
    answer: {
      reviewer: world.sub,
      name: world.name,
      verdict: body['verdict'],
      boxes: body['boxes'] ?? [],
      labels: body['labels'] ?? [],
      reason: body['reason'] ?? '',
      at: answeredAt.get(task),
    },
  }))
}

function deskAnswer(method: string, path: string, body: Record<string, unknown>): Answer | null {
  const until = new Date(Date.now() + 600_000).toISOString()
  const task = /^\/(?:claims|tasks)\/([^/]+)/.exec(path)?.[1] ?? ''
  if (path === '/me')
    return ok({ sub: world.sub, name: world.name, groups: world.administrator ? ['reviewers', 'administrators'] : ['reviewers'] })
  if (path === '/queue') {
    const skipped = skippedTasks().length
    const done = doneTasks.size - skipped
    return ok({ open: world.tasks - done, left: world.tasks - done - skipped, skipped, answered_today: done })
  }
  if (path === '/answers') return ok({ tasks: ownAnswers() })
  if (path === '/skips') {
    for (const skipped of skippedTasks()) doneTasks.delete(skipped)
    return { status: 204 }
  }
  if (path === '/labels') return ok({ labels: labels() })
  if (path === '/claims') return claim(Number(body['count'] ?? 1), (body['held'] ?? []) as string[])
  if (!task) return null
  if (path.endsWith('/answer') || path.endsWith('/skip')) {
    const { error } = world
    if (error) return failure(error.status, error.code ?? 'mock', error.message ?? 'as requested')
    const isCorrection = body['correction'] === true && doneTasks.has(task)
    if (doneTasks.has(task) && !isCorrection)
      return failure(409, 'already_done', 'this task is done; go on to the next')
    doneTasks.set(task, body)
    answeredAt.set(task, new Date().toISOString())
    claimedTasks.delete(task)
    return path.endsWith('/skip') ? { status: 204 } : ok({ state: 'done', wanted: 1, answers: 1 })
  }
  if (method === 'GET') return ok(taskOf(Number(task.slice(5))))
  if (doneTasks.has(task)) return failure(409, 'already_done', 'this task is done; go on to the next')
  if (!isFree(task)) return failure(409, 'not_yours', 'Ben has this task; claim another')
  if (method === 'PUT') {
    claimedTasks.set(task, world.sub)
    return ok({ until })
  }
  claimedTasks.delete(task)
  return { status: 204 }
}

function idToken(): string {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const now = Math.floor(Date.now() / 1000)
  return `${part({ alg: 'none' })}.${part({ iss: 'mock', aud: 'mock', sub: world.sub, iat: now, exp: now + 3600 })}.x`
}

function signInAnswer(url: URL): Answer | null {
  if (url.pathname === '/config.json') {
    const site = url.origin
    return ok({
      deployment: 'mock',
      region: 'eu-central-1',
      clientId: 'mock',
      authority: 'mock',
      authorizationEndpoint: `${site}/mock/authorize`,
      tokenEndpoint: `${site}/mock/token`,
      revocationEndpoint: `${site}/mock/revoke`,
      redirectUri: `${site}/`,
      apiBase: '/api',
    })
  }
  if (url.pathname === '/mock/token')
    return ok({ access_token: 'mock', id_token: idToken(), refresh_token: 'r', token_type: 'Bearer', expires_in: 3600 })
  if (url.pathname === '/mock/received') {
    return ok({ answers: Object.fromEntries(doneTasks), claimed: [...claimedTasks.keys()], revoked })
  }
  return null
}

async function textOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part as Buffer)
  return Buffer.concat(parts).toString()
}

async function bodyOf(request: IncomingMessage): Promise<Record<string, unknown>> {
  const text = await textOf(request)
  try {
    return JSON.parse(text || '{}') as Record<string, unknown>
  } catch {
    return {}
  }
}

function reply(response: ServerResponse, answer: Answer): void {
  response.statusCode = answer.status
  response.setHeader('Content-Type', 'application/json')
  response.end(answer.body === undefined ? '' : JSON.stringify(answer.body))
}

function sendPicture(response: ServerResponse, n: number): void {
  if (pictures) {
    const names = readdirSync(pictures).sort()
    response.end(readFileSync(join(pictures, names[n % names.length] ?? '')))
    return
  }
  response.setHeader('Content-Type', 'image/svg+xml')
  response.end(picture(n))
}

const counts = { open: 0, claimed: 0, done: 0, given_back: 0, deleted: 0 }
const nothingYet: Record<string, unknown> = {
  '/runs': { runs: [] },
  '/versions': { versions: [], label_thresholds: {}, unread: [] },
  '/batches': { batches: [] },
  '/costs': noCosts,
  '/labels': { labels: [] },
  '/label-issues': { version: 'v1', issues: [], total: 0, answered: 0, kept: 0, training_images: 0, test_images: 0, next: null },
  '/images': { images: [], cursor: null, read: 0, searched: null, by_content: false },
  '/images/count': { count: 0, more: false },
  '/admin/tasks': { tasks: [], counts, cursor: null },
  '/admin/drafts': { trunk: null, images: 0, order_by: '', random_share: 0.2, labels: [], curve: null },
  '/admin/reviewers': { reviewers: [] },
  '/admin/applications': { applications: [] },
}

function apiAnswer(method: string, url: URL, body: Record<string, unknown>): Answer {
  if (world.error?.status === 401) return failure(401, 'unauthorized', 'Sign in.')
  const nothing = world.empty && method === 'GET' ? nothingYet[url.pathname.slice(4)] : undefined
  if (nothing) return ok(nothing)
  return (
    deskAnswer(method, url.pathname.slice(4), body) ??
    administrationAnswer(method, url, body) ??
    labelIssuesAnswer(method, url) ??
    homeAnswer(url, runs(), world.empty, world.unread) ??
    datasetAnswer(method, url, body, world.images) ??
    pagesAnswer(url) ??
    failure(404, 'no_route', `The mock has no route ${url.pathname}.`)
  )
}

async function handle(request: IncomingMessage, response: ServerResponse, next: () => void): Promise<void> {
  const url = new URL(request.url ?? '/', `http://${request.headers.host ?? 'localhost'}`)
  const path = url.pathname
  if (path === '/mock/authorize') {
    const outcome = world.signInError ? { error: 'access_denied', error_description: world.signInError } : { code: 'c' }
    const query = new URLSearchParams({ ...outcome, state: url.searchParams.get('state') ?? '' })
    response.writeHead(302, { Location: `${url.searchParams.get('redirect_uri') ?? '/'}?${query.toString()}` }).end()
  } else if (path === '/mock/revoke') {
    const body = new URLSearchParams(await textOf(request))
    revoked.push(`${body.get('client_id') ?? ''} ${body.get('token') ?? ''}`)
    reply(response, ok({}))
  } else if (path.startsWith('/mock/pictures/')) {
    sendPicture(response, Number(path.split('/').pop()))
  } else if (path.startsWith('/mock/uploads/')) {
    await bodyOf(request)
    reply(response, ok({}))
  } else if (path === '/mock/world') {
    const changes = await bodyOf(request)
    if (request.method === 'PATCH') Object.assign(world, changes)
    reply(response, request.method === 'POST' ? begin(changes) : ok(world))
  } else if (path.startsWith('/api/')) {
    reply(response, apiAnswer(request.method ?? 'GET', url, await bodyOf(request)))
  } else {
    const answer = signInAnswer(url)
    if (answer) reply(response, answer)
    else next()
  }
}

export function mockApi(): Plugin {
  const middleware: Connect.NextHandleFunction = (request, response, next) => void handle(request, response, next)
  return {
    name: 'labelloop-mock-api',
    apply: 'serve',
    configureServer: (server) => void server.middlewares.use(middleware),
    configurePreviewServer: (server) => void server.middlewares.use(middleware),
  }
}
