/** The tasks claimed for this reviewer: the one on the desk and those after it, their pictures decoded. */
import { effect, signal } from '@preact/signals'
import { ApiError, claimTasks, getTask, releaseClaim, releaseOnLeaving, renewClaim, type Task } from '../api'
import { tokenAtHand, whenSigningOut } from '../auth'
import { draftedTasks, dropDraft, dropOldDrafts } from './drafts'
import { isFinal } from './outbox'
import { Tabs } from './tabs'

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

async function giveBack(tasks: Task[]): Promise<void> {
  await Promise.allSettled(tasks.map(releaseClaim))
}

/** It will never come back: nothing of it needs to be kept. */
const isOver = (error: ApiError): boolean => [404, 410].includes(error.status) || error.code === 'already_done'

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
  private readonly tabs: Tabs
  private readonly undo: (() => void)[] = []

  /**
   * `lost` is told why a task that the person has seen or begun is gone; `sending` tells the tasks whose
   * answers are on their way.
   */
  constructor(
    private readonly sub: string,
    private readonly lost: (why: string, begun: boolean) => void,
    private readonly sending: () => string[],
  ) {
    this.tabs = new Tabs(sub)
  }

  async open(): Promise<void> {
    dropOldDrafts()
    this.undo.push(
      effect(() => this.holdAll()),
      whenSigningOut(() => this.give()),
    )
    await this.tabs.alone(() => this.takeUpDrafts())
    if (this.ended) return
    this.closed = false
    this.timer = setInterval(() => void this.renew(), renewEvery)
    window.addEventListener('pagehide', this.leave)
    document.addEventListener('visibilitychange', this.seen)
    await this.fill()
  }

  close(): void {
    void this.give()
    for (const undo of this.undo) undo()
  }

  /** Gives back what is claimed, and claims no more. */
  private give(): Promise<void> {
    this.ended = true
    this.closed = true
    clearInterval(this.timer)
    window.removeEventListener('pagehide', this.leave)
    document.removeEventListener('visibilitychange', this.seen)
    const untouched = this.untouched()
    claimed.value = []
    supply.value = 'asking'
    return giveBack(untouched)
  }

  private readonly holdAll = (): void => this.tabs.keep(claimed.value.map(({ task }) => task.id))

  private async takeUpDrafts(): Promise<void> {
    const elsewhere = new Set([...this.sending(), ...(await this.tabs.tasks())])
    const drafted = draftedTasks(this.sub).filter((task) => !elsewhere.has(task))
    await Promise.all(drafted.map((task) => this.takeUp(task)))
  }

  /** A task that was begun before a reload or a new sign-in comes back first, if it is still ours. */
  private async takeUp(id: string): Promise<void> {
    try {
      const { until } = await renewClaim(id)
      const task = await getTask(id)
      if (!this.ended) this.add([{ ...task, until }])
    } catch (error) {
      if (isFinal(error) && isOver(error)) dropDraft(this.sub, id)
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
        await this.tabs.alone(() => this.claimMore())
      }
    } finally {
      this.asking = false
    }
  }

  private async claimMore(): Promise<void> {
    if (this.closed) return
    const missing = ahead + 1 - claimed.value.length
    if (missing <= 0) return
    if (claimed.value.length === 0) supply.value = 'asking'
    try {
      const shown = claimed.value.map(({ task }) => task.id)
      const others = await this.tabs.tasks()
      const held = [...new Set([...shown, ...others, ...this.sending(), ...[...this.finished].slice(-20)])]
      const { tasks } = await claimTasks(missing, held)
      // The desk was left meanwhile: they are for whoever is next.
      if (this.closed) return await giveBack(tasks)
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
        if (isFinal(error)) this.lose(task.id, error)
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

  /** Of a task that the person has neither seen nor begun there is nothing to say. */
  private lose(id: string, error: ApiError): void {
    const at = claimed.value.findIndex(({ task }) => task.id === id)
    if (at === -1) return
    const begun = draftedTasks(this.sub).includes(id)
    if (isOver(error)) dropDraft(this.sub, id)
    claimed.value = claimed.value.filter(({ task }) => task.id !== id)
    if (at === 0 || begun) this.lost(error.message, begun)
  }

  private readonly seen = (): void => {
    if (document.visibilityState !== 'visible') return
    this.holdAll()
    void this.renew()
  }

  private readonly leave = (): void => {
    releaseOnLeaving(this.untouched(), tokenAtHand())
    this.tabs.keep([])
  }

  /** What has been begun stays claimed, until its claim expires, for whoever comes back to it. */
  private untouched(): Task[] {
    const drafts = new Set(draftedTasks(this.sub))
    return claimed.value.map(({ task }) => task).filter(({ id }) => !drafts.has(id))
  }
}
