/** What tasks and figures of reviewers mean, in words. */
import type { AdminTask, AdminTasks, Reviewer, TaskState } from '../api'
import { number } from '../ui/format'
import type { Tone } from '../ui/display'

/** `claimed`: open, and every seat is taken. */
export type Filter = TaskState | 'claimed'
export const filters: [Filter, string][] = [
  ['open', 'Open'],
  ['claimed', 'Claimed'],
  ['done', 'Done'],
  ['given_back', 'Given back'],
  ['deleted', 'Deleted'],
]
const meanings: Record<Filter, string> = {
  open: 'Wait for an answer, the oldest first; those that somebody has claimed are among them.',
  claimed: 'Open, and somebody is at each of them now.',
  done: 'Answered: what was said is in the catalogue. The newest first.',
  given_back: 'Nobody answered in time, or everybody skipped it; the image is asked about again later. The newest first.',
  deleted: 'Taken from the desk by an administrator. The newest first.',
}
export const meaningOf = (filter: Filter): string => meanings[filter]

const empty: Record<Filter, [string, string]> = {
  open: ['No open task', 'Every image that needed a person has been answered. New tasks come by themselves.'],
  claimed: ['Nobody is at a task', 'A task is claimed while a reviewer has it on the desk.'],
  done: ['No task is done yet', 'Answers that are given at the review desk appear here.'],
  given_back: ['No task was given back', 'A task is given back when nobody answers it in time, or everybody skips it.'],
  deleted: ['No task was deleted', 'An open task can be deleted when its image needs no answer.'],
}
export const emptyText = (filter: Filter): [title: string, text: string] => empty[filter]

/** The API counts the tasks of a state no further than to this. */
const counted = 10_000
export const countText = (count: number): string => (count >= counted ? `${number(counted)} or more` : number(count))

const reasons: Record<string, string> = {
  unlabelled: 'Not labelled',
  low_confidence: 'Model unsure',
  sample: 'Random sample',
  requested: 'Sent to review',
}
export const reasonText = (reason: string): string => reasons[reason] ?? reason

/** As many characters of a hash as tell images apart. */
export const shortId = (image: string): string => image.slice(0, 12)

const outcomes: Record<string, string> = { labelled: 'Labelled', nothing: 'Nothing here', unusable: 'Unusable' }

/** How a task stands, or how it ended. */
export function outcomeOf(task: Pick<AdminTask, 'state' | 'outcome' | 'answers' | 'wanted'>): { text: string; tone: Tone } {
  if (task.state === 'given_back') return { text: 'Given back', tone: 'warn' }
  if (task.state === 'deleted') return { text: 'Deleted', tone: 'neutral' }
  if (task.state === 'done') return { text: outcomes[task.outcome] ?? 'Answered', tone: 'good' }
  return { text: `${task.answers} of ${task.wanted} ${task.wanted === 1 ? 'answer' : 'answers'}`, tone: 'info' }
}

/** What is not listed: the API gives one page of claimed tasks, and no cursor. */
export function restText(filter: Filter, shown: number, counts: AdminTasks['counts']): string {
  const rest = counts.claimed - shown
  if (filter !== 'claimed' || rest <= 0) return ''
  return `${number(rest)} more ${rest === 1 ? 'is' : 'are'} claimed; find them among the open ones.`
}

/** A reviewer's name; with the beginning of the subject where somebody else has the same. */
export function toldApart({ reviewer, name }: Reviewer, all: Reviewer[]): string {
  const same = all.filter((other) => other.name === name)
  return same.length > 1 ? `${name} (${reviewer.slice(0, 8)})` : name
}

/** On what an agreement is measured. */
export function comparedText(compared: number): string {
  if (compared === 0) return 'nobody else has answered the same images yet'
  return compared === 1 ? 'on one image that others answered too' : `on ${number(compared)} images that others answered too`
}
