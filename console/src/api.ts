/** The console's HTTP API, typed: one function per route. Every call throws `ApiError` or `OfflineError`. */
import { accessToken, config, SignedOutError, signInNeeded } from './auth'

export type Kind = 'detection' | 'classification'
export type Verdict = 'labelled' | 'nothing' | 'unusable'
export type TaskState = 'open' | 'done' | 'given_back' | 'deleted'

/** Whole pixels of the upright image. */
export interface Box {
  label: string
  left: number
  top: number
  width: number
  height: number
}
export interface Suggestions {
  boxes?: (Box & { confidence: number })[]
  labels?: { label: string; confidence: number }[]
}
export interface Me {
  sub: string
  name: string
  groups: string[]
}
export interface Queue {
  open: number
  answered_today: number
}
export interface LabelExample {
  image: string
  url: string
}
export interface Label {
  label: string
  colour: string
  key: string
  instruction: string
  examples: LabelExample[]
  retired: boolean
}
export interface LabelChange {
  colour: string
  key: string
  instruction: string
  examples: string[]
  retired: boolean
}
export interface Task {
  id: string
  image: string
  url: string
  url_expires_at: string
  width: number
  height: number
  kind: Kind
  reason: string
  why: string
  created_at: string
  until: string
  suggestions: Suggestions
  suggested_by: string | null
  wanted: number
  answers: number
}
export interface AnswerBody {
  verdict: Verdict
  boxes?: Box[]
  labels?: string[]
  reason?: string
  seconds: number
}
export interface AnswerResult {
  state: TaskState
  wanted: number
  answers: number
}
export interface Claim {
  reviewer: string
  name: string
  until: string
}
export interface AdminTask extends Omit<Task, 'url' | 'url_expires_at' | 'until'> {
  state: TaskState
  age_seconds: number
  seats: Claim[]
  /** The final verdict of a task that is done. */
  outcome: Verdict | ''
}
export interface AdminTasks {
  tasks: AdminTask[]
  counts: { open: number; claimed: number; done: number; given_back: number; deleted: number }
  cursor: string | null
}
export interface Reviewer {
  /** The user's id (`sub`): names may change, and two people may have the same name. */
  reviewer: string
  name: string
  answered: number
  skipped: number
  agreement: number | null
  compared: number
  seconds_per_answer: number | null
}
export interface RunSummary {
  id: string
  trigger: string
  outcome: string
  reason: string
  started_at: string
  ended_at: string | null
  version: string | null
  f1: number | null
  estimated_usd: number | null
}
export interface RunStep {
  name: string
  state: 'waiting' | 'running' | 'done' | 'failed' | 'skipped'
  entered_at: string | null
  seconds: number | null
}
/** The verdict of one gate. */
export interface GateVerdict {
  passed?: boolean
  [member: string]: unknown
}
export interface Run extends RunSummary {
  steps: RunStep[]
  verdicts: GateVerdict[] | Record<string, unknown> | null
  snapshot: string | Record<string, unknown> | null
  report_url: string | null
}
export interface VersionLabel {
  label: string
  f1: number | null
  precision: number | null
  recall: number | null
}
export interface ProductionPrecision {
  confirmed?: number
  false?: number
  missed?: number
  images?: number
  precision?: number | null
  low?: number | null
  high?: number | null
  [member: string]: unknown
}
export interface Version {
  name: string
  status: string
  f1: number | null
  created_at: string
  champion: boolean
  verdicts: GateVerdict[] | Record<string, unknown> | null
  labels: VersionLabel[]
  hours: number | Record<string, number> | null
  production_precision: ProductionPrecision | null
}
export interface TryUpload {
  id: string
  upload: { url: string; method: 'PUT'; headers: Record<string, string> }
}
export interface Detection {
  model_version: string
  labels: { name: string; confidence: number; box?: Omit<Box, 'label'> }[]
  width: number
  height: number
  url: string
}

/** An error response of the API: `message` says what to do, `field` names the member that is wrong. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly field: string | null = null,
  ) {
    super(message)
    this.name = 'ApiError'
  }
}

/** No response: no connection, or none to that host. */
export class OfflineError extends Error {
  constructor() {
    super('There is no connection. Check the network and try again.')
    this.name = 'OfflineError'
  }
}

async function errorOf(response: Response): Promise<ApiError> {
  const body: unknown = await response.json().catch(() => null)
  const error = (body as { error?: { code?: string; message?: string; field?: string } } | null)?.error
  return new ApiError(
    response.status,
    error?.code ?? `http_${response.status}`,
    error?.message ?? `The service responded with status ${response.status}. Try again in a moment.`,
    error?.field ?? null,
  )
}

function unreachable(error: unknown): never {
  throw error instanceof SignedOutError ? error : new OfflineError()
}

async function send(method: string, path: string, body: unknown, renewed: boolean): Promise<Response> {
  const token = await accessToken(renewed).catch(unreachable)
  const headers: Record<string, string> = { Authorization: `Bearer ${token}` }
  if (body !== undefined) headers['Content-Type'] = 'application/json'
  try {
    return await fetch(config().apiBase + path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: 'no-store',
    })
  } catch {
    throw new OfflineError()
  }
}

async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
  let response = await send(method, path, body, false)
  if (response.status === 401) response = await send(method, path, body, true)
  if (response.status === 401) signInNeeded()
  if (!response.ok) throw await errorOf(response)
  return (response.status === 204 ? undefined : await response.json()) as T
}

const id = encodeURIComponent

export const getMe = () => call<Me>('GET', '/me')
export const getQueue = () => call<Queue>('GET', '/queue')
export const getLabels = () => call<{ labels: Label[] }>('GET', '/labels')
/** Claims tasks other than those `held`; tasks that this reviewer has claimed before and does not hold come first. */
export const claimTasks = (count: number, held: string[]) =>
  call<{ tasks: Task[] }>('POST', '/claims', { count, held })
export const renewClaim = (task: string) => call<{ until: string }>('PUT', `/claims/${id(task)}`)
/** `until` names this very claim: a newer one, of another tab or of this page after a reload, stays. */
const claimPath = ({ id: task, until }: Task) => `/claims/${id(task)}?${new URLSearchParams({ until }).toString()}`
export const releaseClaim = (task: Task) => call<void>('DELETE', claimPath(task))
export const getTask = (task: string) => call<Task>('GET', `/tasks/${id(task)}`)
export const answerTask = (task: string, answer: AnswerBody) =>
  call<AnswerResult>('POST', `/tasks/${id(task)}/answer`, answer)
export const skipTask = (task: string, reason: string) => call<void>('POST', `/tasks/${id(task)}/skip`, { reason })

export function getAdminTasks(state: TaskState | 'claimed' | '' = '', cursor = ''): Promise<AdminTasks> {
  const query = new URLSearchParams()
  if (state) query.set('state', state)
  if (cursor) query.set('cursor', cursor)
  const text = query.toString()
  return call<AdminTasks>('GET', `/admin/tasks${text ? `?${text}` : ''}`)
}
/** `reviewer` is the id in the list of reviewers; empty, it releases the task. */
export const assignTask = (task: string, reviewer: string) =>
  call<AdminTask>('PUT', `/admin/tasks/${id(task)}/assignment`, { reviewer })
export const deleteTask = (task: string) => call<void>('DELETE', `/admin/tasks/${id(task)}`)
export const getReviewers = () => call<{ reviewers: Reviewer[] }>('GET', '/admin/reviewers')
/** Members that are missing do not change. The label is in the query because it may have a slash. */
export const putLabel = (label: string, change: Partial<LabelChange>) =>
  call<Label>('PUT', `/admin/labels?label=${id(label)}`, change)

export const getRuns = () => call<{ runs: RunSummary[] }>('GET', '/runs')
export const getRun = (run: string) => call<Run>('GET', `/runs/${id(run)}`)
export const getVersions = () => call<{ versions: Version[] }>('GET', '/versions')
export const startTry = (contentType: string, size: number) =>
  call<TryUpload>('POST', '/try', { content_type: contentType, size })
export const detectTry = (image: string) => call<Detection>('POST', `/try/${id(image)}/detection`)
export const reviewTry = (image: string) => call<{ task: string }>('POST', `/try/${id(image)}/review`)

/** Releases claims while the page is being closed, without waiting for a response. */
export function releaseOnLeaving(tasks: Task[], token: string): void {
  for (const task of tasks) {
    void fetch(config().apiBase + claimPath(task), {
      method: 'DELETE',
      headers: { Authorization: `Bearer ${token}` },
      keepalive: true,
    }).catch(() => undefined)
  }
}
