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

/** Each of `values` as a share of the greatest; all 0 when none is positive. */
export function shares(values: (number | null)[]): number[] {
  const greatest = Math.max(0, ...values.map((value) => value ?? 0))
  return values.map((value) => (greatest > 0 ? Math.max(0, value ?? 0) / greatest : 0))
}

export interface Point {
  x: number
  y: number
}
interface Area {
  width: number
  height: number
  margin: number
}

/** Points of a line from left to right; 1 lies at the top. A missing figure leaves its place empty. */
export function linePoints(values: (number | null)[], { width, height, margin }: Area): (Point | null)[] {
  const step = values.length > 1 ? (width - 2 * margin) / (values.length - 1) : 0
  const first = values.length > 1 ? margin : width / 2
  return values.map((value, i) =>
    value === null
      ? null
      : { x: rounded(first + i * step), y: rounded(height - margin - barLength(value, height - 2 * margin)) },
  )
}

/** The `d` of a path through the points; it is interrupted where one is missing. */
export function linePath(points: (Point | null)[]): string {
  return points
    .map((point, i) => (point ? `${i > 0 && points[i - 1] ? 'L' : 'M'}${point.x} ${point.y}` : ''))
    .filter(Boolean)
    .join(' ')
}
