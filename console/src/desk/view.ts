/** Which part of the image is shown, and at which scale. Screen pixels = image pixels * scale + offset. */
import type { Box } from '../api'
import type { Point, Size } from './boxes'

export interface View {
  scale: number
  x: number
  y: number
}
const MARGIN = 12
const MAX_SCALE = 32

/** The whole image, centred; small images are enlarged up to three times. */
export function whole(image: Size, screen: Size): View {
  const room = { width: Math.max(screen.width - 2 * MARGIN, 1), height: Math.max(screen.height - 2 * MARGIN, 1) }
  const scale = Math.min(room.width / image.width, room.height / image.height, 3)
  return { scale, x: (screen.width - image.width * scale) / 2, y: (screen.height - image.height * scale) / 2 }
}

export const toImage = (view: View, screen: Point): Point => ({
  x: (screen.x - view.x) / view.scale,
  y: (screen.y - view.y) / view.scale,
})

/** Keeps a part of the image visible. */
function inSight(view: View, image: Size, screen: Size): View {
  const keep = 60
  const x = Math.min(Math.max(view.x, keep - image.width * view.scale), screen.width - keep)
  const y = Math.min(Math.max(view.y, keep - image.height * view.scale), screen.height - keep)
  return { ...view, x, y }
}

/** Zooms by `factor` around a point of the screen, which stays where it is. */
export function zoom(view: View, factor: number, at: Point, image: Size, screen: Size): View {
  const minScale = whole(image, screen).scale / 2
  const scale = Math.min(Math.max(view.scale * factor, minScale), MAX_SCALE)
  const point = toImage(view, at)
  return inSight({ scale, x: at.x - point.x * scale, y: at.y - point.y * scale }, image, screen)
}

export const pan = (view: View, dx: number, dy: number, image: Size, screen: Size): View =>
  inSight({ ...view, x: view.x + dx, y: view.y + dy }, image, screen)

/** The place of a box made by key: the middle of the visible part, a quarter of its width and height. */
export function middle(view: View, image: Size, screen: Size): Omit<Box, 'label'> {
  const clamp = (p: Point) => ({
    x: Math.min(Math.max(p.x, 0), image.width),
    y: Math.min(Math.max(p.y, 0), image.height),
  })
  const a = clamp(toImage(view, { x: 0, y: 0 }))
  const b = clamp(toImage(view, { x: screen.width, y: screen.height }))
  const width = (b.x - a.x) / 4
  const height = (b.y - a.y) / 4
  return { left: (a.x + b.x - width) / 2, top: (a.y + b.y - height) / 2, width, height }
}
