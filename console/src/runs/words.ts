/** What the records of runs and versions mean, in words. */
import type { GateVerdict, Run, RunStep, RunSummary, Version } from '../api'
import type { Tone } from '../ui/display'

export interface Said {
  text: string
  tone: Tone
  /** What it means, and what to do where somebody has to. */
  meaning: string
}
const outcomes: Record<string, Said> = {
  running: { text: 'Under way', tone: 'info', meaning: 'The run is under way.' },
  promoted: { text: 'New champion', tone: 'good', meaning: 'The new model passed its gates and is in production.' },
  refused: {
    text: 'Not promoted',
    tone: 'warn',
    meaning: 'The new model is not good enough: a gate refused it. The champion stays in production.',
  },
  skipped: { text: 'Nothing trained', tone: 'neutral', meaning: 'The run ended before training: there was no need or no right to.' },
  failed: {
    text: 'Failed',
    tone: 'bad',
    meaning: 'Something broke. The champion is untouched. Read the reason; a run can be started again at any time.',
  },
}

export function outcomeOf(outcome: string): Said {
  return outcomes[outcome] ?? { text: outcome || 'Unknown', tone: 'neutral', meaning: '' }
}

const triggers: Record<string, string> = {
  images: 'enough new or changed images',
  schedule: 'the schedule',
  manual: 'a person',
}
export const triggerText = (trigger: string): string => triggers[trigger] ?? trigger

export const isRunning = (run: Pick<RunSummary, 'outcome' | 'ended_at'>): boolean =>
  run.outcome === 'running' && !run.ended_at

/** Seconds from start to end, or until `now` while it runs. */
export function runSeconds(run: Pick<RunSummary, 'started_at' | 'ended_at'>, now: number): number | null {
  const start = Date.parse(run.started_at)
  const end = run.ended_at ? Date.parse(run.ended_at) : now
  return Number.isNaN(start) || Number.isNaN(end) ? null : Math.max(0, (end - start) / 1000)
}

export const newestFirst = (runs: RunSummary[]): RunSummary[] =>
  [...runs].sort((a, b) => b.started_at.localeCompare(a.started_at))

const states: Record<RunStep['state'], string> = {
  waiting: 'Not yet',
  running: 'Under way',
  done: 'Done',
  failed: 'Failed',
  skipped: 'Left out',
}
export const stateText = (state: RunStep['state']): string => states[state] ?? state

/** A step's name as the heading of a line. */
export const stepTitle = (name: string): string => name.charAt(0).toUpperCase() + name.slice(1)

/** Where the run is, in one sentence. */
export function progressText(run: Pick<Run, 'steps' | 'outcome' | 'ended_at'>): string {
  const running = run.steps.find(({ state }) => state === 'running')
  if (!running) return run.ended_at ? `Ended: ${outcomeOf(run.outcome).text}.` : outcomeOf(run.outcome).meaning
  const position = run.steps.indexOf(running) + 1
  return `Step ${position} of ${run.steps.length}: ${running.name}.`
}

export interface Gate {
  gate: string
  title: string
  passed: boolean
  reasons: string[]
}
const gates: Record<string, string> = {
  evaluation: 'Gate 1: evaluation on the test images',
  shadow: 'Gate 2: beside the champion, on the same images',
  rollback: 'Rollback',
}

/** The verdicts, whether they come as a list or by the gates' names. */
export function gatesOf(verdicts: Run['verdicts']): Gate[] {
  if (!verdicts) return []
  const listed: [string, GateVerdict][] = Array.isArray(verdicts)
    ? verdicts.map((verdict) => [String(verdict['gate'] ?? ''), verdict])
    : Object.entries(verdicts).map(([gate, verdict]) => [gate, verdict as GateVerdict])
  return listed.map(([gate, verdict]) => {
    const reasons = verdict['reasons'] ?? verdict['reason'] ?? []
    return {
      gate,
      title: gates[gate] ?? `Gate ${gate}`,
      passed: verdict.passed === true,
      reasons: (Array.isArray(reasons) ? reasons : [reasons]).map(String),
    }
  })
}

const statuses: Record<string, Said> = {
  champion: { text: 'Champion', tone: 'good', meaning: 'In production.' },
  challenger: { text: 'Challenger', tone: 'info', meaning: 'Being compared with the champion.' },
  retired: { text: 'Retired', tone: 'neutral', meaning: 'Was in production before.' },
  refused: { text: 'Refused', tone: 'warn', meaning: 'A gate refused it.' },
  failed: { text: 'Failed', tone: 'bad', meaning: 'Its training or its promotion broke.' },
  training: { text: 'Training', tone: 'info', meaning: 'Being trained.' },
  trained: { text: 'Trained', tone: 'neutral', meaning: 'Waits for its gates.' },
}
export function statusOf(version: Pick<Version, 'status' | 'champion'>): Said {
  if (version.champion) return statuses['champion'] as Said
  const said = statuses[version.status.toLowerCase()]
  return said ?? { text: stepTitle(version.status.replaceAll('_', ' ')), tone: 'neutral', meaning: '' }
}
