/** What an answer needs before it is sent: one that the API rejects cannot be corrected any more. */
import type { Box, Kind } from '../api'
import type { Unsent } from './unsent'

/** Boxes, or labels of the whole image: https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/limits.html */
const MAX_ITEMS = 50

/** The boxes as the API takes them. Two boxes with one label at one place are one object. */
export function boxesToSend(boxes: Box[]): Box[] {
  const plain = boxes.map(({ label, left, top, width, height }) => ({ label, left, top, width, height }))
  return [...new Map(plain.map((box) => [JSON.stringify(box), box])).values()]
}

/** The sentence that says what is missing or wrong; empty where it can be confirmed. */
export function problemOf(kind: Kind, unsent: Unsent, available: Set<string>): string {
  const detection = kind === 'detection'
  const names = detection ? unsent.boxes.map(({ label }) => label) : unsent.labels
  const unavailable = names.find((label) => !available.has(label))
  if (names.length === 0) return detection ? 'Draw a box, or choose No objects.' : 'Choose a label, or No objects.'
  if (unavailable !== undefined) {
    const advice = detection ? 'give its box another label, or delete the box' : 'choose another label, or No objects'
    return `${unavailable} is no longer available: ${advice}.`
  }
  const count = detection ? boxesToSend(unsent.boxes).length : names.length
  if (count <= MAX_ITEMS) return ''
  return `An image can have up to ${MAX_ITEMS} ${detection ? 'boxes' : 'labels'}; this one has ${count}.`
}
