/** What somebody draws, kept in the browser's storage by person and task, so that a reload gives it back. */
import type { DeskBox } from './boxes'

/** `labels` is used by classification, `boxes` by detection. */
export interface Draft {
  boxes: DeskBox[]
  labels: string[]
}
const prefix = 'labelloop.draft.'
const slot = (sub: string, task: string) => `${prefix}${sub}.${task}`

/** A draft that nobody came back to is forgotten: its task has been answered by then. */
const keptFor = 7 * 24 * 3600 * 1000

interface Stored {
  draft: Draft
  savedAt: number
}
function read(key: string): Stored | null {
  try {
    return JSON.parse(localStorage.getItem(key) ?? 'null') as Stored | null
  } catch {
    return null
  }
}

export const loadDraft = (sub: string, task: string): Draft | null => read(slot(sub, task))?.draft ?? null

export function saveDraft(sub: string, task: string, draft: Draft): void {
  const stored: Stored = { draft, savedAt: Date.now() }
  localStorage.setItem(slot(sub, task), JSON.stringify(stored))
}
export function dropDraft(sub: string, task: string): void {
  localStorage.removeItem(slot(sub, task))
}

const keys = (start: string) => Object.keys(localStorage).filter((key) => key.startsWith(start))

/** Everybody's: who has left may never sign in here again. */
export function dropOldDrafts(now = Date.now()): void {
  for (const key of keys(prefix)) {
    if (now - (read(key)?.savedAt ?? 0) > keptFor) localStorage.removeItem(key)
  }
}
export function draftedTasks(sub: string): string[] {
  const own = slot(sub, '')
  return keys(own).map((key) => key.slice(own.length))
}
