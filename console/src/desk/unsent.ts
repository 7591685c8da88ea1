/** Unsent boxes and labels, kept in the browser's storage by person and task, so that a reload restores them. */
import type { DeskBox } from './boxes'

/** `labels` is used by classification, `boxes` by detection. */
export interface Unsent {
  boxes: DeskBox[]
  labels: string[]
}
/** As versions before this one wrote it, and `draft` in what is stored: what they kept is found. */
const prefix = 'labelloop.draft.'
const slot = (sub: string, task: string) => `${prefix}${sub}.${task}`

/** Older ones are deleted: their tasks have been answered by then. */
const MAX_AGE_MS = 7 * 24 * 3600 * 1000

interface Stored {
  draft: Unsent
  savedAt: number
}
function read(key: string): Stored | null {
  try {
    return JSON.parse(localStorage.getItem(key) ?? 'null') as Stored | null
  } catch {
    return null
  }
}

export const loadUnsent = (sub: string, task: string): Unsent | null => read(slot(sub, task))?.draft ?? null

export function saveUnsent(sub: string, task: string, unsent: Unsent): void {
  const stored: Stored = { draft: unsent, savedAt: Date.now() }
  localStorage.setItem(slot(sub, task), JSON.stringify(stored))
}
export function dropUnsent(sub: string, task: string): void {
  localStorage.removeItem(slot(sub, task))
}

const keys = (start: string) => Object.keys(localStorage).filter((key) => key.startsWith(start))

/** Deletes what is old, of all people: some never sign in here again. */
export function dropOldUnsent(now = Date.now()): void {
  for (const key of keys(prefix)) {
    if (now - (read(key)?.savedAt ?? 0) > MAX_AGE_MS) localStorage.removeItem(key)
  }
}
export function unsentTasks(sub: string): string[] {
  const own = slot(sub, '')
  return keys(own).map((key) => key.slice(own.length))
}
