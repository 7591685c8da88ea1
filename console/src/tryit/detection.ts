/** Which detections of an image are shown, and where and how they are drawn. */
import type { Detections } from '../api'

export type DetectedLabel = Detections['labels'][number]
export type Thresholds = Detections['thresholds']

/** The confidence from which on detections are shown: percent, or the model's own threshold of each label. */
export type MinConfidence = number | 'model'

/** Detections of at least that confidence, highest confidence first. */
export function confidentLabels(labels: DetectedLabel[], min: MinConfidence, thresholds: Thresholds): DetectedLabel[] {
  const from = (name: string) => (min === 'model' ? (thresholds[name] ?? 0) : min)
  return labels.filter(({ name, confidence }) => confidence >= from(name)).sort((a, b) => b.confidence - a.confidence)
}

/** The lowest and the highest of the thresholds, in whole percent; null where the model's are not known. */
export function thresholdRange(thresholds: Thresholds): [low: number, high: number] | null {
  const known = Object.values(thresholds)
  return known.length > 0 ? [Math.round(Math.min(...known)), Math.round(Math.max(...known))] : null
}

/** Where the slider stands: for the model's own thresholds, at the lowest. */
export const sliderValue = (min: MinConfidence, thresholds: Thresholds): number =>
  min === 'model' ? (thresholdRange(thresholds)?.[0] ?? 0) : min

/** What decides which detections are shown, and why it is so. */
export function confidenceText(min: MinConfidence, thresholds: Thresholds): string {
  const range = thresholdRange(thresholds)
  if (min !== 'model') return `Detections of ${min} % confidence and more.`
  if (!range) return "The model returns what reaches its own thresholds. They are not on record, so the slider can only hide more."
  const [low, high] = range
  const which = low === high ? `the model's threshold, ${low} %` : `the model's threshold of each label, ${low} % to ${high} %`
  return `Detections from ${which}: training has chosen it as the best for F1 on the test images, and detection in production uses it.`
}

export interface Place {
  left: string
  top: string
  width: string
  height: string
}
const percentOf = (part: number, whole: number) => `${Math.round((part / whole) * 1e4) / 100}%`

/** Where a box lies, in percent of the image, whatever its size on the screen. */
export function place(box: NonNullable<DetectedLabel['box']>, { width, height }: { width: number; height: number }): Place {
  return {
    left: percentOf(box.left, width),
    top: percentOf(box.top, height),
    width: percentOf(box.width, width),
    height: percentOf(box.height, height),
  }
}

const MAX_ENLARGED = 4

/** The width of an image on the page: all of the room, but no higher than the screen and no coarser than 4 times. */
export const shownWidth = ({ width, height }: { width: number; height: number }): string =>
  `min(100%, ${width * MAX_ENLARGED}px, ${Math.round((78 * width) / Math.max(height, 1))}vh)`

/** The CSS classes of a box's tag, which keep it readable near the top and right edges of the image. */
export function tagClass(box: NonNullable<DetectedLabel['box']>, { width, height }: { width: number; height: number }): string {
  const inside = box.top < height * 0.06 ? ' try-tag-inside' : ''
  const right = box.left > width * 0.6 ? ' try-tag-right' : ''
  return `try-tag${inside}${right}`
}

/** A label's colour: the one that administrators chose, or one made from its name. */
export function colourOf(label: string, colours: Map<string, string>): string {
  const given = colours.get(label)
  if (given) return given
  let hash = 0
  for (const character of label) hash = (hash * 31 + (character.codePointAt(0) ?? 0)) % 360
  return `hsl(${hash} 70% 42%)`
}
