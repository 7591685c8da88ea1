/** What the champion saw in a picture, ready to be drawn. */
import type { Detection } from '../api'

export type Found = Detection['labels'][number]

/** Detections of at least `confidence` percent, the surest first. */
export function shown(labels: Found[], confidence: number): Found[] {
  return labels.filter((found) => found.confidence >= confidence).sort((a, b) => b.confidence - a.confidence)
}

export interface Place {
  left: string
  top: string
  width: string
  height: string
}
const share = (part: number, whole: number) => `${Math.round((part / whole) * 1e4) / 100}%`

/** Where a box lies, in percent of the picture however large that is drawn. */
export function place(box: NonNullable<Found['box']>, { width, height }: { width: number; height: number }): Place {
  return {
    left: share(box.left, width),
    top: share(box.top, height),
    width: share(box.width, width),
    height: share(box.height, height),
  }
}

/** Where a box has its tag so that it can be read: inside near the top edge, from the right near the right one. */
export function tagClass(box: NonNullable<Found['box']>, { width, height }: { width: number; height: number }): string {
  const inside = box.top < height * 0.06 ? ' try-tag-inside' : ''
  const right = box.left > width * 0.6 ? ' try-tag-right' : ''
  return `try-tag${inside}${right}`
}

/** A label's colour: the one that administrators gave it, or one of its own. */
export function colourOf(label: string, colours: Map<string, string>): string {
  const given = colours.get(label)
  if (given) return given
  let hash = 0
  for (const character of label) hash = (hash * 31 + (character.codePointAt(0) ?? 0)) % 360
  return `hsl(${hash} 70% 42%)`
}
