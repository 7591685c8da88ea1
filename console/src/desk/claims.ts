/** The tasks claimed for this reviewer: the one on the desk and the next ones, with their images decoded. */
import { effect, signal } from '@preact/signals'
import { ApiError, claimTasks, getTask, releaseClaim, releaseOnLeaving, renewClaim, type Task } from '../api'
import { currentToken, onSignOut } from '../auth'
import { unsentTasks, dropUnsent, dropOldUnsent } from './unsent'
import { isFinal } from './outbox'
import { Tabs } from './tabs'

export interface Ready {
  task: Task
  image: HTMLImageElement
  /** Resolves when the image can be painted at once; rejects when it cannot be read. */
  decoded: Promise<void>
}
const CLAIMED_AHEAD = 3
const RENEW_INTERVAL_MS = 20_000

export function preload(task: Task): Ready {
  const image = new Image()
  image.alt = ''
  image.draggable = false
  image.decoding = 'sync'
  image.src = task.url
  const decoded = image.decode()
  decoded.catch(() => undefined)
  return { task, image, decoded }
}

async function releaseAll(tasks: Task[]): Promise<void> {
  await Promise.allSettled(tasks.map(releaseClaim))
}

/** The task is finished or gone: what was not sent need not be kept. */
const isOver = (error: ApiError): boolean => [404, 410].includes(error.status) || error.code === 'already_done'

/** The first task is on the desk. */
export const claimed = signal<Ready[]>([])
/** 'empty': the API has no task for this reviewer. */
export const supply = signal<'loading' | 'empty' | 'ready' | 'failed'>('loading')
export const supplyError = signal('')

export class Claims {
  private filling = false
  private fillAgain = false
  private closed = true
  private ended = false
  private timer: ReturnType<typeof setInterval> | undefined
  private readonly finished = new Set<string>()
  private readonly tabs: Tabs
  private readonly cleanups: (() => void)[] = []

  /**
   * `onLost` is called with the reason when a task that the person has seen or begun is gone; `sending`
   * returns the tasks whose answers have not arrived yet.
   */
  constructor(
    private readonly sub: string,
    private readonly onLost: (why: string, begun: boolean) => void,
    private readonly sending: () => string[],
  ) {
    this.tabs = new Tabs(sub)
  }

  async open(): Promise<void> {
    dropOldUnsent()
    this.cleanups.push(
      effect(() => this.holdAll()),
      onSignOut(() => this.stop()),
    )
    await this.tabs.alone(() => this.resumeUnsent())
    if (this.ended) return
    this.closed = false
    this.timer = setInterval(() => void this.renew(), RENEW_INTERVAL_MS)
    window.addEventListener('pagehide', this.onPageHide)
    document.addEventListener('visibilitychange', this.onVisibility)
    await this.fill()
  }

  close(): void {
    void this.stop()
    for (const cleanup of this.cleanups) cleanup()
  }

  /** Releases what is claimed and not begun, and claims no more. */
  private stop(): Promise<void> {
    this.ended = true
    this.closed = true
    clearInterval(this.timer)
    window.removeEventListener('pagehide', this.onPageHide)
    document.removeEventListener('visibilitychange', this.onVisibility)
    const withoutUnsent = this.withoutUnsent()
    claimed.value = []
    supply.value = 'loading'
    return releaseAll(withoutUnsent)
  }

  private readonly holdAll = (): void => this.tabs.keep(claimed.value.map(({ task }) => task.id))

  private async resumeUnsent(): Promise<void> {
    const elsewhere = new Set([...this.sending(), ...(await this.tabs.tasks())])
    const begun = unsentTasks(this.sub).filter((task) => !elsewhere.has(task))
    await Promise.all(begun.map((task) => this.resume(task)))
  }

  /** A task that was begun before a reload or a new sign-in comes first, if its claim can be renewed. */
  private async resume(id: string): Promise<void> {
    try {
      const { until } = await renewClaim(id)
      const task = await getTask(id)
      if (!this.ended) this.add([{ ...task, until }])
    } catch (error) {
      if (isFinal(error) && isOver(error)) dropUnsent(this.sub, id)
    }
  }

  private add(tasks: Task[]): void {
    const held = new Set(claimed.value.map(({ task }) => task.id))
    const fresh = tasks.filter(({ id }) => !held.has(id) && !this.finished.has(id))
    claimed.value = [...claimed.value, ...fresh.map(preload)]
    if (claimed.value.length > 0) supply.value = 'ready'
  }

  /** Claims until three are held beside the one on the desk; not before those that were begun are resumed. */
  async fill(): Promise<void> {
    this.fillAgain = true
    if (this.filling || this.closed) return
    this.filling = true
    try {
      while (this.fillAgain && !this.closed) {
        this.fillAgain = false
        await this.tabs.alone(() => this.claimMore())
      }
    } finally {
      this.filling = false
    }
  }

  private async claimMore(): Promise<void> {
    if (this.closed) return
    const missing = CLAIMED_AHEAD + 1 - claimed.value.length
    if (missing <= 0) return
    if (claimed.value.length === 0) supply.value = 'loading'
    try {
      const shown = claimed.value.map(({ task }) => task.id)
      const others = await this.tabs.tasks()
      const held = [...new Set([...shown, ...others, ...this.sending(), ...[...this.finished].slice(-20)])]
      const { tasks } = await claimTasks(missing, held)
      // The desk was left in the meantime: other reviewers can have them.
      if (this.closed) return await releaseAll(tasks)
      this.add(tasks)
      if (claimed.value.length === 0) supply.value = 'empty'
    } catch (error) {
      supplyError.value = error instanceof Error ? error.message : String(error)
      if (claimed.value.length === 0) supply.value = 'failed'
    }
  }

  /** Removes the first task; the next is there at once. */
  next(): void {
    const [first, ...rest] = claimed.value
    if (first) this.finished.add(first.task.id)
    claimed.value = rest
    if (rest.length === 0) supply.value = 'loading'
    void this.fill()
  }

  /** Claims what was skipped before, too: it was taken back. */
  async fillWithSkipped(): Promise<void> {
    this.finished.clear()
    await this.fill()
  }

  private async renew(): Promise<void> {
    if (document.visibilityState !== 'visible') return
    for (const { task } of claimed.value) {
      try {
        const { until } = await renewClaim(task.id)
        task.until = until
      } catch (error) {
        if (isFinal(error)) this.drop(task.id, error)
      }
    }
    await this.refreshAddresses()
    await this.fill()
  }

  /** An image that has not been read yet needs an address that has not expired. */
  private async refreshAddresses(): Promise<void> {
    for (const ready of claimed.value) {
      if (ready.image.complete || Date.parse(ready.task.url_expires_at) > Date.now()) continue
      const task = await getTask(ready.task.id).catch(() => null)
      if (task) claimed.value = claimed.value.map((other) => (other === ready ? preload(task) : other))
    }
  }

  /** Reads an image once more, with a new address. */
  async retry(id: string): Promise<void> {
    const task = await getTask(id)
    claimed.value = claimed.value.map((other) => (other.task.id === id ? preload(task) : other))
  }

  /** A task that the person has neither seen nor begun is dropped without a message. */
  private drop(id: string, error: ApiError): void {
    const at = claimed.value.findIndex(({ task }) => task.id === id)
    if (at === -1) return
    const begun = unsentTasks(this.sub).includes(id)
    if (isOver(error)) dropUnsent(this.sub, id)
    claimed.value = claimed.value.filter(({ task }) => task.id !== id)
    if (at === 0 || begun) this.onLost(error.message, begun)
  }

  private readonly onVisibility = (): void => {
    if (document.visibilityState !== 'visible') return
    this.holdAll()
    void this.renew()
  }

  private readonly onPageHide = (): void => {
    releaseOnLeaving(this.withoutUnsent(), currentToken())
    this.tabs.keep([])
  }

  /** A task that was begun stays claimed until its claim expires, so that the person can come back to it. */
  private withoutUnsent(): Task[] {
    const begun = new Set(unsentTasks(this.sub))
    return claimed.value.map(({ task }) => task).filter(({ id }) => !begun.has(id))
  }
}
