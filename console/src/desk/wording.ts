/** Tasks and answers as people read them. */
import type { AnswerBody, Kind } from '../api'

const reasons: Record<string, string> = {
  unlabelled: 'Unlabelled',
  low_confidence: 'Low confidence',
  sample: 'Random sample',
  requested: 'Requested',
  needed: 'Needed test image',
}
export const reasonText = (reason: string): string => reasons[reason] ?? reason

/** What the answer No objects is used for. */
export const nothingText = (kind: Kind): string =>
  kind === 'detection'
    ? 'No objects makes the image a background: it tests new models, and what they detect on it counts as wrong. Custom Labels does not learn from it.'
    : 'No objects keeps the image out of training and tests: none of the labels fits.'

const verdicts = { labelled: 'Labelled', nothing: 'No objects', unusable: 'Unusable' }

/** An answer in words: `Labelled: 2 cone, crate`. */
export function answerText({ verdict, boxes, labels, reason }: Omit<AnswerBody, 'seconds' | 'correction'>): string {
  if (verdict !== 'labelled') return reason ? `${verdicts[verdict]}: ${reason}` : verdicts[verdict]
  const counts = new Map<string, number>()
  for (const label of [...(labels ?? []), ...(boxes ?? []).map((box) => box.label)]) {
    counts.set(label, (counts.get(label) ?? 0) + 1)
  }
  const parts = [...counts].map(([label, count]) => (count > 1 ? `${count} ${label}` : label))
  return `${verdicts.labelled}: ${parts.join(', ')}`
}

/** What is said of labels that are chosen in advance, though no model suggested them. */
export const draftText = (images: number): string =>
  `A draft, learned from ${images} labelled images. It counts once you confirm or change it.`
