/** Labels that a version contradicts, one after the other: a key for each of the two answers. */
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import { answerLabelIssue, getLabelIssues, takeBackAnswer, type LabelIssue, type LabelIssues } from '../api'
import { Drawn, Legend } from '../evaluation/drawn'
import '../evaluation/evaluation.css'
import { search } from '../router'
import { problem, useLoaded, WhenLoaded } from '../runs/loaded'
import '../runs/runs.css'
import { Button, EmptyState, number, PageHeader, toast } from '../ui'
import { shortName } from '../versions/compare'
import { backTo, drawnOf, nextOffset, passed, questionOf, withPage, type Progress, type Verdict } from './questions'
import './labelissues.css'

/** So many label issues before the end of what is loaded, more are. */
const AHEAD = 5

export default function WrongLabels() {
  const version = new URLSearchParams(search.value).get('version') ?? ''
  const loaded = useLoaded(() => getLabelIssues(version, 0), version)
  return (
    <div class="page">
      <PageHeader
        title="Wrong labels"
        lead="Labels of test images that a model version contradicts, the likeliest to be wrong first. What you accept is mended at once, and can be taken back."
      />
      <WhenLoaded of={loaded} label="Loading what is contradicted">
        {(first) => <Questions key={first.version} first={first} />}
      </WhenLoaded>
    </div>
  )
}

function Questions({ first }: { first: LabelIssues }) {
  const [progress, setProgress] = useState<Progress>({ issues: first.issues, at: 0, answered: [], next: first.next })
  const [busy, setBusy] = useState(false)
  const loading = useRef(false)
  const { issues, at, answered } = progress
  const issue = issues[at]

  useEffect(() => {
    const offset = nextOffset(progress)
    if (offset === null || loading.current || at < issues.length - AHEAD) return
    loading.current = true
    getLabelIssues(first.version, offset)
      .then(
        (page) => setProgress((before) => withPage(before, page, answered.length)),
        (error: unknown) => toast(problem(error), 'bad'),
      )
      .finally(() => (loading.current = false))
  }, [at])

  function answer(verdict: Verdict) {
    if (!issue || busy) return
    setBusy(true)
    answerLabelIssue(issue.id, first.version, verdict)
      .then(
        () => setProgress((before) => passed(before, true)),
        (error: unknown) => toast(problem(error), 'bad'),
      )
      .finally(() => setBusy(false))
  }

  function takeBack() {
    const before = backTo(progress)
    const last = before && issues[before.at]
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

  // Before the next key: an effect after the picture is drawn would let a fast one act on the issue before.
  useLayoutEffect(() => {
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
  if (!issue)
    return (
      <EmptyState title={first.total > 0 ? 'That was all' : 'Nothing is contradicted'} action={answered.length > 0 ? undo : undefined}>
        {first.total > 0
          ? 'The next training finds what remains, with the labels as they are now.'
          : `${shortName(first.version)} contradicts no label that nobody has answered about.`}
      </EmptyState>
    )
  return (
    <section aria-label="A contradicted label">
      <p class="muted">
        {number(at + 1)} of {number(first.total)}, by {first.version}
        {first.answered > 0 && `; ${number(first.answered)} answered before`}
      </p>
      <One issue={issue} version={shortName(first.version)} busy={busy} onAnswer={answer} />
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
  issue: LabelIssue
  version: string
  busy: boolean
  onAnswer: (verdict: Verdict) => void
}
function One({ issue, version, busy, onAnswer }: OneProps) {
  const { text, accept, reject } = questionOf(issue, version)
  return (
    <div class="label-issue">
      <div>
        <Drawn named image={issue.image} judged={drawnOf(issue)} alt={`Test image ${issue.image.image.slice(0, 12)}`} />
        <Legend isOpen of={drawnOf(issue)} />
      </div>
      <div class="card stack">
        <h2 aria-live="polite">{text}</h2>
        <p class="muted">{number(issue.mistakenness * 100)} % likely to be wrong, as far as {version} can tell.</p>
        <p class="row">
          <Button kind={issue.mistakenness < 0.5 ? 'plain' : 'primary'} shortcut="A" aria-disabled={busy} onClick={() => onAnswer('accepted')}>
            {accept}
          </Button>
          <Button shortcut="R" aria-disabled={busy} onClick={() => onAnswer('rejected')}>
            {reject}
          </Button>
        </p>
        <p class="muted runs-name">{issue.image.image}</p>
      </div>
    </div>
  )
}
