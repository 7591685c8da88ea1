/** The words of a label issue, and the order in which label issues are gone through. */
import { ApiError, OfflineError, type JudgedObject, type LabelIssue, type LabelIssues } from '../api'

type PixelBox = NonNullable<LabelIssue['others'][number]['box']>

export interface Question {
  /** What is on record, and what speaks against it. */
  text: string
  /** What accepting the version's word does, and what rejecting it says. */
  accept: string
  reject: string
}

/** Who contradicts a label: of training images never the version, which has learned from them. */
function seer({ dataset, seen_by }: LabelIssue, version: string): string {
  if (seen_by === 'champion') return 'The champion'
  return dataset === 'TRAIN' ? 'A model that has not learned from this image' : version
}

function seenBy(issue: LabelIssue, version: string): string {
  const { after, seen_by } = issue
  if (seen_by === 'near_duplicate') return after ? `An image that looks much like it is labelled ${after.label}` : 'On an image that looks much like it, it is not labelled'
  return after ? `${seer(issue, version)} sees ${after.label} at ${Math.round(after.confidence)} %` : `${seer(issue, version)} sees nothing there`
}

/** From here on a box is one of an object, however badly it fits. */
const MIN_LOOSE_IOU = 0.1

/** Whether an object of the same label is about where the version sees one. */
function isPartlyLabelled({ after, others }: LabelIssue): boolean {
  const seen = after?.box
  return !!seen && others.some(({ label, box }) => label === after.label && !!box && overlap(seen, box) >= MIN_LOOSE_IOU)
}

function overlap(one: PixelBox, other: PixelBox): number {
  const side = (start: number, length: number, otherStart: number, otherLength: number) =>
    Math.max(0, Math.min(start + length, otherStart + otherLength) - Math.max(start, otherStart))
  const shared = side(one.left, one.width, other.left, other.width) * side(one.top, one.height, other.top, other.height)
  return shared / (one.width * one.height + other.width * other.height - shared)
}

export function questionOf(issue: LabelIssue, version: string): Question {
  const { issue_type, before, after } = issue
  const seen = seenBy(issue, version)
  const labelled = before?.label ?? ''
  switch (issue_type) {
    case 'wrong_label':
      return { text: `Labelled ${labelled}. ${seen}.`, accept: `It is ${after?.label ?? ''}`, reject: `${labelled} is right` }
    case 'missing':
      return {
        text: isPartlyLabelled(issue) ? `One ${after?.label ?? ''} is labelled about there. ${seen}, as another.` : `Nothing is labelled there. ${seen}.`,
        accept: `Add ${after?.label ?? ''}`,
        reject: 'Nothing is missing',
      }
    case 'loose':
      return { text: `The box of ${labelled} does not fit. ${seen}.`, accept: 'Take the model\u2019s box', reject: 'The box is right' }
    default:
      return { text: `Labelled ${labelled}. ${seen}.`, accept: `Remove ${labelled}`, reject: `${labelled} is right` }
  }
}

/** What is drawn: the label at issue and what the version sees, then the other labels of the image. */
export function drawnOf({ before, after, others }: LabelIssue): JudgedObject[] {
  return [
    { judgement: 'confusion', truth: before, detection: after, overlap: 0 },
    ...others.map((truth) => ({ judgement: 'missed' as const, truth, detection: null, overlap: 0 })),
  ]
}

export type Verdict = 'accepted' | 'rejected'

export interface Progress {
  issues: LabelIssue[]
  at: number
  /** Ids of those that were answered on this visit, the last one last. */
  answered: string[]
  /** The id that the next page follows; null after the last page. */
  next: string | null
}

const without = (ids: string[], id: string | undefined): string[] => ids.filter((other) => other !== id)

/** The next label issue, after an answer or without one. */
export function passed(progress: Progress, isAnswered: boolean): Progress {
  const { issues, at, answered } = progress
  const id = issues[at]?.id
  return {
    ...progress,
    at: Math.min(at + 1, issues.length),
    answered: isAnswered && id !== undefined ? [...without(answered, id), id] : answered,
  }
}

/** Back to the last answer, which is taken back. */
export function backTo(progress: Progress): Progress | null {
  const id = progress.answered.at(-1)
  const at = progress.issues.findIndex((issue) => issue.id === id)
  return at < 0 ? null : { ...progress, at, answered: progress.answered.slice(0, -1) }
}

/** With a label issue passed by that nobody can answer any more. */
export const passedBy = (progress: Progress, id: string): Progress => ({ ...progress, answered: without(progress.answered, id) })

/** What has become of an answer that ended in an error: it can be given again; nobody can give it any more, as the label was
 * changed, or somebody was quicker; or it may have been kept, as nothing was heard of it. */
export function afterError(error: unknown): 'open' | 'closed' | 'unknown' {
  if (error instanceof OfflineError) return 'unknown'
  if (!(error instanceof ApiError)) return 'open'
  if (error.status >= 500) return 'unknown'
  return error.status === 404 || error.status === 409 ? 'closed' : 'open'
}

/** With a label issue unanswered whose answer was not kept. It comes next: a key may be on its way about the one shown. */
export function putBack(progress: Progress, id: string): Progress {
  const { issues, at } = progress
  const answered = without(progress.answered, id)
  const from = issues.findIndex((issue) => issue.id === id)
  const issue = issues[from]
  if (!issue || from >= at) return { ...progress, answered }
  return { ...progress, answered, at: at - 1, issues: [...issues.slice(0, from), ...issues.slice(from + 1, at + 1), issue, ...issues.slice(at + 1)] }
}

/** With a label issue answered whose answer could not be taken back. */
export const stillAnswered = (progress: Progress, id: string): Progress => ({ ...progress, answered: [...without(progress.answered, id), id] })

/** The progress with a page more. */
export function withPage(progress: Progress, page: LabelIssues): Progress {
  const known = new Set(progress.issues.map(({ id }) => id))
  return { ...progress, issues: [...progress.issues, ...page.issues.filter(({ id }) => !known.has(id))], next: page.next }
}
