/** Which part of a picture is shown, and where boxes lie in it. */
import type { JudgedObject } from '../api'

export interface Sides {
  left: number
  top: number
  width: number
  height: number
}

const SHAPE = 4 / 3
/** Of the picture, that is shown at least: what surrounds an object tells what it is. */
const LEAST = 0.3

/** The part of a picture around boxes, as a card shows it: in pixels of the picture, not beyond it where it fits. */
export function around(boxes: Sides[], size: { width: number; height: number }): Sides {
  const whole = { left: 0, top: 0, ...size }
  if (boxes.length === 0 || size.width === 0) return whole
  const left = Math.min(...boxes.map((box) => box.left))
  const top = Math.min(...boxes.map((box) => box.top))
  const right = Math.max(...boxes.map((box) => box.left + box.width))
  const bottom = Math.max(...boxes.map((box) => box.top + box.height))
  const across = Math.max((right - left) * 1.6, size.width * LEAST, (bottom - top) * 1.6 * SHAPE)
  const width = Math.min(across, Math.max(size.width, size.height * SHAPE))
  const height = width / SHAPE
  return {
    left: within((left + right - width) / 2, width, size.width),
    top: within((top + bottom - height) / 2, height, size.height),
    width,
    height,
  }
}

/** The start of a part: inside the picture if it fits, else around its middle. */
function within(start: number, length: number, whole: number): number {
  return length >= whole ? (whole - length) / 2 : Math.min(Math.max(start, 0), whole - length)
}

const share = (part: number, whole: number) => `${((100 * part) / whole).toFixed(3)}%`

/** The style of something at `box` within `part`. */
export function placed(box: Sides, part: Sides): Record<string, string> {
  return {
    left: share(box.left - part.left, part.width),
    top: share(box.top - part.top, part.height),
    width: share(box.width, part.width),
    height: share(box.height, part.height),
  }
}

/** The boxes of something that was judged: of the object, and of the detection. */
export function boxesOf({ truth, detection }: JudgedObject): Sides[] {
  return [truth?.box, detection?.box].filter((box) => !!box)
}

/** How a box is drawn. */
export type Line = 'truth' | 'wrong' | 'right'
export const detectionLine = ({ judgement }: Pick<JudgedObject, 'judgement'>): Line => (judgement === 'right' ? 'right' : 'wrong')

/** The lines that something that was judged is drawn with. */
export function drawnLines(judged: JudgedObject[]): Line[] {
  const drawn = new Set<Line>()
  for (const one of judged) {
    if (one.truth?.box) drawn.add('truth')
    if (one.detection?.box) drawn.add(detectionLine(one))
  }
  return (['truth', 'wrong', 'right'] as const).filter((line) => drawn.has(line))
}

const percentText = (confidence: number) => `${Math.round(confidence)} %`

/** What was judged, in words: `cat, taken for dog at 90 %`. */
export function judgedText({ judgement, truth, detection, overlap }: JudgedObject): string {
  const seen = detection ? `${detection.label} at ${percentText(detection.confidence)}` : ''
  switch (judgement) {
    case 'right':
      return `${seen}, right`
    case 'confusion':
      return `${truth?.label ?? ''}, taken for ${seen}`
    case 'loose':
      return `${seen}, the box fits badly: overlap ${overlap.toFixed(2)}`
    case 'duplicate':
      return `${seen}, on an object that was found already`
    case 'background':
      return `${seen}, where nothing is labelled`
    default:
      return `${truth?.label ?? ''}, missed`
  }
}

export const stateTexts: Record<string, string> = {
  withdrawn: 'Withdrawn since: no dataset has this image any more.',
  relabelled: 'Labelled otherwise since: this is judged by its labels of then.',
}
