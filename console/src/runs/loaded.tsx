/** What a page has asked of the API: once, or again and again while it changes. */
import type { ComponentChildren } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { ago, Button, EmptyState, Spinner, when } from '../ui'

export interface Loaded<T> {
  value: T | null
  /** What went wrong when it was last asked; the value of before stays. */
  error: string
  again: () => void
}

/** An error in words that a reader of a page can act on. */
export const problem = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** Asks when `subject` changes, and again after `every(value)` seconds unless that is null. */
export function useLoaded<T>(
  load: () => Promise<T>,
  subject: string,
  every: (value: T) => number | null = () => null,
): Loaded<T> {
  const [state, setState] = useState<{ value: T | null; error: string }>({ value: null, error: '' })
  const [round, setRound] = useState(0)
  const asked = useRef(subject)
  useEffect(() => {
    let timer = 0
    let current = true
    if (asked.current !== subject) {
      asked.current = subject
      setState({ value: null, error: '' })
    }
    const next = (seconds: number | null) => {
      if (seconds !== null) timer = window.setTimeout(ask, seconds * 1000)
    }
    let last: T | null = null
    function ask() {
      if (document.visibilityState !== 'visible') return next(2)
      load().then(
        (value) => {
          if (!current) return
          last = value
          setState({ value, error: '' })
          next(every(value))
        },
        (error: unknown) => {
          if (!current) return
          setState((before) => ({ ...before, error: problem(error) }))
          next(last === null ? null : every(last))
        },
      )
    }
    ask()
    return () => {
      current = false
      clearTimeout(timer)
    }
  }, [subject, round])
  return { ...state, again: () => setRound((before) => before + 1) }
}

interface WhenLoadedProps<T> {
  of: Loaded<T>
  label: string
  children: (value: T) => ComponentChildren
}

/** The value; until it is there, that it is being asked for or why it did not come. */
export function WhenLoaded<T>({ of, label, children }: WhenLoadedProps<T>) {
  if (of.value === null && of.error === '') return <Spinner label={label} />
  if (of.value === null) {
    return (
      <EmptyState title="This could not be loaded" action={<Button onClick={of.again}>Try again</Button>}>
        {of.error}
      </EmptyState>
    )
  }
  return (
    <>
      {of.error && (
        <p class="runs-stale" role="alert">
          {of.error} What you see is what was known before.
        </p>
      )}
      {children(of.value)}
    </>
  )
}

/** How long ago; the exact time is its title. */
export function Time({ of }: { of: string | null | undefined }) {
  if (!of) return <span>{'\u2013'}</span>
  return (
    <time dateTime={of} title={when(of)}>
      {ago(of)}
    </time>
  )
}
