/** Renames a label part by part, since it can be on more images than one request can write. */
import type { Label } from '../api'

export interface RenamingProgress {
  searched: number
  relabelled: number
}
interface Part extends RenamingProgress {
  label: Label
  cursor: string | null
}

/** The label as it is called now. Taken again after it was interrupted, it goes on. */
export async function renameAll(
  take: (cursor: string) => Promise<Part>,
  progress: (so: RenamingProgress) => void,
): Promise<Label> {
  let part = await take('')
  const so = { searched: part.searched, relabelled: part.relabelled }
  progress({ ...so })
  while (part.cursor) {
    part = await take(part.cursor)
    so.searched += part.searched
    so.relabelled += part.relabelled
    progress({ ...so })
  }
  return part.label
}

/** What a new name does, before it is confirmed; empty while there is none. */
export function renameText(old: string, name: string, labels: Pick<Label, 'label' | 'retired'>[]): string {
  if (!name || name === old) return ''
  const other = labels.find(({ label }) => label === name)
  if (!other) return `${old} is called ${name} from now on, here and on every image that has it.`
  return `${name} exists${other.retired ? ', retired, and is restored' : ''}: the two become one, and every image that has ${old} gets ${name}. Which had which cannot be told apart afterwards, but by each image's history.`
}
