/** The words of a label that a version contradicts, and the order in which such labels are gone through. */
import type { JudgedObject, Suspect } from '../api'

export interface Question {
  /** What is on record, and what speaks against it. */
  text: string
  /** What accepting the version's word does, and what rejecting it says. */
  accept: string
  reject: string
}

export function questionOf({ accusation, before, after }: Suspect, version: string): Question {
  const seen = after ? `${version} sees ${after.label} at ${Math.round(after.confidence)} %` : `${version} sees nothing there`
  const labelled = before?.label ?? ''
  switch (accusation) {
    case 'wrong_label':
      return { text: `Labelled ${labelled}. ${seen}.`, accept: `It is ${after?.label ?? ''}`, reject: `${labelled} is right` }
    case 'missing':
      return { text: `Nothing is labelled there. ${seen}.`, accept: `Add ${after?.label ?? ''}`, reject: 'Nothing is missing' }
    case 'loose':
      return { text: `The box of ${labelled} does not fit what ${version} sees.`, accept: 'Take the model\u2019s box', reject: 'The box is right' }
    default:
      return { text: `Labelled ${labelled}. ${seen}.`, accept: `Remove ${labelled}`, reject: `${labelled} is right` }
  }
}

/** What is drawn: the accused label and what the version sees, then the other labels of the image. */
export function drawnOf({ before, after, others }: Suspect): JudgedObject[] {
  return [
    { judgement: 'confusion', truth: before, detection: after, overlap: 0 },
    ...others.map((truth) => ({ judgement: 'missed' as const, truth, detection: null, overlap: 0 })),
  ]
}

export type Verdict = 'accepted' | 'rejected'

export interface Progress {
  suspects: Suspect[]
  at: number
  /** Answers of this visit, the last one last: positions of the suspects. */
  answered: number[]
}

/** The next suspect, after an answer or without one. */
export const passed = ({ suspects, at, answered }: Progress, isAnswered: boolean): Progress => ({
  suspects,
  at: Math.min(at + 1, suspects.length),
  answered: isAnswered ? [...answered, at] : answered,
})

/** Back to the last answer, which is taken back. */
export function backTo({ suspects, answered }: Progress): Progress | null {
  const at = answered.at(-1)
  return at === undefined ? null : { suspects, at, answered: answered.slice(0, -1) }
}
