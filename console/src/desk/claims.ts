/** The tasks claimed for this reviewer: the one on the desk and those after it, their pictures decoded. */
import { signal } from '@preact/signals'
import { claimTasks, getTask, releaseClaim, releaseOnLeaving, renewClaim, type Task } from '../api'
import { tokenAtHand } from '../auth'
import { draftedTasks, dropDraft, dropOldDrafts } from './drafts'
import { isFinal } from './outbox'

export interface Ready {
  task: Task
  image: HTMLImageElement
  /** Resolves when the picture can be painted at once; rejects when it cannot be read. */
  decoded: Promise<void>
}
const ahead = 3
const renewEvery = 20_000

function preload(task: Task): Ready {
  const image = new Image()
  image.alt = ''
  image.draggable = false
  image.decoding = 'sync'
  image.src = task.url
  const decoded = image.decode()
  decoded.catch(() => undefined)
  return { task, image, decoded }
}

function giveBack(tasks: Task[]): void {
  for (const { id } of tasks) void releaseClaim(id).catch(() => undefined)
}

/** The first is on the desk. */
export const claimed = signal<Ready[]>([])
/** 'empty': the API has no task to give. */
export const supply = signal<'asking' | 'empty' | 'ready' | 'failed'>('asking')
export const supplyError = signal('')

export class Claims {
  private asking = false
  private again = false
  private closed = true
  private ended = false
  private timer: ReturnType<typeof setInterval> | undefined
  private readonly finished = new Set<string>()

  /** `lost` is told of a task whose claim has gone to somebody else; `sending` tells whose answers are on their way. */
  constructor(
    private readonly lost: (task: Task) => void,
    private readonly sending: () => string[],
  ) {}

  async open(): Promise<void> {
    dropOldDrafts()
    const sending = new Set(this.sending())
    const drafted = draftedTasks().filter((task) => !sending.has(task))
    await Promise.all(drafted.map((task) => this.takeUp(task)))
    if (this.ended) return
    this.closed = false
    this.timer = setInterval(() => void this.renew(), renewEvery)
    window.addEventListener('pagehide', this.leave)
    document.addEventListener('visibilitychange', this.seen)
    await this.fill()
  }

  close(): void {
    this.ended = true
    this.closed = true
    clearInterval(this.timer)
    window.removeEventListener('pagehide', this.leave)
    document.removeEventListener('visibilitychange', this.seen)
    giveBack(this.untouched())
    claimed.value = []
    supply.value = 'asking'
  }

  /** A task that was begun before a reload or a new sign-in comes back first, if it is still ours. */
  private async takeUp(id: string): Promise<void> {
    try {
      const { until } = await renewClaim(id)
      const task = await getTask(id)
      if (!this.ended) this.add([{ ...task, until }])
    } catch (error) {
      // 404 and 410: it will never come back. 409: somebody else has it for now.
      if (isFinal(error) && error.status !== 409) dropDraft(id)
    }
  }

  private add(tasks: Task[]): void {
    const held = new Set(claimed.value.map(({ task }) => task.id))
    const fresh = tasks.filter(({ id }) => !held.has(id) && !this.finished.has(id))
    claimed.value = [...claimed.value, ...fresh.map(preload)]
    if (claimed.value.length > 0) supply.value = 'ready'
  }

  /** Claims until three are held beside the one on the desk; not before the drafts are taken up. */
  async fill(): Promise<void> {
    this.again = true
    if (this.asking || this.closed) return
    this.asking = true
    try {
      while (this.again && !this.closed) {
        this.again = false
        await this.claimMore()
      }
    } finally {
      this.asking = false
    }
  }

  private async claimMore(): Promise<void> {
    const missing = ahead + 1 - claimed.value.length
    if (missing <= 0) return
    if (claimed.value.length === 0) supply.value = 'asking'
    try {
      const shown = claimed.value.map(({ task }) => task.id)
      const held = [...shown, ...this.sending(), ...[...this.finished].slice(-20)]
      const { tasks } = await claimTasks(missing, held)
      // The desk was left meanwhile: they are for whoever is next.
      if (this.closed) return giveBack(tasks)
      this.add(tasks)
      if (claimed.value.length === 0) supply.value = 'empty'
    } catch (error) {
      supplyError.value = error instanceof Error ? error.message : String(error)
      if (claimed.value.length === 0) supply.value = 'failed'
    }
  }

  /** Takes the first off the desk; the next is there at once. */
  next(): void {
    const [first, ...rest] = claimed.value
    if (first) this.finished.add(first.task.id)
    claimed.value = rest
    if (rest.length === 0) supply.value = 'asking'
    void this.fill()
  }

  private async renew(): Promise<void> {
    if (document.visibilityState !== 'visible') return
    for (const { task } of claimed.value) {
      try {
        const { until } = await renewClaim(task.id)
        task.until = until
      } catch (error) {
        if (isFinal(error)) this.drop(task)
      }
    }
    await this.refreshAddresses()
    await this.fill()
  }

  /** A picture that has not been read yet needs an address that still holds. */
  private async refreshAddresses(): Promise<void> {
    for (const ready of claimed.value) {
      if (ready.image.complete || Date.parse(ready.task.url_expires_at) > Date.now()) continue
      const task = await getTask(ready.task.id).catch(() => null)
      if (task) claimed.value = claimed.value.map((other) => (other === ready ? preload(task) : other))
    }
  }

  /** Reads a picture once more, with a fresh address. */
  async retry(id: string): Promise<void> {
    const task = await getTask(id)
    claimed.value = claimed.value.map((other) => (other.task.id === id ? preload(task) : other))
  }

  private drop(task: Task): void {
    if (!claimed.value.some((other) => other.task.id === task.id)) return
    claimed.value = claimed.value.filter((other) => other.task.id !== task.id)
    this.lost(task)
  }

  private readonly seen = (): void => {
    if (document.visibilityState === 'visible') void this.renew()
  }

  private readonly leave = (): void => {
    releaseOnLeaving(this.untouched(), tokenAtHand())
  }

  /** What has been begun stays claimed, until its claim expires, for whoever comes back to it. */
  private untouched(): Task[] {
    const drafts = new Set(draftedTasks())
    return claimed.value.map(({ task }) => task).filter(({ id }) => !drafts.has(id))
  }
}
