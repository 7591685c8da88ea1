/** Texts for the states of runs, steps, gates and model versions. */
import type { ModelVersion, Run, RunStep, RunSummary } from '../api'
import type { Tone } from '../ui/display'
import { capital, duration, percent } from '../ui/format'
import { isOverdue, waitsForApproval } from '../versions/compare'

/** A state as people read it. */
export interface StateText {
  text: string
  tone: Tone
  /** What the state means, and what to do about it. */
  meaning: string
}
const outcomes: Record<string, StateText> = {
  running: { text: 'Running', tone: 'info', meaning: 'The run has not ended yet.' },
  promoted: { text: 'New champion', tone: 'good', meaning: 'The new model passed its gates and is in production.' },
  rejected: {
    text: 'Not promoted',
    tone: 'warn',
    meaning: 'The new model did not pass a gate, and does not go into production.',
  },
  trained: { text: 'Trained again', tone: 'good', meaning: 'A version was reproduced, and was not to be promoted.' },
  skipped: {
    text: 'Skipped',
    tone: 'neutral',
    meaning: 'The run ended before training, which was not needed or not possible then. The reason says why.',
  },
  failed: {
    text: 'Failed',
    tone: 'bad',
    meaning: 'An error ended the run. The champion is unchanged. Read the reason; you can start another run at any time.',
  },
}

/** An administrator's name stands in the reason of a run that was cancelled. */
const CANCELLED = /^cancelled by /
/** What became of a version that had passed the gates, by the reason on its record. */
const DECLINED: [RegExp, string][] = [
  [/^declined by labelloop\b/, 'The new model passed its gates, but another version has become the champion since.'],
  [/^declined by /, 'The new model passed its gates; a person declined it.'],
  [/^declined as nobody /, 'The new model passed its gates; nobody approved it before the deadline.'],
]

/** How it was declined, though the gates let it pass; empty if they did not. */
export const declinedText = (reason: string | null): string =>
  DECLINED.find(([pattern]) => reason && pattern.test(reason))?.[1] ?? ''

export function outcomeOf(outcome: string, reason: string | null = null): StateText {
  if (outcome === 'failed' && reason && CANCELLED.test(reason)) {
    return { text: 'Cancelled', tone: 'neutral', meaning: 'An administrator has ended the run. The champion is unchanged.' }
  }
  const declined = outcome === 'rejected' ? declinedText(reason) : ''
  if (declined) return { text: 'Declined', tone: 'warn', meaning: `${declined} The champion stays.` }
  return outcomes[outcome] ?? { text: outcome || 'Unknown', tone: 'neutral', meaning: '' }
}

const triggers: Record<string, string> = {
  images: 'Enough new or changed images',
  schedule: 'The schedule',
  manual: 'By hand',
  rollback: 'By hand',
  unknown: 'Not on record',
}
/** Who started a run, or what did. */
export const starterText = ({ trigger, started_by }: Pick<RunSummary, 'trigger' | 'started_by'>): string =>
  started_by || (triggers[trigger] ?? trigger)

export const isRollback = ({ trigger }: Pick<RunSummary, 'trigger'>): boolean => trigger === 'rollback'

export const isRunning = (run: Pick<RunSummary, 'outcome' | 'ended_at'>): boolean =>
  run.outcome === 'running' && !run.ended_at

/** Seconds from start to end, or until `now` while it runs. */
export function runSeconds(run: Pick<RunSummary, 'started_at' | 'ended_at'>, now: number): number | null {
  const start = Date.parse(run.started_at)
  const end = run.ended_at ? Date.parse(run.ended_at) : now
  return Number.isNaN(start) || Number.isNaN(end) ? null : Math.max(0, (end - start) / 1000)
}

/** Seconds until a run that is under way is looked at again: ever more as it gets older, since it changes ever more seldom. */
export const secondsToNextLook = (run: Pick<RunSummary, 'started_at' | 'ended_at'>, now: number): number =>
  Math.min(30, Math.max(2, (runSeconds(run, now) ?? 0) / 60))

/** Of a list of runs: as the newest that is under way. */
export const secondsToNextList = (runs: RunSummary[], now: number): number =>
  Math.min(10, ...runs.filter(isRunning).map((run) => secondsToNextLook(run, now)))

export const newestFirst = (runs: RunSummary[]): RunSummary[] =>
  [...runs].sort((a, b) => b.started_at.localeCompare(a.started_at))

const states: Record<RunStep['state'], string> = {
  waiting: 'Not started',
  running: 'Running',
  done: 'Done',
  failed: 'Failed',
  skipped: 'Skipped',
}
export const stateText = (state: RunStep['state']): string => states[state] ?? state

/** The step that the run is at, or how it ended, in one sentence. */
export function progressText(run: Pick<Run, 'steps' | 'outcome' | 'reason' | 'ended_at' | 'approval'>, now: number): string {
  const running = run.steps.find(({ state }) => state === 'running')
  if (!running) return run.ended_at ? `Ended: ${outcomeOf(run.outcome, run.reason).text}.` : outcomeOf(run.outcome).meaning
  const position = run.steps.indexOf(running) + 1
  const place = `Step ${position} of ${run.steps.length}: ${running.name}.`
  if (isOverdue(run.approval, now)) return `${place} The version has passed the gates; the time to approve it is over.`
  return waitsForApproval(run.approval) ? `${place} The version has passed the gates and waits for approval.` : place
}

/** The step that trains. */
export const TRAINING = 'train the model'

type Training = NonNullable<Run['training']>

/** How much of a training is done and how long it may still take; what it has taken where nobody knows. */
export function leftText({ basis, elapsed_seconds, fraction, seconds_left }: Training): string {
  const elapsed = `${duration(elapsed_seconds)} so far`
  if (fraction === null) return elapsed
  if (basis === 'earlier_runs' && seconds_left === null) return `${elapsed}, longer than usual`
  const left = seconds_left === null ? '' : `, about ${duration(seconds_left)} left`
  return `${percent(fraction)}${left}; ${elapsed}`
}

/** What share and time left are by. */
export function estimateText({ basis, earlier_runs, estimated_seconds }: Training): string {
  if (basis === 'service') return 'The time left is an estimate, by how far it is.'
  if (basis === 'none') return 'There is no estimate yet: no run before this one has trained a model with its engine to the end.'
  const runs = earlier_runs === 1 ? 'the training of the run before' : `the trainings of the last ${earlier_runs} runs that trained`
  return `An estimate: ${runs} took ${duration(estimated_seconds)}. The engine does not say how far it is.`
}

const gates: Record<string, string> = {
  evaluation: 'Evaluation gate: F1 on the test images',
  shadow: 'Shadow gate: compared with the champion and earlier versions on the same images',
  rollback: 'Rollback',
}

export const gateTitle = (gate: string): string => gates[gate] ?? `Gate ${gate}`

const statuses: Record<string, StateText> = {
  champion: { text: 'Champion', tone: 'good', meaning: 'In production.' },
  challenger: { text: 'Challenger', tone: 'info', meaning: 'Being compared with the champion.' },
  pending: { text: 'Waits for approval', tone: 'warn', meaning: 'It has passed the gates.' },
  retired: { text: 'Retired', tone: 'neutral', meaning: 'Was in production before.' },
  rejected: { text: 'Rejected', tone: 'warn', meaning: 'It did not pass a gate.' },
  failed: { text: 'Failed', tone: 'bad', meaning: 'Its training or its promotion failed.' },
  training: { text: 'Training', tone: 'info', meaning: 'Not evaluated yet.' },
  trained: { text: 'Trained', tone: 'neutral', meaning: 'Waiting for its gates.' },
}
/** Since when it trains, or when its training began: when that ended is not on record. */
export const trainingText = (status: string): string =>
  status.toLowerCase() === 'training' ? 'Training since' : 'Training began'

interface ShownVersion {
  status: string
  champion: boolean
  reason?: string | null
  approval?: ModelVersion['approval']
}
export function statusOf(version: ShownVersion, now: number): StateText {
  if (version.champion) return statuses['champion'] as StateText
  if (isOverdue(version.approval ?? null, now)) return { text: 'Time to approve is over', tone: 'neutral', meaning: 'It has passed the gates.' }
  const declined = version.status === 'rejected' ? declinedText(version.reason ?? null) : ''
  if (declined) return { text: 'Declined', tone: 'warn', meaning: declined }
  const known = statuses[version.status.toLowerCase()]
  return known ?? { text: capital(version.status.replaceAll('_', ' ')), tone: 'neutral', meaning: '' }
}
