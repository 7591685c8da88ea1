/**
 * Answers on their way to the API. They stay in the browser's storage until the API has accepted them, so
 * a dropped connection, a reload or an expired sign-in loses none; there is one for each person and task.
 */
import { signal } from '@preact/signals'
import { answerTask, ApiError, skipTask, type AnswerBody } from '../api'
import { SignedOutError } from '../auth'

export type Delivery = { task: string; sub: string } & ({ answer: AnswerBody } | { skip: string })

/** The number of answers that have not been sent yet. */
export const waiting = signal(0)
const slot = 'labelloop.outbox'
const MAX_BACKOFF_MS = 60_000

function read(): Delivery[] {
  try {
    return JSON.parse(localStorage.getItem(slot) ?? '[]') as Delivery[]
  } catch {
    return []
  }
}
function write(entries: Delivery[]): void {
  localStorage.setItem(slot, JSON.stringify(entries))
}

/** The milliseconds before retry number `attempt` (0, 1, ...): doubled each time, up to a minute. */
export const backoff = (attempt: number): number => Math.min(1000 * 2 ** attempt, MAX_BACKOFF_MS)

/** An error that no retry will change: the task is somebody else's, finished, gone, or the answer is wrong. */
export const isFinal = (error: unknown): error is ApiError =>
  error instanceof ApiError && error.status >= 400 && error.status < 500 && ![401, 408, 429].includes(error.status)

const isSame = (a: Delivery, b: Delivery): boolean => a.task === b.task && a.sub === b.sub

const deliver = (entry: Delivery): Promise<unknown> =>
  'answer' in entry ? answerTask(entry.task, entry.answer) : skipTask(entry.task, entry.skip)

interface Listener {
  /** The API has accepted it. */
  sent: (entry: Delivery) => void
  /** The API will never accept it; shown to the person before it is dropped. */
  rejected: (entry: Delivery, error: ApiError) => void
}

export class Outbox {
  private attempt = 0
  private timer: ReturnType<typeof setTimeout> | undefined
  private sending = false
  private flushAgain = false

  constructor(
    private readonly sub: string,
    private readonly listener: Listener,
  ) {}

  private mine(): Delivery[] {
    return read().filter((entry) => entry.sub === this.sub)
  }

  start(): void {
    waiting.value = this.mine().length
    window.addEventListener('online', this.now)
    void this.flush()
  }

  stop(): void {
    window.removeEventListener('online', this.now)
    clearTimeout(this.timer)
  }

  /** The tasks whose answers have not arrived yet. */
  tasks(): string[] {
    return this.mine().map(({ task }) => task)
  }

  put(entry: Delivery): void {
    write([...read().filter((other) => !isSame(other, entry)), entry])
    waiting.value = this.mine().length
    void this.flush()
  }

  /** Not what has taken its place meanwhile: a correction of an answer that was on its way. */
  private remove(entry: Delivery): void {
    const sent = JSON.stringify(entry)
    write(read().filter((other) => JSON.stringify(other) !== sent))
    waiting.value = this.mine().length
  }

  /** Tries again at once: the connection or the sign-in is back. */
  readonly now = (): void => {
    this.attempt = 0
    clearTimeout(this.timer)
    void this.flush()
  }

  private async flush(): Promise<void> {
    this.flushAgain = this.sending
    if (this.sending) return
    this.sending = true
    try {
      // One tab at a time, so that none is sent twice.
      await navigator.locks.request(slot, () => this.drain())
      this.attempt = 0
    } catch (error) {
      // Without a sign-in a retry does not help; signing in calls `now`.
      if (!(error instanceof SignedOutError)) this.later()
    } finally {
      this.sending = false
    }
    // Entries that were put during the last request.
    if (this.flushAgain) await this.flush()
  }

  private async drain(): Promise<void> {
    for (let entry = this.mine()[0]; entry; entry = this.mine()[0]) await this.send(entry)
    waiting.value = 0
  }

  private async send(entry: Delivery): Promise<void> {
    try {
      await deliver(entry)
      this.listener.sent(entry)
    } catch (error) {
      if (!isFinal(error)) throw error
      this.listener.rejected(entry, error)
    }
    this.remove(entry)
  }

  private later(): void {
    clearTimeout(this.timer)
    this.timer = setTimeout(() => void this.flush(), backoff(this.attempt))
    this.attempt += 1
  }
}
