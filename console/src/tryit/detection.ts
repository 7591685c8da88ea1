/** Where and how the detections of an image are drawn. */
import type { Detections } from '../api'

export type DetectedLabel = Detections['labels'][number]

/** Detections of at least `confidence` percent, highest confidence first. */
export function confidentLabels(labels: DetectedLabel[], confidence: number): DetectedLabel[] {
  return labels.filter((label) => label.confidence >= confidence).sort((a, b) => b.confidence - a.confidence)
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
