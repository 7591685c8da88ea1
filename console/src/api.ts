/** The console's HTTP API: one function per route, typed by its OpenAPI document. Every call throws `ApiError` or
 * `OfflineError`. */
import type { components } from './api-types'
import { accessToken, config, SignedOutError, signInNeeded } from './auth'

type Schemas = components['schemas']

export type Box = Schemas['AnswerBox']
export type Me = Schemas['Me']
export type Queue = Schemas['Queue']
export type Label = Schemas['Label']
export type LabelChange = Schemas['LabelChange']
export type Suggestions = Schemas['TaskSuggestions']
export type Task = Schemas['Task']
export type Kind = Task['kind']
export type AnswerBody = Schemas['AnswerRequest']
export type Verdict = AnswerBody['verdict']
export type AnsweredTask = Schemas['AnsweredTask']
export type GivenAnswer = Schemas['GivenAnswer']
export type AnswerReceipt = Schemas['AnswerReceipt']
export type AdminTask = Schemas['AdminTask']
export type AdminTaskDetail = Schemas['AdminTaskDetail']
export type TaskState = AdminTask['state']
export type AdminTasks = Schemas['AdminTasks']
export type Reviewer = Schemas['Reviewer']
export type Drafts = Schemas['Drafts']
export type RunSummary = Schemas['RunSummary']
export type RunStep = Schemas['Step']
export type GateVerdict = Schemas['Verdict']
export type Run = Schemas['Run']
export type LabelScore = Schemas['LabelScore']
export type ProductionPrecision = Schemas['ProductionPrecision']
export type ModelVersion = Schemas['ModelVersion']
export type Home = Schemas['Home']
export type Lineage = Schemas['Lineage']
export type HomeTask = Schemas['HomeTask']
export type HomePart = Home['unread'][number]
export type HomeQuality = Schemas['HomeQuality']
export type HomeQualityPart = HomeQuality['unread'][number]
export type Production = Schemas['Production']
export type AnswerPrecision = Schemas['AnswerPrecision']
export type Share = Schemas['Share']
export type Drift = Schemas['Drift']
export type ProductionPicture = Schemas['ProductionPicture']
export type VersionEvaluation = Schemas['VersionEvaluation']
export type EvaluatedLabel = Schemas['EvaluatedLabel']
export type EvaluatedImage = Schemas['EvaluatedImage']
export type CurvePoint = Schemas['CurvePoint']
export type MatrixCell = Schemas['MatrixCell']
export type JudgedObject = Schemas['JudgedObject']
export type Mistake = Schemas['Mistake']
export type Mistakes = Schemas['Mistakes']
export type ChangedImage = Schemas['ChangedImage']
export type VersionComparison = Schemas['VersionComparison']
export type ApplicationLine = Schemas['ApplicationLine']
export type LabelIssue = Schemas['LabelIssue']
export type LabelIssues = Schemas['LabelIssues']
export type BatchLine = Schemas['BatchLine']
export type BatchLabel = Schemas['BatchLabel']
export type BatchFailure = Schemas['BatchFailure']
export type Batch = Schemas['Batch']
export type Costs = Schemas['Costs']
export type Serving = Schemas['Serving']
export type CostAccount = Schemas['CostAccount']
export type TryUpload = Schemas['TryUpload']
export type Detections = Schemas['Detections']
export type ImageLine = Schemas['ImageLine']
export type ImagePage = Schemas['ImagePage']
export type DatasetImage = Schemas['DatasetImage']
export type PastImage = Schemas['PastImage']
export type SeenImage = Schemas['SeenImage']
export type ChangedImages = Schemas['ChangedImages']
export type DatasetReport = Schemas['DatasetReport']
export type ReportFinding = Schemas['ReportFinding']
export type PlannedFile = Schemas['PlannedFile']
export type PlannedUpload = Schemas['PlannedUpload']
export type MissingParts = Schemas['MissingParts']

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

type ErrorDocument = Schemas['ErrorResponse']['error']

/** What the API itself says is wrong; null of a response that another has made, such as a gateway. */
async function errorDocument(response: Response): Promise<ErrorDocument | null> {
  const body: unknown = await response
    .clone()
    .json()
    .catch(() => null)
  return (body as Partial<Schemas['ErrorResponse']> | null)?.error ?? null
}

async function errorOf(response: Response): Promise<ApiError> {
  const { status } = response
  const error = await errorDocument(response)
  const words =
    status === 429 || status === 503
      ? 'AWS took no more requests just now: too many came at once. Try again in a moment.'
      : `The service responded with status ${status}. Try again in a moment.`
  return new ApiError(status, error?.code ?? `http_${status}`, error?.message ?? words, error?.field ?? null)
}

/** Seconds between the attempts of a request that AWS did not take. */
const WAITS = [0.5, 1, 2, 4]

/** Whether the request is worth another attempt: a gateway has no function left to give it to, as in a new account where few
 * may run at once. It then responds with 429, 500 or 503
 * (https://repost.aws/knowledge-center/api-gateway-internal-server-error). A POST is sent again only where it has not been
 * taken, or nobody waits for its end any more; like all steps it can be taken twice. */
async function isBusy(method: string, response: Response): Promise<boolean> {
  const { status } = response
  const again = status === 429 || status === 503 || (status >= 500 && method !== 'POST')
  return again && !(await errorDocument(response))
}

const pause = (seconds: number) =>
  // Not all at the same moment.
  new Promise((resolve) => setTimeout(resolve, seconds * 1000 * (0.75 + Math.random() / 2)))

function unreachable(error: unknown): never {
  throw error instanceof SignedOutError ? error : new OfflineError()
}

async function send(method: string, path: string, body: unknown, renewed: boolean): Promise<Response> {
  let response = await sendOnce(method, path, body, renewed)
  for (const seconds of WAITS) {
    if (!(await isBusy(method, response))) break
    await pause(seconds)
    response = await sendOnce(method, path, body, renewed)
  }
  return response
}

/** After so many the connection is taken for lost: API Gateway answers within 30 s, and what waits in turn goes on.
 * https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html */
const MAX_SECONDS = 60

async function sendOnce(method: string, path: string, body: unknown, renewed: boolean): Promise<Response> {
  const token = await accessToken(renewed).catch(unreachable)
  const headers: Record<string, string> = { Authorization: `Bearer ${token}` }
  if (body !== undefined) headers['Content-Type'] = 'application/json'
  try {
    return await fetch(config().apiBase + path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: 'no-store',
      signal: AbortSignal.timeout(MAX_SECONDS * 1000),
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
export const getLabels = () => call<Schemas['Labels']>('GET', '/labels')
/** Claims tasks other than those `held`; tasks that this reviewer has claimed before and does not hold come first. */
export const claimTasks = (count: number, held: string[]) =>
  call<Schemas['Tasks']>('POST', '/claims', { count, held })
export const renewClaim = (task: string) => call<Schemas['Renewal']>('PUT', `/claims/${id(task)}`)
/** `until` names this very claim: a newer one, of another tab or of this page after a reload, stays. */
const claimPath = ({ id: task, until }: Task) => `/claims/${id(task)}?${new URLSearchParams({ until }).toString()}`
export const releaseClaim = (task: Task) => call<void>('DELETE', claimPath(task))
export const getTask = (task: string) => call<Task>('GET', `/tasks/${id(task)}`)
export const answerTask = (task: string, answer: AnswerBody) =>
  call<AnswerReceipt>('POST', `/tasks/${id(task)}/answer`, answer)
/** The person's own last answers. */
export const getAnswers = () => call<Schemas['AnsweredTasks']>('GET', '/answers')
/** What the person has skipped and is still open becomes theirs to answer again. */
export const takeBackSkips = () => call<void>('DELETE', '/skips')
export const skipTask = (task: string, reason: string) => call<void>('POST', `/tasks/${id(task)}/skip`, { reason })

export function getAdminTasks(state: TaskState | 'claimed' | '' = '', cursor = ''): Promise<AdminTasks> {
  const query = new URLSearchParams()
  if (state) query.set('state', state)
  if (cursor) query.set('cursor', cursor)
  const text = query.toString()
  return call<AdminTasks>('GET', `/admin/tasks${text ? `?${text}` : ''}`)
}
export const getAdminTask = (task: string) => call<AdminTaskDetail>('GET', `/admin/tasks/${id(task)}`)
export const reopenTask = (task: string) => call<AdminTask>('POST', `/admin/tasks/${id(task)}/reopening`)
/** `reviewer` is the id in the list of reviewers; empty, it releases the task. */
export const assignTask = (task: string, reviewer: string) =>
  call<AdminTask>('PUT', `/admin/tasks/${id(task)}/assignment`, { reviewer })
export const deleteTask = (task: string) => call<void>('DELETE', `/admin/tasks/${id(task)}`)
export const getDrafts = () => call<Drafts>('GET', '/admin/drafts')
export const getReviewers = () => call<Schemas['Reviewers']>('GET', '/admin/reviewers')
/** Members that are missing do not change. The label is in the query because it may have a slash. */
export const putLabel = (label: string, change: LabelChange) =>
  call<Label>('PUT', `/admin/labels?label=${id(label)}`, change)

export const getRuns = () => call<Schemas['Runs']>('GET', '/runs')
export const getRun = (run: string) => call<Run>('GET', `/runs/${id(run)}`)
/** One part of a renaming: to be called with the cursor until that is null. */
export const renameLabel = (label: string, name: string, cursor: string) =>
  call<Schemas['RenamedLabel']>('POST', `/admin/labels/renaming?label=${id(label)}`, { name, cursor })
export const getLabelImages = (label: string) =>
  call<Schemas['LabelImages']>('GET', `/admin/labels/images?label=${id(label)}`)
export const cancelRun = (run: string) => call<void>('POST', `/admin/runs/${id(run)}/cancellation`)
export const startRollback = (version: string) =>
  call<Schemas['StartedRollback']>('POST', '/admin/rollbacks', { version })
export const decideAboutVersion = (version: string, decision: 'approved' | 'declined', why: string) =>
  call<void>('POST', `/admin/versions/${id(version)}/approval`, { decision, why })
/** Percent from which on detections of a label count in this deployment; null: from the model's own threshold on. */
export const putThreshold = (label: string, percent: number | null) =>
  call<Schemas['LabelThresholds']>('PUT', `/admin/thresholds?label=${id(label)}`, { percent })
export const getServing = () => call<Serving>('GET', '/serving')
export const askOfChampion = (request: 'start' | 'stop') => call<void>('POST', '/admin/serving', { request })
export const getApplications = () => call<Schemas['Applications']>('GET', '/admin/applications')
export const getBatches = () => call<Schemas['Batches']>('GET', '/batches')
export const getBatch = (batch: string) => call<Batch>('GET', `/batches/${id(batch)}`)
export const cancelBatch = (batch: string) => call<void>('POST', `/admin/batches/${id(batch)}/cancellation`)
export const getCosts = (by: Costs['by']) => call<Costs>('GET', `/costs?by=${by}`)
export const getHome = () => call<Home>('GET', '/home')
export const getHomeQuality = () => call<HomeQuality>('GET', '/home/quality')
export const getLineage = (version: string) => call<Lineage>('GET', `/versions/${id(version)}/lineage`)
export const getProduction = (version: string) => call<Production>('GET', `/versions/${id(version)}/production`)
export const getProductionPictures = (version: string) =>
  call<Schemas['ProductionPictures']>('GET', `/versions/${id(version)}/production/pictures`)
export const getVersions = () => call<Schemas['ModelVersions']>('GET', '/versions')
/** `query` is that of the API: thresholds, filters, an offset. */
export const getEvaluation = (version: string, query: URLSearchParams) =>
  call<VersionEvaluation>('GET', `/versions/${id(version)}/evaluation?${query.toString()}`)
export const getMistakes = (version: string, query: URLSearchParams) =>
  call<Mistakes>('GET', `/versions/${id(version)}/mistakes?${query.toString()}`)
export const getEvaluatedImage = (version: string, image: string, query: URLSearchParams) =>
  call<Schemas['JudgedImage']>('GET', `/versions/${id(version)}/images/${id(image)}?${query.toString()}`)
export const getComparison = (version: string, query: URLSearchParams) =>
  call<VersionComparison>('GET', `/versions/${id(version)}/comparison?${query.toString()}`)
/** Label issues of a version; of the newest that was evaluated, if none is named. */
export const getLabelIssues = (version: string, after: string, kept: boolean) =>
  call<LabelIssues>('GET', `/label-issues?${new URLSearchParams({ version, after, kept: String(kept) }).toString()}`)
export const answerLabelIssue = (issue: string, version: string, verdict: 'accepted' | 'rejected') =>
  call<Schemas['IssueAnswer']>('PUT', `/label-issues/${id(issue)}`, { version, verdict })
export const takeBackAnswer = (issue: string) => call<void>('DELETE', `/label-issues/${id(issue)}`)
/** `query` has the API's filters, and the cursor of the page before. */
export const listImages = (query: URLSearchParams) => call<ImagePage>('GET', `/images?${query.toString()}`)
export const countImages = (query: URLSearchParams) =>
  call<Schemas['ImageCount']>('GET', `/images/count?${query.toString()}`)
export const getImage = (image: string) => call<DatasetImage>('GET', `/images/${id(image)}`)
/** Without boxes and labels: nothing on the image has a label. `changed_at` is that of the image that was corrected. */
export const putImageLabels = (image: string, body: Schemas['LabelsRequest']) =>
  call<DatasetImage>('PUT', `/images/${id(image)}/labels`, body)
export const undoImage = (image: string, changedAt: string, revision: number) =>
  call<DatasetImage>('POST', `/images/${id(image)}/undo`, { changed_at: changedAt, revision })
export const sendToReview = (images: string[]) => call<ChangedImages>('POST', '/images/review', { images })
export const excludeImages = (images: SeenImage[], excluded: boolean) =>
  call<ChangedImages>('POST', '/admin/images/exclusion', { images, excluded })
export const relabelImages = (images: SeenImage[], before: string, after: string) =>
  call<ChangedImages>('POST', '/admin/images/labels', { images, before, after })
export const getDatasetReport = () => call<DatasetReport>('GET', '/dataset-report')
export const planUploads = (files: PlannedFile[]) => call<Schemas['UploadPlan']>('POST', '/admin/uploads', { files })
export const getMissingParts = (key: string, size: number, contentType: string, uploadId: string) =>
  call<MissingParts>('POST', '/admin/uploads/parts', { key, size, content_type: contentType, upload_id: uploadId })
export const completeUpload = (key: string, size: number, uploadId: string) =>
  call<void>('POST', '/admin/uploads/completion', { key, size, upload_id: uploadId })
export const startTry = (contentType: string, size: number) =>
  call<TryUpload>('POST', '/try', { content_type: contentType, size })
export const detectTry = (image: string) => call<Detections>('POST', `/try/${id(image)}/detection`)
export const reviewTry = (image: string) => call<Schemas['OpenedTask']>('POST', `/try/${id(image)}/review`)

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
