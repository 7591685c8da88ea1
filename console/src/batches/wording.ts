/** Texts for the states of batches, and how far they are. */
import type { Batch, BatchLine } from '../api'
import type { Amount } from '../charts/columns'
import type { Tone } from '../ui/display'
import { duration, number, percent } from '../ui/format'

export interface StateText {
  text: string
  tone: Tone
}
const states: Record<BatchLine['state'], StateText> = {
  waking: { text: 'Waking its version', tone: 'info' },
  running: { text: 'Running', tone: 'info' },
  merging: { text: 'Bringing results together', tone: 'info' },
  done: { text: 'Done', tone: 'good' },
  cancelled: { text: 'Cancelled', tone: 'neutral' },
  failed: { text: 'Failed', tone: 'bad' },
}
export const stateOf = (state: BatchLine['state']): StateText => states[state]

export const isLive = ({ state }: Pick<BatchLine, 'state'>): boolean => ['waking', 'running', 'merging'].includes(state)

/** Answered images of all, from 0 to 1. */
export const shareOf = ({ answered, total }: Pick<BatchLine, 'answered' | 'total'>): number =>
  total > 0 ? Math.min(1, answered / total) : 0

/** A look at a batch: when, in milliseconds, and how many images had an answer. */
export interface Look {
  at: number
  answered: number
}

/** What is known of how fast it goes: the first look since it was last seen standing, and the latest. */
export interface Pace {
  first: Look
  last: Look
}

/** The pace after another look. Where fewer images have an answer than before, it begins anew. */
export function paceAfter(pace: Pace | null, look: Look): Pace {
  if (!pace || look.answered < pace.last.answered || pace.last.answered === pace.first.answered) {
    return { first: pace && look.answered > pace.last.answered ? pace.last : look, last: look }
  }
  return { first: pace.first, last: look }
}

/** Seconds until all have an answer, by the pace since the page was opened; null while that says nothing. */
export function secondsLeft(pace: Pace | null, total: number): number | null {
  if (!pace) return null
  const images = pace.last.answered - pace.first.answered
  const seconds = (pace.last.at - pace.first.at) / 1000
  return images > 0 && seconds > 0 ? ((total - pace.last.answered) * seconds) / images : null
}

/** How far it is, in words. */
export function progressText(batch: BatchLine, pace: Pace | null): string {
  const images = `${number(batch.answered)} of ${number(batch.total)} images have an answer, ${percent(shareOf(batch))}`
  const left = isLive(batch) ? secondsLeft(pace, batch.total) : null
  return left === null ? `${images}.` : `${images}; about ${duration(left)} left.`
}

/** Objects by their confidence as the chart draws them, from the first bin that has any. */
export function histogramOf(bins: number[]): Amount[] {
  const step = bins.length > 0 ? 100 / bins.length : 0
  const first = Math.max(0, bins.findIndex((count) => count > 0))
  return bins.slice(first).map((count, i) => ({ name: `${(first + i) * step} %`, parts: [count, 0] }))
}

/** What has become of its images, in words. */
export function summaryText(summary: NonNullable<Batch['summary']>): string {
  const { detected, without_objects, failed, missing } = summary
  const looked = `${number(detected)} images were looked at, ${number(without_objects)} of them without objects`
  const rest = missing > 0 ? `; ${number(missing)} have no answer` : ''
  return `${looked}; ${number(failed)} failed${rest}.`
}

/** Seconds until the next look; null where nothing changes any more. */
export const secondsToNextLook = (batch: Pick<BatchLine, 'state'>): number | null => (isLive(batch) ? 3 : null)
