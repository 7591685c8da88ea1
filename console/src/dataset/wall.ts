/** The images that the wall has loaded: they stay while one of them is opened, and on the way back. */
import { signal } from '@preact/signals'
import { countImages, listImages, type ImageLine, type ImagePage } from '../api'
import { problem } from '../runs/loaded'
import { addressOf, queryOf, type Filters } from './filters'

export interface Loaded {
  images: ImageLine[]
  /** For the next page; null after the last one. */
  cursor: string | null
  read: number
  searched: number | null
  byContent: boolean
}
export const noneLoaded: Loaded = { images: [], cursor: '', read: 0, searched: null, byContent: false }
/** Images that are read for a search that finds few, before the person is asked whether it goes on. */
export const READ_AT_ONCE = 10_000

export const loaded = signal<Loaded>(noneLoaded)
export const busy = signal(false)
export const error = signal('')
/** How many images there are; null while nobody knows. */
export const total = signal<{ count: number; more: boolean } | null>(null)
export const selected = signal<ReadonlyMap<string, ImageLine>>(new Map())
/** Where the page was scrolled to when an image was opened. */
export const scrolledTo = { y: 0 }

let filters: Filters | null = null
let round = 0
/** Up to how many images may be read without being asked. */
let allowance = READ_AT_ONCE

/** The pages so far with one more; an image that has moved up meanwhile is there once. */
export function withPage(before: Loaded, page: ImagePage): Loaded {
  const known = new Set(before.images.map(({ image }) => image))
  return {
    images: [...before.images, ...page.images.filter(({ image }) => !known.has(image))],
    cursor: page.cursor,
    read: before.read + page.read,
    searched: page.searched,
    byContent: page.by_content,
  }
}

/** Whether a search goes on by itself: while it has found little, it reads no more than it may. */
export const goesOn = ({ cursor, read, images }: Loaded, allowed: number): boolean =>
  cursor !== null && (read < allowed || read < 20 * images.length)

/** The address of the wall as it was shown last; empty if it was not. */
export const address = (): string => (filters ? addressOf(filters) : '')

/** Shows the images of these filters; those that are loaded already, if they are the same. */
export function show(next: Filters): void {
  if (filters && addressOf(filters) === addressOf(next)) return
  filters = next
  scrolledTo.y = 0
  reload()
}

export function reload(): void {
  round += 1
  busy.value = false
  error.value = ''
  allowance = READ_AT_ONCE
  loaded.value = noneLoaded
  total.value = null
  selected.value = new Map()
  void more()
  void count(round)
}

async function count(mine: number): Promise<void> {
  if (!filters) return
  const answer = await countImages(queryOf(filters)).catch(() => null)
  if (mine === round && answer && answer.count !== null) total.value = { count: answer.count, more: answer.more }
}

/** Loads the next page; nothing while one is being loaded, or after the last one. */
export async function more(): Promise<void> {
  const mine = round
  if (busy.value || !filters || !goesOn(loaded.value, allowance)) return
  busy.value = true
  error.value = ''
  try {
    const page = await listImages(queryOf(filters, loaded.value.cursor ?? ''))
    if (mine === round) loaded.value = withPage(loaded.value, page)
  } catch (failed) {
    if (mine === round) error.value = problem(failed)
  } finally {
    if (mine === round) busy.value = false
  }
}

/** Lets a search go on that has read as much as it may. */
export function searchOn(): void {
  allowance = loaded.value.read + READ_AT_ONCE
  void more()
}

export const isPaused = (): boolean => loaded.value.cursor !== null && !goesOn(loaded.value, allowance)

/** Shows images as they are by now, wherever they are on the wall. */
export function update(changed: ImageLine[]): void {
  const byId = new Map(changed.map((image) => [image.image, image]))
  const exchanged = (image: ImageLine) => byId.get(image.image) ?? image
  loaded.value = { ...loaded.value, images: loaded.value.images.map(exchanged) }
  selected.value = new Map([...selected.value].map(([id, image]) => [id, exchanged(image)]))
}

/** The images before and after one on the wall; empty where there is none. */
export function besides(image: string): { before: string; after: string } {
  const { images } = loaded.value
  const at = images.findIndex((other) => other.image === image)
  return { before: images[at - 1]?.image ?? '', after: at < 0 ? '' : (images[at + 1]?.image ?? '') }
}

/** Loads more where the end of the wall is near an image. */
export function loadAhead(image: string): void {
  const { images } = loaded.value
  const at = images.findIndex((other) => other.image === image)
  if (at >= 0 && at >= images.length - 5) void more()
}

/** The selection after a click on an image; all from another one on, if that is named and on the wall. */
export function selectedAfter(
  before: ReadonlyMap<string, ImageLine>,
  images: ImageLine[],
  at: number,
  from: string,
): ReadonlyMap<string, ImageLine> {
  const after = new Map(before)
  const clicked = images[at]
  if (!clicked) return before
  const on = !before.has(clicked.image)
  const other = images.findIndex(({ image }) => image === from)
  const [first, last] = other < 0 ? [at, at] : [Math.min(at, other), Math.max(at, other)]
  for (const image of images.slice(first, last + 1)) {
    if (on) after.set(image.image, image)
    else after.delete(image.image)
  }
  return after
}
