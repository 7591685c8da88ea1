/** Files on their way: what is hashed, asked for and sent, what is skipped, and what is known of it after a reload. */
import type { PlannedFile } from '../api'

export type UploadState = 'waiting' | 'sending' | 'sent' | 'known' | 'refused' | 'failed'
export interface UploadFile {
  file: File
  /** With the folders that it was chosen with. */
  name: string
  state: UploadState
  /** Bytes that have arrived. */
  sent: number
  problem: string
}
export type Labelling = { by: 'none' } | { by: 'folder' } | { by: 'one'; label: string }

const ANNOTATIONS = /\.(json|jsonl|manifest|csv|tsv|xml|txt)$/i
const IMAGES = /\.(jpe?g|png)$/i
export const isImage = (name: string): boolean => IMAGES.test(name)

/** What an operating system leaves in folders, and nobody means to upload. */
const isLitter = (name: string): boolean => /(^|\/)(\.|Thumbs\.db$|desktop\.ini$)/i.test(name)

/** Files to upload: annotations first, so that nobody is asked about images whose labels are on their way. */
export function chosenFiles(files: { file: File; name: string }[]): UploadFile[] {
  const meant = files.filter(({ name }) => !isLitter(name))
  const order = ({ name }: { name: string }) => (isImage(name) ? 1 : 0)
  return meant
    .sort((a, b) => order(a) - order(b) || a.name.localeCompare(b.name))
    .map(({ file, name }) => ({ file, name, state: 'waiting', sent: 0, problem: '' }))
}

/** The label that a file gets; of its folder, that is the innermost. */
export function labelOf(name: string, labelling: Labelling): string {
  if (!isImage(name) || labelling.by === 'none') return ''
  return labelling.by === 'one' ? labelling.label : (name.split('/').at(-2) ?? '')
}

/** What becomes the key; a folder that names the label is not named twice. */
export function nameOf(name: string, labelling: Labelling): string {
  if (!isImage(name) || labelling.by !== 'folder') return name
  const parts = name.split('/')
  return [...parts.slice(0, -2), ...parts.slice(-1)].join('/')
}

export const typeOf = (name: string): string =>
  /\.png$/i.test(name) ? 'image/png' : IMAGES.test(name) ? 'image/jpeg' : ANNOTATIONS.test(name) ? 'text/plain' : 'application/octet-stream'

/** Whether annotation files are among them, which may name the images. */
export const haveAnnotations = (files: UploadFile[]): boolean => files.some(({ name }) => ANNOTATIONS.test(name))

export const plannedOf = (name: string, size: number, sha256: string, labelling: Labelling, annotated: boolean): PlannedFile => ({
  name: nameOf(name, labelling),
  size,
  content_type: typeOf(name),
  sha256,
  label: labelOf(name, labelling),
  annotated,
})

export interface Sums {
  files: number
  bytes: number
  sentBytes: number
  sent: number
  known: number
  refused: number
  failed: number
  left: number
}
export function sumsOf(files: UploadFile[]): Sums {
  const sums: Sums = { files: files.length, bytes: 0, sentBytes: 0, sent: 0, known: 0, refused: 0, failed: 0, left: 0 }
  for (const { file, state, sent } of files) {
    sums.bytes += file.size
    const isOver = state === 'sent' || state === 'known' || state === 'refused'
    sums.sentBytes += isOver ? file.size : sent
    if (state === 'waiting' || state === 'sending') sums.left += 1
    else sums[state] += 1
  }
  return sums
}

export function sumsText({ files, sent, known, refused, failed }: Sums): string {
  const parts = [
    `${sent} of ${files} ${files === 1 ? 'file' : 'files'} uploaded`,
    known > 0 && `${known} already in the dataset`,
    refused > 0 && `${refused} not taken`,
    failed > 0 && `${failed} failed`,
  ]
  return `${parts.filter(Boolean).join(', ')}.`
}

/** Large files that are being sent in parts, by what a file is known by after a reload: its upload's key and id. */
export interface Begun {
  key: string
  uploadId: string
}
export interface Memory {
  begun: Record<string, Begun>
  /** Files that are not uploaded yet. */
  left: number
}
const SLOT = 'labelloop.upload'
export const fingerprint = (name: string, { size, lastModified }: File): string => `${name}|${size}|${lastModified}`

export function remembered(storage: Pick<Storage, 'getItem'> = localStorage): Memory {
  try {
    const memory = JSON.parse(storage.getItem(SLOT) ?? '') as Memory
    return { begun: memory.begun ?? {}, left: Number(memory.left) || 0 }
  } catch {
    return { begun: {}, left: 0 }
  }
}

export function remember(memory: Memory, storage: Pick<Storage, 'setItem' | 'removeItem'> = localStorage): void {
  try {
    if (memory.left === 0 && Object.keys(memory.begun).length === 0) storage.removeItem(SLOT)
    else storage.setItem(SLOT, JSON.stringify(memory))
  } catch {
    // Without room a file is sent again from its beginning.
  }
}
