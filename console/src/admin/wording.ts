/** Texts for the states of tasks and the figures of reviewers. */
import type { AdminTask, AdminTasks, Drafts, Reviewer, TaskState } from '../api'
import { number, percent } from '../ui/format'
import type { Tone } from '../ui/display'

/** `claimed`: open, and claimed by as many reviewers as it needs. */
export type Filter = TaskState | 'claimed'
export const filters: [Filter, string][] = [
  ['open', 'Open'],
  ['claimed', 'Claimed'],
  ['done', 'Done'],
  ['given_back', 'Given back'],
  ['deleted', 'Deleted'],
]
const meanings: Record<Filter, string> = {
  open: 'Tasks that wait for an answer, oldest first, claimed ones included.',
  claimed: 'Open tasks that reviewers have claimed.',
  done: 'Answered tasks, newest first. The answers are in the catalogue.',
  given_back: 'Tasks that nobody answered in time or that everybody skipped, newest first. Their images become tasks again later.',
  deleted: 'Tasks that an administrator has deleted, newest first.',
}
export const meaningOf = (filter: Filter): string => meanings[filter]

const empty: Record<Filter, [string, string]> = {
  open: ['No open tasks', 'Every image that needed a review has been answered. New tasks appear automatically.'],
  claimed: ['No claimed tasks', 'A task is claimed while a reviewer has it on the review desk.'],
  done: ['No tasks done yet', 'Tasks that were answered on the review desk appear here.'],
  given_back: ['No tasks given back', 'A task is given back when nobody answers it in time, or everybody skips it.'],
  deleted: ['No deleted tasks', 'An open task can be deleted when its image needs no answer.'],
}
export const emptyText = (filter: Filter): [title: string, text: string] => empty[filter]

/** The API counts the tasks of a state only up to this number. */
const MAX_COUNT = 10_000
export const countText = (count: number): string => (count >= MAX_COUNT ? `${number(MAX_COUNT)} or more` : number(count))

/** The beginning of a hash, long enough to distinguish images. */
export const shortId = (image: string): string => image.slice(0, 12)

const outcomes: Record<string, string> = { labelled: 'Labelled', nothing: 'No objects', unusable: 'Unusable' }

/** The state of a task, or its outcome. */
export function outcomeOf(task: Pick<AdminTask, 'state' | 'outcome' | 'answers' | 'wanted'>): { text: string; tone: Tone } {
  if (task.state === 'given_back') return { text: 'Given back', tone: 'warn' }
  if (task.state === 'deleted') return { text: 'Deleted', tone: 'neutral' }
  if (task.state === 'done') return { text: outcomes[task.outcome] ?? 'Answered', tone: 'good' }
  return { text: `${task.answers} of ${task.wanted} ${task.wanted === 1 ? 'answer' : 'answers'}`, tone: 'info' }
}

/** How many tasks are not listed: the API sends one page of claimed tasks, without a cursor. */
export function restText(filter: Filter, shown: number, counts: AdminTasks['counts']): string {
  const rest = counts.claimed - shown
  if (filter !== 'claimed' || rest <= 0) return ''
  return `${number(rest)} more ${rest === 1 ? 'is' : 'are'} claimed; you find them among the open tasks.`
}

/** A reviewer's name, with the beginning of the id where somebody else has the same name. */
export function distinctName({ reviewer, name }: Reviewer, all: Reviewer[]): string {
  const same = all.filter((other) => other.name === name)
  return same.length > 1 ? `${name} (${reviewer.slice(0, 8)})` : name
}

/** How many images an agreement is measured on. */
export function comparedText(compared: number): string {
  if (compared === 0) return 'no image that others answered too'
  return compared === 1 ? 'on one image that others answered too' : `on ${number(compared)} images that others answered too`
}

/** What labels are drafted from, or why none are. */
export function draftSource({ trunk, images }: Pick<Drafts, 'trunk' | 'images'>): string {
  if (trunk === null) return 'Labels are drafted once the first images are labelled.'
  if (!trunk) return 'Labels are not drafted: this deployment was built without the weights of the pretrained trunk.'
  return `Labels are drafted from ${number(images)} labelled images.`
}

const orders: Record<Drafts['order_by'], string> = {
  embeddings: 'Those images come first whose labels tell most',
  detections: 'Those images come first of whose detections the champion is least sure',
  chance: 'Images come in any order',
  '': '',
}

/** In which order images are asked about. */
export function orderText({ order_by, random_share }: Pick<Drafts, 'order_by' | 'random_share'>): string {
  const order = orders[order_by]
  if (order === '') return ''
  return order_by === 'chance' ? `${order}.` : `${order}; ${percent(random_share)} of the images come at random.`
}

type Curve = NonNullable<Drafts['curve']>

/** Whether more labels will help, and how that is known. */
export function gainText({ gain, margin, will_not_help }: Pick<Curve, 'gain' | 'margin' | 'will_not_help'>): string {
  const figures = `F1 is ${gain.after.toFixed(3)} with ${number(gain.labels)} labels and ${gain.before.toFixed(3)} with half of them; 95 % of resamples put the difference between ${gain.low.toFixed(3)} and ${gain.high.toFixed(3)}`
  return will_not_help
    ? `More of these labels will not help: ${figures}, less than the ${margin} that is worth having.`
    : `More labels may help: ${figures}.`
}
