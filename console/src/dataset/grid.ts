/** Where the thumbnails of the wall are: only those in view, and a screen on either side, are in the page. */
export interface Grid {
  columns: number
  /** Pixels from one row to the next. */
  rowHeight: number
}
const GAP = 8
const CAPTION = 24

export function gridOf(width: number): Grid {
  const wanted = width < 600 ? 116 : 168
  const columns = Math.max(2, Math.floor((width + GAP) / (wanted + GAP)))
  const side = (width - GAP * (columns - 1)) / columns
  return { columns, rowHeight: Math.round(side) + CAPTION + GAP }
}

/** Where the row begins that is at the view's upper edge: scrolling within it changes nothing that is in the page. */
export const rowAt = ({ rowHeight }: Grid, top: number): number => Math.floor(top / rowHeight) * rowHeight

export interface Rows {
  first: number
  /** The one after the last. */
  behind: number
}
export const noRows: Rows = { first: 0, behind: 0 }

/** `top`, here and below, is how far the view's upper edge is below the wall's, in pixels. */
interface View {
  /** The rows of which something can be seen while the row at the upper edge is scrolled past. */
  seen: Rows
  /** Those and a screen more on either side. */
  around: Rows
}
function viewOf({ columns, rowHeight }: Grid, count: number, top: number, height: number): View {
  const rows = Math.ceil(count / columns)
  const first = Math.min(Math.max(0, Math.floor(top / rowHeight)), Math.max(0, rows - 1))
  const behind = Math.min(rows, Math.max(first + 1, Math.ceil((top + height) / rowHeight) + 1))
  const screen = Math.ceil(height / rowHeight)
  return { seen: { first, behind }, around: { first: Math.max(0, first - screen), behind: Math.min(rows, behind + screen) } }
}

/** The rows to have in the page: those in view, and of those before what is still around it. */
export function rowsInPage(grid: Grid, count: number, top: number, height: number, before: Rows): Rows {
  const { seen, around } = viewOf(grid, count, top, height)
  if (before.behind < seen.first || before.first > seen.behind) return seen
  return {
    first: Math.min(seen.first, Math.max(before.first, around.first)),
    behind: Math.max(seen.behind, Math.min(before.behind, around.behind)),
  }
}

/** One row more around the view, below it first; null if all are in the page. */
export function oneRowMore(grid: Grid, count: number, top: number, height: number, { first, behind }: Rows): Rows | null {
  const { around } = viewOf(grid, count, top, height)
  if (behind < around.behind) return { first, behind: behind + 1 }
  return first > around.first ? { first: first - 1, behind } : null
}

export interface Shown {
  /** The first thumbnail in the page, and the one after the last. */
  from: number
  to: number
  /** Pixels of the rows that are not in the page. */
  above: number
  below: number
}

export const shownOf = ({ columns, rowHeight }: Grid, count: number, { first, behind }: Rows): Shown => ({
  from: first * columns,
  to: Math.min(count, behind * columns),
  above: first * rowHeight,
  below: (Math.ceil(count / columns) - behind) * rowHeight,
})

/** Whether the end of what is loaded is near the view. */
export const isNearEnd = ({ columns, rowHeight }: Grid, count: number, top: number, height: number): boolean =>
  Math.ceil(count / columns) * rowHeight < top + 3 * height

/** The place that an arrow key leads to; null where it leads nowhere. */
export function placeAfter(key: string, at: number, columns: number, count: number): number | null {
  const to = { ArrowLeft: at - 1, ArrowRight: at + 1, ArrowUp: at - columns, ArrowDown: at + columns, Home: 0, End: count - 1 }[key]
  return to === undefined || to < 0 || to >= count ? null : to
}
