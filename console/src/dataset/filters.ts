/** Which images the wall shows: kept in the address, so that a link leads to just these. */
export interface Filters {
  label: string
  status: string
  dataset: string
  set_by: string
  size: string
  text: string
  near: string
  /** A day, as in 2026-01-31: images that were last changed before its end. */
  day: string
}
export const noFilters: Filters = { label: '', status: '', dataset: '', set_by: '', size: '', text: '', near: '', day: '' }
const names = Object.keys(noFilters) as (keyof Filters)[]

export function filtersOf(search: string): Filters {
  const query = new URLSearchParams(search)
  const filters = { ...noFilters }
  for (const name of names) filters[name] = query.get(name) ?? ''
  return filters
}

/** The page's address with these filters. */
export function addressOf(filters: Filters): string {
  const query = new URLSearchParams()
  for (const name of names) if (filters[name]) query.set(name, filters[name])
  const text = query.toString()
  return `/dataset${text ? `?${text}` : ''}`
}

/** The same as the API takes it. */
export function queryOf(filters: Filters, cursor = ''): URLSearchParams {
  const query = new URLSearchParams()
  for (const name of names) {
    if (name === 'day' || !filters[name]) continue
    query.set(name, filters[name])
  }
  const before = endOf(filters.day)
  if (before) query.set('before', before)
  if (cursor) query.set('cursor', cursor)
  return query
}

/** The end of a day where the person is; empty of what is no day. */
function endOf(day: string): string {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(day)) return ''
  const end = new Date(`${day}T00:00:00`)
  end.setDate(end.getDate() + 1)
  return Number.isNaN(end.getTime()) ? '' : end.toISOString().replace('Z', '000Z')
}

export const isFiltered = (filters: Filters): boolean => names.some((name) => filters[name] !== '')

export const statusTexts: Record<string, string> = {
  labelled: 'Labelled',
  unlabelled: 'Unlabelled',
  conflict: 'In conflict',
  excluded: 'Excluded',
  original: 'Cut into tiles',
  uncut: 'To be cut into tiles',
}
export const datasetTexts: Record<string, string> = { TRAIN: 'Training', TEST: 'Test' }
export const setByTexts: Record<string, string> = { folder: 'A folder', annotation: 'An annotation file', person: 'A person' }
export const sizeTexts: Record<string, string> = {
  small: 'Small: up to 640 px',
  medium: 'Medium: up to 1,920 px',
  large: 'Large: over 1,920 px',
}

/** What is written below a thumbnail. */
export function captionOf({ status, labels }: { status: string; labels: string[] }): string {
  if (status === 'labelled') return labels.length > 0 ? labels.join(', ') : 'No objects'
  const state = statusTexts[status] ?? status
  return labels.length > 0 ? `${state}: ${labels.join(', ')}` : state
}
