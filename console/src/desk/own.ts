/**
 * The person's own last answers: those given on this page at once, the others from the API. One of them can be put
 * on the desk again to be corrected; nothing of it changes before the correction is confirmed.
 */
import { signal } from '@preact/signals'
import { getAnswers, type AnswerBody, type AnsweredTask, type Task } from '../api'
import { preload, type Ready } from './claims'

export interface OwnAnswer {
  task: Task
  answer: AnswerBody
  /** ISO 8601. */
  at: string
  corrected: boolean
  /** The image, while it is kept. */
  ready?: Ready
}

/** The newest first. */
export const own = signal<OwnAnswer[]>([])
/** The answer that is on the desk to be corrected; null while the next image is there. */
export const correcting = signal<(OwnAnswer & { ready: Ready }) | null>(null)
/** Images of answers that are kept decoded. */
const KEPT_IMAGES = 5

/** Nobody else sees them: they are forgotten when another person signs in. */
let owner = ''
let loaded = false
export function ownBy(sub: string): void {
  correcting.value = null
  if (owner === sub) return
  owner = sub
  loaded = false
  own.value = []
}

function newestFirst(answers: OwnAnswer[]): OwnAnswer[] {
  const sorted = [...answers].sort((a, b) => b.at.localeCompare(a.at))
  return sorted.map(({ ready, ...rest }, i) => (ready && i < KEPT_IMAGES ? { ...rest, ready } : rest))
}

/** Remembers what was just answered, or corrected. */
export function remember(ready: Ready, answer: AnswerBody, at = new Date().toISOString()): void {
  const { correction = false, ...plain } = answer
  const others = own.value.filter(({ task }) => task.id !== ready.task.id)
  own.value = newestFirst([{ task: ready.task, answer: plain, at, corrected: correction, ready }, ...others])
}

/** Forgets an answer that the API has not accepted. */
export function forget(task: string): void {
  own.value = own.value.filter((answer) => answer.task.id !== task)
  loaded = false
}

function fromApi({ answer, corrected, state: _state, ...task }: AnsweredTask): OwnAnswer {
  const { verdict, boxes, labels, reason, at } = answer
  return { task, answer: { verdict, boxes, labels, reason }, at, corrected }
}

/** Loads the answers that this page has not seen. Those that it has sent just now are newer than the API's. */
export async function loadOwn(): Promise<void> {
  const { tasks } = await getAnswers()
  const known = new Set(own.value.map(({ task }) => task.id))
  loaded = true
  own.value = newestFirst([...own.value, ...tasks.map(fromApi).filter(({ task }) => !known.has(task.id))])
}

/** The answer before the one on the desk; null if there is none. */
async function before(task: string | undefined): Promise<OwnAnswer | null> {
  const at = own.value.findIndex((answer) => answer.task.id === task)
  const next = own.value[at + 1]
  if (next || loaded) return next ?? null
  await loadOwn()
  return before(task)
}

/** Puts the answer before on the desk: whether there is one. */
export async function goBack(): Promise<boolean> {
  const answer = await before(correcting.peek()?.task.id)
  if (answer) await correct(answer)
  return answer !== null
}

/** Puts an answer on the desk. */
export async function correct(answer: OwnAnswer): Promise<void> {
  if (!answer.ready && Date.parse(answer.task.url_expires_at) <= Date.now()) {
    const { tasks } = await getAnswers()
    const fresh = tasks.find(({ id }) => id === answer.task.id)
    if (fresh) answer = { ...answer, task: fromApi(fresh).task }
  }
  correcting.value = { ...answer, ready: answer.ready ?? preload(answer.task) }
}

/** Leaves the correction for the next image. */
export function leave(): void {
  correcting.value = null
}
