/** What is being drawn, kept in the browser's storage by task, so that a reload gives it back. */
import type { DeskBox } from './boxes'

/** `labels` is used by classification, `boxes` by detection. */
export interface Draft {
  boxes: DeskBox[]
  labels: string[]
}
const slot = (task: string) => `labelloop.draft.${task}`

/** A draft that nobody came back to is forgotten: its task has been answered by then. */
const keptFor = 7 * 24 * 3600 * 1000

interface Stored {
  draft: Draft
  savedAt: number
}
function read(task: string): Stored | null {
  try {
    return JSON.parse(localStorage.getItem(slot(task)) ?? 'null') as Stored | null
  } catch {
    return null
  }
}

export const loadDraft = (task: string): Draft | null => read(task)?.draft ?? null

export function saveDraft(task: string, draft: Draft): void {
  const stored: Stored = { draft, savedAt: Date.now() }
  localStorage.setItem(slot(task), JSON.stringify(stored))
}
export function dropDraft(task: string): void {
  localStorage.removeItem(slot(task))
}
export function dropOldDrafts(now = Date.now()): void {
  for (const task of draftedTasks()) {
    if (now - (read(task)?.savedAt ?? 0) > keptFor) dropDraft(task)
  }
}
export function draftedTasks(): string[] {
  const prefix = slot('')
  return Object.keys(localStorage)
    .filter((key) => key.startsWith(prefix))
    .map((key) => key.slice(prefix.length))
}
