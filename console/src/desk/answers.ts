/** What an answer has to have before it is sent: one that the API refuses could not be mended any more. */
import type { Box, Kind } from '../api'
import type { Draft } from './drafts'

/** Boxes, or labels of the whole image: https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/limits.html */
const MOST = 50

/** The members of the contract, no more. Two boxes of one label at one place are one object. */
export function sent(boxes: Box[]): Box[] {
  const plain = boxes.map(({ label, left, top, width, height }) => ({ label, left, top, width, height }))
  return [...new Map(plain.map((box) => [JSON.stringify(box), box])).values()]
}

/** The sentence that says what is missing or wrong; empty where the draft can be confirmed. */
export function problemOf(kind: Kind, draft: Draft, offered: Set<string>): string {
  const detection = kind === 'detection'
  const names = detection ? draft.boxes.map(({ label }) => label) : draft.labels
  const gone = names.find((label) => !offered.has(label))
  if (names.length === 0) return detection ? 'Draw a box, or choose Nothing here.' : 'Choose a label, or Nothing here.'
  if (gone !== undefined) {
    const act = detection ? 'give its box another label, or delete it' : 'choose another, or Nothing here'
    return `${gone} is not offered any more: ${act}.`
  }
  const count = detection ? sent(draft.boxes).length : names.length
  return count > MOST ? `An image has up to ${MOST} ${detection ? 'boxes' : 'labels'}: these are ${count}.` : ''
}
