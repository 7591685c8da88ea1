/** Data that a page loads from the API, once or at intervals. */
import type { ComponentChildren } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { ApiError } from '../api'
import { ago, asSentence, Button, EmptyState, Prose, Spinner, toast, when } from '../ui'

export interface Loaded<T> {
  value: T | null
  /** What went wrong the last time; the value loaded before stays. */
  error: string
  /** There is nothing to load: not a failure, as where no run has ended yet. */
  missing: boolean
  reload: () => void
}

/** The message of an error. */
export const problem = (error: unknown): string => (error instanceof Error ? error.message : String(error))

const isMissing = (error: unknown): boolean => error instanceof ApiError && error.status === 404

interface State<T> {
  value: T | null
  error: string
  missing: boolean
}
const nothingYet = { value: null, error: '', missing: false }

/** Loads when `subject` changes, and again after `every(value)` seconds unless that is null. */
export function useLoaded<T>(
  load: () => Promise<T>,
  subject: string,
  every: (value: T) => number | null = () => null,
): Loaded<T> {
  const [state, setState] = useState<State<T>>(nothingYet)
  const [round, setRound] = useState(0)
  const loadedSubject = useRef(subject)
  useEffect(() => {
    let timer = 0
    let current = true
    if (loadedSubject.current !== subject) {
      loadedSubject.current = subject
      setState(nothingYet)
    }
    const next = (seconds: number | null) => {
      if (seconds !== null) timer = window.setTimeout(request, seconds * 1000)
    }
    let last: T | null = null
    function request() {
      if (document.visibilityState !== 'visible') return next(2)
      load().then(
        (value) => {
          if (!current) return
          last = value
          setState({ value, error: '', missing: false })
          next(every(value))
        },
        (error: unknown) => {
          if (!current) return
          setState((before) => ({ ...before, error: problem(error), missing: isMissing(error) }))
          next(last === null ? null : every(last))
        },
      )
    }
    request()
    return () => {
      current = false
      clearTimeout(timer)
    }
  }, [subject, round])
  return { ...state, reload: () => setRound((before) => before + 1) }
}

interface WhenLoadedProps<T> {
  of: Loaded<T>
  label: string
  children: (value: T) => ComponentChildren
}

/** Shows the value; before it is there a spinner, or the error. */
export function WhenLoaded<T>({ of, label, children }: WhenLoadedProps<T>) {
  if (of.value === null && of.error === '') return <Spinner label={label} />
  if (of.value === null) {
    return (
      <EmptyState title={of.missing ? 'Nothing to show' : 'Loading failed'} action={<Button onClick={of.reload}>Try again</Button>}>
        <Prose of={asSentence(of.error)} />
      </EmptyState>
    )
  }
  return (
    <>
      {of.error && (
        <p class="runs-stale" role="alert">
          <Prose of={asSentence(of.error)} /> The page shows what was loaded before.
        </p>
      )}
      {children(of.value)}
    </>
  )
}

/** What stands for a part that could not be read, where the others could. */
export function Unread({ what }: { what: string }) {
  return <p class="runs-stale">{what} could not be read just now. Nothing is lost: look again in a minute.</p>
}

/** The date and time of something to come, or of a record. */
export const Moment = ({ of }: { of: string }) => <time dateTime={of}>{when(of)}</time>

/** How long ago; the exact time is its title. */
export function Time({ of }: { of: string | null | undefined }) {
  if (!of) return <span>{'\u2013'}</span>
  return (
    <time dateTime={of} title={when(of)}>
      {ago(of)}
    </time>
  )
}

/** The pages of a list so far, and what loads the next one; null where there is none. */
export function usePages<Page extends { next?: number | null }>(first: Page, load: (offset: number) => Promise<Page>) {
  const [later, setLater] = useState<Page[]>([])
  const [busy, setBusy] = useState(false)
  const pages = [first, ...later]
  const next = pages.at(-1)?.next ?? null
  function loadMore() {
    if (next === null) return
    setBusy(true)
    load(next).then(
      (page) => {
        setLater((before) => [...before, page])
        setBusy(false)
      },
      (error: unknown) => {
        toast(problem(error), 'bad')
        setBusy(false)
      },
    )
  }
  return { pages, busy, loadMore: next === null ? null : loadMore }
}
