/** Which tab of the browser has which of a person's tasks: one lock per task, released when the tab closes. */
export class Tabs {
  private readonly held = new Map<string, () => void>()
  private readonly prefix: string

  constructor(private readonly sub: string) {
    this.prefix = `labelloop.task.${sub}.`
  }

  /** Runs `act` while no other tab claims, so that no two tabs get the same tasks. */
  alone<T>(act: () => Promise<T>): Promise<T> {
    return navigator.locks.request(`labelloop.claim.${this.sub}`, act) as Promise<T>
  }

  /** The tasks on the desks of all tabs. */
  async tasks(): Promise<string[]> {
    const { held = [] } = await navigator.locks.query()
    const names = held.map(({ name = '' }) => name).filter((name) => name.startsWith(this.prefix))
    return names.map((name) => name.slice(this.prefix.length))
  }

  /** Sets the tasks on this tab's desk. */
  keep(tasks: string[]): void {
    for (const [task, release] of this.held) {
      if (tasks.includes(task)) continue
      release()
      this.held.delete(task)
    }
    for (const task of tasks) {
      if (!this.held.has(task)) this.held.set(task, this.hold(task))
    }
  }

  private hold(task: string): () => void {
    let release = (): void => undefined
    const released = new Promise<void>((resolve) => {
      release = resolve
    })
    void navigator.locks.request(this.prefix + task, { ifAvailable: true }, () => released)
    return release
  }
}
