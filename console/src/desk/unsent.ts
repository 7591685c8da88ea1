/** Unsent boxes and labels, kept in the browser's storage by person and task, so that a reload restores them. */
import type { DeskBox } from './boxes'

/** `labels` is used by classification, `boxes` by detection. */
export interface Draft {
  boxes: DeskBox[]
  labels: string[]
}
const prefix = 'labelloop.draft.'
const slot = (sub: string, task: string) => `${prefix}${sub}.${task}`

/** Older drafts are deleted: their tasks have been answered by then. */
const MAX_AGE_MS = 7 * 24 * 3600 * 1000

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

/** Deletes old drafts of all people: some never sign in here again. */
export function dropOldDrafts(now = Date.now()): void {
  for (const key of keys(prefix)) {
    if (now - (read(key)?.savedAt ?? 0) > MAX_AGE_MS) localStorage.removeItem(key)
  }
}
export function draftedTasks(sub: string): string[] {
  const own = slot(sub, '')
  return keys(own).map((key) => key.slice(own.length))
}
