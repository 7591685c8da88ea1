/** Labels that a version contradicts, one after the other: a key for each of the two answers. */
import { useEffect, useRef, useState } from 'preact/hooks'
import { answerSuspect, getSuspects, takeBackAnswer, type Suspect, type Suspects } from '../api'
import { Drawn, Legend } from '../evaluation/drawn'
import '../evaluation/evaluation.css'
import { search } from '../router'
import { problem, useLoaded, WhenLoaded } from '../runs/loaded'
import '../runs/runs.css'
import { Button, EmptyState, number, PageHeader, toast } from '../ui'
import { shortName } from '../versions/compare'
import { backTo, drawnOf, passed, questionOf, type Progress, type Verdict } from './checks'
import './wronglabels.css'

/** So many suspects before the end of what is loaded, more are. */
const AHEAD = 5

export default function WrongLabels() {
  const version = new URLSearchParams(search.value).get('version') ?? ''
  const loaded = useLoaded(() => getSuspects(version, 0), version)
  return (
    <div class="page">
      <PageHeader
        title="Wrong labels"
        lead="Labels of test images that a model version contradicts, the likeliest to be wrong first. What you accept is mended at once, and can be taken back."
      />
      <WhenLoaded of={loaded} label="Loading what is contradicted">
        {(first) => <Checks key={first.version} first={first} />}
      </WhenLoaded>
    </div>
  )
}

function Checks({ first }: { first: Suspects }) {
  const [progress, setProgress] = useState<Progress>({ suspects: first.suspects, at: 0, answered: [] })
  const [busy, setBusy] = useState(false)
  const next = useRef(first.next)
  const { suspects, at, answered } = progress
  const suspect = suspects[at]

  useEffect(() => {
    const offset = next.current
    if (offset === null || at < suspects.length - AHEAD) return
    next.current = null
    getSuspects(first.version, offset - answered.length).then(
      (page) => {
        next.current = page.next
        const known = new Set(suspects.map(({ id }) => id))
        setProgress((before) => ({ ...before, suspects: [...before.suspects, ...page.suspects.filter(({ id }) => !known.has(id))] }))
      },
      (error: unknown) => {
        next.current = offset
        toast(problem(error), 'bad')
      },
    )
  }, [at])

  function answer(verdict: Verdict) {
    if (!suspect || busy) return
    setBusy(true)
    answerSuspect(suspect, first.version, verdict)
      .then(
        () => setProgress((before) => passed(before, true)),
        (error: unknown) => toast(problem(error), 'bad'),
      )
      .finally(() => setBusy(false))
  }

  function takeBack() {
    const before = backTo(progress)
    const last = before && suspects[before.at]
    if (!last || busy) return
    setBusy(true)
    takeBackAnswer(last.id)
      .then(
        () => {
          setProgress(before)
          toast('Your answer is taken back.')
        },
        (error: unknown) => toast(problem(error), 'bad'),
      )
      .finally(() => setBusy(false))
  }

  useEffect(() => {
    function press(event: KeyboardEvent) {
      if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return
      const act = { a: () => answer('accepted'), r: () => answer('rejected'), z: takeBack, s: () => setProgress(passed(progress, false)) }[event.key.toLowerCase()]
      if (act) {
        event.preventDefault()
        act()
      }
    }
    window.addEventListener('keydown', press)
    return () => window.removeEventListener('keydown', press)
  })

  const undo = (
    <Button shortcut="Z" disabled={busy || answered.length === 0} onClick={takeBack}>
      Take back
    </Button>
  )
  if (!suspect)
    return (
      <EmptyState title={first.total > 0 ? 'That was all' : 'Nothing is contradicted'} action={answered.length > 0 ? undo : undefined}>
        {first.total > 0
          ? 'The next training finds what remains, with the labels as they are now.'
          : `${shortName(first.version)} contradicts no label that nobody has checked yet.`}
      </EmptyState>
    )
  return (
    <section aria-label="A contradicted label">
      <p class="muted">
        {number(at + 1)} of {number(first.total)}, by {first.version}
        {first.checked > 0 && `; ${number(first.checked)} checked before`}
      </p>
      <One suspect={suspect} version={shortName(first.version)} busy={busy} onAnswer={answer} />
      <p class="row">
        {undo}
        <Button shortcut="S" onClick={() => setProgress(passed(progress, false))}>
          Skip
        </Button>
      </p>
    </section>
  )
}

interface OneProps {
  suspect: Suspect
  version: string
  busy: boolean
  onAnswer: (verdict: Verdict) => void
}
function One({ suspect, version, busy, onAnswer }: OneProps) {
  const { text, accept, reject } = questionOf(suspect, version)
  return (
    <div class="checks">
      <div>
        <Drawn named image={suspect.image} judged={drawnOf(suspect)} alt={`Test image ${suspect.image.image.slice(0, 12)}`} />
        <Legend />
      </div>
      <div class="card stack">
        <h2 aria-live="polite">{text}</h2>
        <p class="muted">Likely wrong by {number(suspect.suspicion * 100)} %, as far as {version} can tell.</p>
        <p class="row">
          <Button kind="primary" shortcut="A" aria-disabled={busy} onClick={() => onAnswer('accepted')}>
            {accept}
          </Button>
          <Button shortcut="R" aria-disabled={busy} onClick={() => onAnswer('rejected')}>
            {reject}
          </Button>
        </p>
        <p class="muted runs-name">{suspect.image.image}</p>
      </div>
    </div>
  )
}
