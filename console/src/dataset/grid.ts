/** Where the thumbnails of the wall are: only those in view, and some rows around it, are in the page. */
export interface Grid {
  columns: number
  /** Pixels from one row to the next. */
  rowHeight: number
}
const GAP = 8
const CAPTION = 24
/** Rows above and below the view. */
const AROUND = 3

export function gridOf(width: number): Grid {
  const wanted = width < 600 ? 116 : 168
  const columns = Math.max(2, Math.floor((width + GAP) / (wanted + GAP)))
  const side = (width - GAP * (columns - 1)) / columns
  return { columns, rowHeight: Math.round(side) + CAPTION + GAP }
}

/** Where the row begins that is at the view's upper edge: scrolling within it changes nothing that is in the page. */
export const rowAt = ({ rowHeight }: Grid, top: number): number => Math.floor(top / rowHeight) * rowHeight

export interface Shown {
  /** The first thumbnail in the page, and the one after the last. */
  from: number
  to: number
  /** Pixels of the rows that are not in the page. */
  above: number
  below: number
}

/** `top` is how far the view's upper edge is below the wall's, in pixels. */
export function shownOf({ columns, rowHeight }: Grid, count: number, top: number, height: number): Shown {
  const rows = Math.ceil(count / columns)
  const first = Math.min(Math.max(0, Math.floor(top / rowHeight) - AROUND), Math.max(0, rows - 1))
  const behind = Math.min(rows, Math.max(first, Math.ceil((top + height) / rowHeight) + AROUND))
  return {
    from: first * columns,
    to: Math.min(count, behind * columns),
    above: first * rowHeight,
    below: (rows - behind) * rowHeight,
  }
}

/** Whether the end of what is loaded is near the view. */
export const isNearEnd = ({ columns, rowHeight }: Grid, count: number, top: number, height: number): boolean =>
  Math.ceil(count / columns) * rowHeight < top + 3 * height

/** The place that an arrow key leads to; null where it leads nowhere. */
export function placeAfter(key: string, at: number, columns: number, count: number): number | null {
  const to = { ArrowLeft: at - 1, ArrowRight: at + 1, ArrowUp: at - columns, ArrowDown: at + columns, Home: 0, End: count - 1 }[key]
  return to === undefined || to < 0 || to >= count ? null : to
}
