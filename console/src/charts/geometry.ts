/** Where a figure between 0 and 1 lies on an axis; lengths in the units of the chart's view box. */

/** Two decimals are finer than a pixel, and keep the markup short. */
const rounded = (value: number): number => Math.round(value * 100) / 100

/** The length of a bar: 0 for a missing figure, and never past the axis. */
export function barLength(value: number | null | undefined, length: number): number {
  if (value === null || value === undefined || Number.isNaN(value)) return 0
  return rounded(Math.min(1, Math.max(0, value)) * length)
}

/** The start and the length of an interval, whichever end is given first. */
export function span(low: number, high: number, length: number): { start: number; length: number } {
  const start = barLength(Math.min(low, high), length)
  return { start, length: rounded(barLength(Math.max(low, high), length) - start) }
}

export interface Point {
  x: number
  y: number
}
/** The part of the drawing that the figures are in: `left` and `top` are its corner. */
export interface Area {
  left: number
  top: number
  width: number
  height: number
}

/** The ends of an axis, and the figures that stand at it. */
export interface Axis {
  low: number
  high: number
  ticks: number[]
}

/** An axis that shows figures between 0 and 1 as large as it can, with a tick at each tenth or at each fifth. */
export function axisOf(values: (number | null)[]): Axis {
  const known = values.filter((value): value is number => value !== null)
  const low = known.length > 0 ? Math.max(0, Math.floor(Math.min(...known) * 10 - 1e-9)) : 0
  const high = known.length > 0 ? Math.min(10, Math.ceil(Math.max(...known) * 10 + 1e-9)) : 10
  const step = high - low > 5 ? 2 : 1
  const first = low - (low % step)
  const ticks = Array.from({ length: Math.ceil((high - first) / step) + 1 }, (_, i) => first + i * step)
  return { low: first / 10, high: (ticks.at(-1) ?? 10) / 10, ticks: ticks.map((tick) => tick / 10) }
}

/** How far down a figure lies. */
export function heightOf(value: number, { low, high }: Axis, { top, height }: Area): number {
  return rounded(top + height - barLength((value - low) / (high - low), height))
}

/** Points of a line from left to right. A missing figure leaves its place empty. */
export function linePoints(values: (number | null)[], axis: Axis, area: Area): (Point | null)[] {
  return values.map((value, i) =>
    value === null ? null : { x: placeOf(i, values.length, area), y: heightOf(value, axis, area) },
  )
}

/** Where the figure number `i` of `count` lies from left to right: a single one in the middle. */
export function placeOf(i: number, count: number, { left, width }: Area): number {
  return rounded(count > 1 ? left + (i * width) / (count - 1) : left + width / 2)
}

/** The `d` of a path through the points; it is interrupted where one is missing. */
export function linePath(points: (Point | null)[]): string {
  return points
    .map((point, i) => (point ? `${i > 0 && points[i - 1] ? 'L' : 'M'}${point.x} ${point.y}` : ''))
    .filter(Boolean)
    .join(' ')
}

/** The end of an axis from 0 that holds these amounts: 1, 2 or 5 times a power of ten. */
export function topOf(amounts: number[]): number {
  const largest = Math.max(0, ...amounts)
  if (largest === 0) return 1
  const power = 10 ** Math.floor(Math.log10(largest))
  return ([1, 2, 5, 10].find((step) => step * power >= largest - 1e-9) ?? 10) * power
}

/** A figure at an axis that ends at `top`, with as many digits as its half needs: 0.25 below 0.5. */
export function tickText(tick: number, top: number): string {
  const digits = Math.max(0, 1 - Math.floor(Math.log10(top / 2) + 1e-9))
  return tick === 0 ? '0' : String(Number(tick.toFixed(digits)))
}

export interface Column {
  x: number
  width: number
  lower: { y: number; height: number }
  upper: { y: number; height: number }
}

/** Columns in two parts, from left to right, on an axis from 0 to `top`. */
export function columnsOf(parts: [number, number][], top: number, { left, top: above, width, height }: Area): Column[] {
  const room = width / Math.max(parts.length, 1)
  const columnWidth = rounded(Math.min(48, room * 0.7))
  const bottom = above + height
  return parts.map(([first, second], i) => {
    const lower = barLength(first / top, height)
    const upper = barLength(second / top, height)
    return {
      x: rounded(left + i * room + (room - columnWidth) / 2),
      width: columnWidth,
      lower: { y: rounded(bottom - lower), height: lower },
      upper: { y: rounded(bottom - lower - upper), height: upper },
    }
  })
}
