/** Requests that depend on one another: each is made once the one before it has ended, well or not. */

let last: Promise<unknown> = Promise.resolve()
let unsent = 0
const askFirst = (event: BeforeUnloadEvent): void => event.preventDefault()

/** Makes the request after all those that were given before. */
export function inTurn<T>(request: () => Promise<T>): Promise<T> {
  const mine = last.then(request)
  last = mine.catch(() => undefined)
  return mine
}

/** The same for a request that keeps something: until it has ended, the browser asks before the tab is closed. */
export function sendInTurn<T>(request: () => Promise<T>): Promise<T> {
  unsent += 1
  if (unsent === 1) window.addEventListener('beforeunload', askFirst)
  return inTurn(request).finally(() => {
    unsent -= 1
    if (unsent === 0) window.removeEventListener('beforeunload', askFirst)
  })
}
