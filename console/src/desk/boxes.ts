/** Geometry of boxes in whole pixels of the upright image. No screen, no DOM. */
import type { Box, Suggestions } from '../api'

/** `confidence` is there while the box is the model's proposal that nobody has changed. */
export interface DeskBox extends Box {
  id: string
  confidence?: number
}
export interface Size {
  width: number
  height: number
}
export interface Point {
  x: number
  y: number
}
/** Which sides a handle moves: 'n', 'se', ... */
export type Handle = 'n' | 's' | 'w' | 'e' | 'nw' | 'ne' | 'sw' | 'se'
export const handles: Handle[] = ['nw', 'n', 'ne', 'e', 'se', 's', 'sw', 'w']

let lastId = 0
export function newId(): string {
  lastId += 1
  return `b${lastId}`
}

const clamp = (value: number, low: number, high: number) => Math.min(Math.max(value, low), high)

/** Rounds to whole pixels inside the image, at least one wide and high. */
export function fit<B extends Box>(box: B, image: Size): B {
  const left = clamp(Math.round(box.left), 0, image.width - 1)
  const top = clamp(Math.round(box.top), 0, image.height - 1)
  const right = clamp(Math.round(box.left + box.width), left + 1, image.width)
  const bottom = clamp(Math.round(box.top + box.height), top + 1, image.height)
  return { ...box, left, top, width: right - left, height: bottom - top }
}

/** Boxes to begin with: the model's suggestions, or the boxes that the image has already, where no model made them. */
export function fromSuggestions(suggestions: Suggestions, image: Size, byModel = true): DeskBox[] {
  const begun = (suggestions.boxes ?? []).map((box) => fit<DeskBox>({ ...box, id: newId() }, image))
  return byModel ? begun : begun.map(withoutConfidence)
}

/** The box between two corners, or null when it is so small that it was not intended. */
export function boxBetween(a: Point, b: Point, label: string, image: Size, minSize: number): DeskBox | null {
  const inside = (p: Point) => ({ x: clamp(p.x, 0, image.width), y: clamp(p.y, 0, image.height) })
  const [p, q] = [inside(a), inside(b)]
  const width = Math.abs(p.x - q.x)
  const height = Math.abs(p.y - q.y)
  if (width < minSize || height < minSize) return null
  return fit({ id: newId(), label, left: Math.min(p.x, q.x), top: Math.min(p.y, q.y), width, height }, image)
}

/** A proposal that a person changes is the person's own: it has no confidence any more. */
function withoutConfidence<B extends DeskBox>(box: B): DeskBox {
  const { confidence: _touched, ...rest } = box
  return rest
}

/** Moves without changing the size; stops at the image's edge. */
export function move(box: DeskBox, dx: number, dy: number, image: Size): DeskBox {
  const left = clamp(Math.round(box.left + dx), 0, image.width - box.width)
  const top = clamp(Math.round(box.top + dy), 0, image.height - box.height)
  return { ...withoutConfidence(box), left, top }
}

/** Moves one or two sides; a side dragged past the opposite one flips the box. */
export function resize(box: DeskBox, handle: Handle, dx: number, dy: number, image: Size): DeskBox {
  let { left, top } = box
  let right = left + box.width
  let bottom = top + box.height
  if (handle.includes('w')) left = clamp(left + dx, 0, image.width)
  if (handle.includes('e')) right = clamp(right + dx, 0, image.width)
  if (handle.includes('n')) top = clamp(top + dy, 0, image.height)
  if (handle.includes('s')) bottom = clamp(bottom + dy, 0, image.height)
  const resized = {
    ...withoutConfidence(box),
    left: Math.min(left, right),
    top: Math.min(top, bottom),
    width: Math.abs(right - left),
    height: Math.abs(bottom - top),
  }
  return fit(resized, image)
}

export const relabel = (box: DeskBox, label: string): DeskBox => ({ ...withoutConfidence(box), label })

export function handlePoint(box: Box, handle: Handle): Point {
  const x = handle.includes('w') ? 0 : handle.includes('e') ? 1 : 0.5
  const y = handle.includes('n') ? 0 : handle.includes('s') ? 1 : 0.5
  return { x: box.left + x * box.width, y: box.top + y * box.height }
}

const contains = (box: Box, point: Point) =>
  point.x >= box.left && point.x <= box.left + box.width && point.y >= box.top && point.y <= box.top + box.height

/**
 * The nearest handle of `box` within `reach` (image pixels) of a point. Handles reach no further into the box than a
 * quarter of its sides, so that a small box can still be moved.
 */
export function handleAt(box: Box, point: Point, reach: number): Handle | null {
  let best: Handle | null = null
  let bestDistance = contains(box, point) ? Math.min(reach, Math.min(box.width, box.height) / 4) : reach
  for (const handle of handles) {
    const at = handlePoint(box, handle)
    const distance = Math.hypot(at.x - point.x, at.y - point.y)
    if (distance <= bestDistance) {
      best = handle
      bestDistance = distance
    }
  }
  return best
}

/** The smallest box under a point, so that a box inside another can be reached. */
export function boxAt(boxes: DeskBox[], point: Point): DeskBox | null {
  const under = boxes.filter((box) => contains(box, point))
  under.sort((a, b) => a.width * a.height - b.width * b.height)
  return under[0] ?? null
}
