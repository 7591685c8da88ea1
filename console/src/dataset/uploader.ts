/** Sends files, some at once; what breaks off is tried again until the connection is back. */
import { signal } from '@preact/signals'
import { ApiError, completeUpload, getMissingParts, OfflineError, planUploads, type PlannedFile, type PlannedUpload } from '../api'
import { problem } from '../runs/loaded'
import { sendFile } from '../tryit/send'
import { fingerprint, haveAnnotations, isImage, plannedOf, remember, remembered, type Labelling, type UploadFile } from './uploading'

const PLANNED_AT_ONCE = 20
const SENT_AT_ONCE = 4
const ATTEMPTS = 5
const MAX_WAIT_MS = 30_000

export const files = signal<UploadFile[]>([])
export const running = signal(false)
/** Whether it waits for the connection to come back. */
export const offline = signal(false)

let stopper = new AbortController()

/** A file has changed: shown with the next frame, as progress comes more often than that. */
let drawing = false
function changed(): void {
  if (drawing) return
  drawing = true
  requestAnimationFrame(() => {
    drawing = false
    files.value = [...files.value]
  })
}

export function choose(chosen: UploadFile[]): void {
  files.value = chosen
}

export function stop(): void {
  stopper.abort()
}

export async function start(labelling: Labelling): Promise<void> {
  if (running.value) return
  running.value = true
  stopper = new AbortController()
  for (const one of files.value) if (one.state === 'failed' || one.state === 'sending') Object.assign(one, { state: 'waiting', sent: 0, problem: '' })
  try {
    for (let part = next(); part.length > 0 && !stopper.signal.aborted; part = next()) await sendPart(part, labelling)
  } finally {
    running.value = false
    changed()
    noteLeft()
  }
}

const next = () => files.value.filter(({ state }) => state === 'waiting').slice(0, PLANNED_AT_ONCE)

function noteLeft(): void {
  const left = files.value.filter(({ state }) => state === 'waiting' || state === 'sending' || state === 'failed').length
  remember({ ...remembered(), left })
}

async function sendPart(part: UploadFile[], labelling: Labelling): Promise<void> {
  noteLeft()
  const planned: PlannedFile[] = []
  const annotated = haveAnnotations(files.value)
  for (const one of part) planned.push(plannedOf(one.name, one.file.size, isImage(one.name) ? await hashOf(one.file) : '', labelling, annotated))
  const plan = await again(() => planUploads(planned)).catch((error: unknown) => {
    for (const one of part) end(one, 'failed', problem(error))
    return null
  })
  if (!plan) return
  const waiting = part.map((one, i) => ({ one, to: plan.files[i] }))
  const worker = async () => {
    for (let each = waiting.shift(); each && !stopper.signal.aborted; each = waiting.shift()) await settle(each.one, each.to)
  }
  await Promise.all(Array.from({ length: SENT_AT_ONCE }, worker))
}

async function settle(one: UploadFile, to: PlannedUpload | undefined): Promise<void> {
  if (!to) return end(one, 'failed', 'The service did not say where to send it.')
  if (to.state === 'known') return end(one, 'known')
  if (to.state === 'refused') return end(one, 'refused', to.problem)
  one.state = 'sending'
  changed()
  try {
    if (to.state === 'send_parts') await sendParts(one, to)
    else if (to.upload) {
      const { upload } = to
      await again(() => sendFile(upload, one.file, (share) => progress(one, share * one.file.size), stopper.signal))
    }
    end(one, 'sent')
  } catch (error) {
    if (stopper.signal.aborted) end(one, 'waiting')
    else end(one, 'failed', problem(error))
  }
}

function progress(one: UploadFile, sent: number): void {
  one.sent = sent
  changed()
}

function end(one: UploadFile, state: UploadFile['state'], why = ''): void {
  Object.assign(one, { state, problem: why, sent: 0 })
  changed()
}

/** What S3 has already is not sent again, also after a reload. */
async function sendParts(one: UploadFile, { key }: PlannedUpload): Promise<void> {
  const name = fingerprint(one.name, one.file)
  const { size } = one.file
  const known = remembered().begun[name]
  let uploadId = known?.key === key ? known.uploadId : ''
  for (;;) {
    const missing = await again(() => getMissingParts(key, size, one.file.type, uploadId)).catch((error: unknown) => {
      if (error instanceof ApiError && error.code === 'gone' && uploadId) return null
      throw error
    })
    if (!missing) {
      uploadId = ''
      continue
    }
    uploadId = missing.upload_id
    note(name, { key, uploadId })
    const done = size - Math.min(size, missing.left * missing.part_bytes)
    progress(one, done)
    for (const [i, { number, url }] of missing.missing.entries()) {
      const part = one.file.slice((number - 1) * missing.part_bytes, number * missing.part_bytes)
      const before = done + i * missing.part_bytes
      await again(() =>
        sendFile({ url, method: 'PUT', headers: {} }, part, (share) => progress(one, before + share * part.size), stopper.signal),
      )
    }
    if (missing.left > missing.missing.length) continue
    await again(() => completeUpload(key, size, uploadId))
    note(name, null)
    return
  }
}

function note(name: string, upload: { key: string; uploadId: string } | null): void {
  const { begun, left } = remembered()
  const { [name]: _, ...others } = begun
  remember({ begun: upload ? { ...others, [name]: upload } : others, left })
}

/** Tries again: without a connection for as long as it takes, after other failures a few times. */
async function again<Value>(act: () => Promise<Value>): Promise<Value> {
  let failures = 0
  for (let waited = 1000; ; waited = Math.min(2 * waited, MAX_WAIT_MS)) {
    try {
      const value = await act()
      offline.value = false
      return value
    } catch (error) {
      const isOffline = error instanceof OfflineError
      const isPassing = isOffline || (error instanceof ApiError && (error.status >= 500 || error.status === 429))
      if (stopper.signal.aborted || !isPassing) throw error
      failures = isOffline ? failures : failures + 1
      if (failures >= ATTEMPTS) throw error
      offline.value = isOffline
      await connected(waited)
    }
  }
}

/** Resolves when the browser says that the connection is back, or after a while. */
function connected(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    const go = () => {
      clearTimeout(timer)
      window.removeEventListener('online', go)
      stopper.signal.removeEventListener('abort', go)
      resolve()
    }
    const timer = setTimeout(go, milliseconds)
    window.addEventListener('online', go)
    stopper.signal.addEventListener('abort', go)
  })
}

async function hashOf(file: File): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', await file.arrayBuffer()).catch(() => null)
  if (!digest) return ''
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}
