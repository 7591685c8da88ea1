/** Who is signed in: loaded from the API after sign-in, for every page. */
import { signal } from '@preact/signals'
import { getMe, type Me } from './api'
import { outboxOf } from './desk/post'

/** Null until the API has answered. */
export const me = signal<Me | null>(null)
/** Why `me` could not be loaded; empty if nothing went wrong. */
export const meError = signal('')

export const isAdministrator = (): boolean => me.value?.groups.includes('administrators') ?? false

/** Loads `me`, and starts sending the answers that this person has not sent yet. */
export function loadMe(): void {
  meError.value = ''
  getMe().then(
    (person) => {
      me.value = person
      outboxOf(person.sub)
    },
    (error: unknown) => {
      meError.value = error instanceof Error ? error.message : String(error)
    },
  )
}
