/** The order of model versions and labels, and the difference between two versions. */
import type { LabelScore, ModelVersion, ProductionPrecision } from '../api'
import { percent } from '../ui/format'

export function newestFirst(versions: ModelVersion[]): ModelVersion[] {
  return [...versions].sort((a, b) => b.created_at.localeCompare(a.created_at))
}

type Approval = NonNullable<ModelVersion['approval']>
/** Who has decided what about a version, and why. */
export function decisionText({ decision, by, why }: Pick<Approval, 'decision' | 'by' | 'why'>): string {
  const what = decision === 'approved' ? 'Approved' : 'Declined'
  return `${what} ${by ? `by ${by}` : 'as nobody had decided in time'}${why ? `: ${why}` : ''}`
}

/** Whether people are asked, and nobody has decided yet. */
export const waitsForApproval = (approval: Approval | null): approval is Approval => approval !== null && approval.decision === null

/** Whether the time to decide is over, and the record does not say yet what follows. */
export const isOverdue = (approval: Approval | null, now: number): boolean =>
  waitsForApproval(approval) && approval.deadline !== null && Date.parse(approval.deadline) <= now

/** What was decided in this session, which the version's record has once its promotion has gone on. */
export function answerText(decision: 'approved' | 'declined'): string {
  return decision === 'approved' ? 'Approved by you, it is being started.' : 'Declined by you, the champion stays.'
}

/** Making the version the champion: a rollback only of one that has served before. */
export function serveWords({ name, status }: Pick<ModelVersion, 'name' | 'status'>) {
  return status === 'retired'
    ? { act: 'Roll back', label: `Roll back to ${name}`, question: `Roll back to ${name}?`, done: 'The rollback has begun. It is listed under Runs.' }
    : {
        act: 'Make it serve',
        label: `Make it serve: ${name}`,
        question: `Make ${name} serve?`,
        done: 'It is being started. This is listed under Runs, as a rollback.',
      }
}

/** Whether the version can be gone back to: it was trained to its end, and does not serve. */
export const canServe = ({ champion, f1, status }: ModelVersion): boolean =>
  !champion && f1 !== null && !['training', 'challenger', 'pending'].includes(status)

/** `v7` of `v7-0123456789ab`, whose second part is its snapshot; another name as it is. */
export const shortName = (name: string): string => /^v\d+(?=-)/.exec(name)?.[0] ?? name

/** The labels with the lowest F1 first: those that need work. */
export function weakestFirst(labels: LabelScore[]): LabelScore[] {
  return [...labels].sort((a, b) => a.f1 - b.f1 || a.label.localeCompare(b.label))
}

/** `+0.021 compared with the champion, each on its own test images`: no gate's figure; empty where there is nothing to compare. */
export function differenceText(f1: number | null, champion: number | null): string {
  if (f1 === null || champion === null) return ''
  const difference = f1 - champion
  if (Math.abs(difference) < 0.0005) return 'same as the champion, each on its own test images'
  const sign = difference > 0 ? '+' : '\u2212'
  return `${sign}${Math.abs(difference).toFixed(3)} compared with the champion, each on its own test images`
}

/** From which confidence on detections of the label count, and whose decision that is; empty if it is not known. */
export function thresholdText({ label, threshold }: LabelScore, set: Record<string, number>): string {
  const own = threshold === null ? '' : percent(threshold)
  const chosen = set[label]
  if (chosen === undefined) return own && `from ${own}`
  return `from ${percent(chosen / 100)}, set here${own && `; the model\u2019s own: ${own}`}`
}

export interface Measured {
  value: number
  low: number
  high: number
  images: number
}

/** The precision that reviewers have measured in production; null before a sample was reviewed. */
export function measured(precision: ProductionPrecision | null): Measured | null {
  return precision && { value: precision.precision, low: precision.low, high: precision.high, images: precision.images }
}
