/** Of a browser as much as the desk's storage and tabs need. */
export class FakeStorage {
  getItem = (key: string): string | null => (this as unknown as Record<string, string>)[key] ?? null
  setItem = (key: string, value: string): void => void Object.assign(this, { [key]: value })
  removeItem = (key: string): void => void delete (this as unknown as Record<string, string>)[key]
  constructor() {
    // Like a browser's, it lists its keys and nothing else.
    for (const name of ['getItem', 'setItem', 'removeItem']) Object.defineProperty(this, name, { enumerable: false })
  }
}

/** Exclusive locks, which the tabs of a browser share: https://www.w3.org/TR/web-locks/ */
export class FakeLocks {
  private readonly queues = new Map<string, Promise<unknown>>()
  private readonly names: string[] = []

  request(name: string, ...rest: unknown[]): Promise<unknown> {
    const act = rest.at(-1) as () => unknown
    const turn = (this.queues.get(name) ?? Promise.resolve()).then(async () => {
      this.names.push(name)
      try {
        return await act()
      } finally {
        this.names.splice(this.names.indexOf(name), 1)
      }
    })
    this.queues.set(name, turn.catch(() => undefined))
    return turn
  }
  query = () => Promise.resolve({ held: this.names.map((name) => ({ name })) })
}
