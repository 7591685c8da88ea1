/** Labels that a version contradicts, one after the other: a key for each of the two answers. */
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import { answerLabelIssue, getLabelIssues, takeBackAnswer, type LabelIssue, type LabelIssues } from '../api'
import { Drawn, Legend } from '../evaluation/drawn'
import '../evaluation/evaluation.css'
import { Link, search } from '../router'
import { problem, useLoaded, WhenLoaded } from '../runs/loaded'
import '../runs/runs.css'
import { me } from '../session'
import { Button, EmptyState, number, PageHeader, Spinner, toast, when } from '../ui'
import { shortName } from '../versions/compare'
import { afterError, backTo, drawnOf, passed, passedBy, putBack, questionOf, stillAnswered, withPage, type Progress, type Verdict } from './questions'
import { inTurn, sendInTurn } from './turns'
import './labelissues.css'

/** So many label issues before the end of what is loaded, more are. */
const AHEAD = 5

export default function WrongLabels() {
  const wanted = new URLSearchParams(search.value)
  const version = wanted.get('version') ?? ''
  const kept = wanted.get('kept') === 'true'
  const loaded = useLoaded(() => inTurn(() => getLabelIssues(version, '', kept)), `${version} ${kept}`)
  return (
    <div class="page">
      <PageHeader
        title="Wrong labels"
        lead="Labels that are contradicted, those first that are worth most to mend. What you accept is mended at once, and can be taken back."
      />
      <WhenLoaded of={loaded} label="Loading what is contradicted">
        {(first) => <Questions key={`${first.version} ${kept}`} first={first} kept={kept} />}
      </WhenLoaded>
    </div>
  )
}

/** What was looked at, and the way to labels that people have decided about before. */
function LookedAt({ first, kept }: { first: LabelIssues; kept: boolean }) {
  const other = new URLSearchParams({ version: first.version, ...(kept ? {} : { kept: 'true' }) }).toString()
  return (
    <p class="muted">
      {first.training_images > 0
        ? `${number(first.training_images)} training and ${number(first.test_images)} test images were looked at.`
        : `${number(first.test_images)} test images were looked at.`}{' '}
      {kept && <Link href={`/label-issues?${other}`}>Back to what nobody has decided</Link>}
      {!kept && first.kept > 0 && <Link href={`/label-issues?${other}`}>{number(first.kept)} that people have decided about are contradicted again</Link>}
    </p>
  )
}

function Questions({ first, kept }: { first: LabelIssues; kept: boolean }) {
  const [progress, setProgress] = useState<Progress>({ issues: first.issues, at: 0, answered: [], next: first.next })
  const loading = useRef(false)
  /** What went wrong when the next page was loaded. */
  const [trouble, setTrouble] = useState('')
  /** Ids of those whose answers of this visit the API has, or may have. */
  const sent = useRef(new Set<string>())
  const { issues, at, answered, next } = progress
  const issue = issues[at]

  function loadNext() {
    if (next === null || loading.current || at < issues.length - AHEAD) return
    loading.current = true
    setTrouble('')
    // After the answers that are on their way: they change the labels of images that are to come.
    inTurn(() => getLabelIssues(first.version, next, kept))
      .finally(() => (loading.current = false))
      .then(
        (page) => setProgress((before) => withPage(before, page)),
        (error: unknown) => setTrouble(problem(error)),
      )
  }
  useEffect(loadNext, [at, next])
  const following = issues[at + 1]?.image.url
  useEffect(() => {
    if (following) new Image().src = following
  }, [following])

  /** Shows the next one at once; an answer that is not kept is asked for again. */
  function answer(verdict: Verdict) {
    if (!issue) return
    const { id } = issue
    setProgress((before) => passed(before, true))
    void sendInTurn(async () => {
      const mayBeKept = sent.current.has(id)
      sent.current.add(id)
      try {
        const { by } = await answerLabelIssue(id, first.version, verdict)
        if (by === me.value?.name) return
        sent.current.delete(id)
        setProgress((before) => passedBy(before, id))
        toast(`${by} had answered the same before.`)
      } catch (error: unknown) {
        const after = afterError(error)
        if (after !== 'unknown' && !mayBeKept) sent.current.delete(id)
        if (after !== 'closed') {
          setProgress((before) => putBack(before, id))
          toast(`An answer was not kept, and is asked for again: ${problem(error)}`, 'bad')
          return
        }
        // Of an earlier one nothing was heard: that is there to be taken back.
        if (!mayBeKept) setProgress((before) => passedBy(before, id))
        toast(`An answer was not kept: ${problem(error)}`, 'bad')
      }
    })
  }

  /** Shows the one that was answered last at once, as often as it is called. */
  function takeBack() {
    const before = backTo(progress)
    const id = answered.at(-1)
    if (!before || id === undefined) return
    setProgress(before)
    sendInTurn(async () => {
      if (!sent.current.has(id)) return
      await takeBackAnswer(id)
      sent.current.delete(id)
      toast('Your answer is taken back.')
    }).catch((error: unknown) => {
      if (afterError(error) === 'closed') sent.current.delete(id)
      else setProgress((now) => stillAnswered(now, id))
      toast(`An answer could not be taken back: ${problem(error)}`, 'bad')
    })
  }

  // Before the next key: an effect after the picture is drawn would let a fast one act on the issue before.
  useLayoutEffect(() => {
    function press(event: KeyboardEvent) {
      // Of a key that is held down not the button that has the focus either: each time it is another label's.
      if (event.repeat && event.key === 'Enter') event.preventDefault()
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
    <Button shortcut="Z" disabled={answered.length === 0} onClick={takeBack}>
      Take back
    </Button>
  )
  if (!issue && next !== null)
    return trouble ? (
      <EmptyState title="Loading failed" action={<Button onClick={loadNext}>Try again</Button>}>
        {trouble}
      </EmptyState>
    ) : (
      <Spinner label="Loading more of what is contradicted" />
    )
  if (!issue)
    return (
      <>
      <LookedAt first={first} kept={kept} />
      <EmptyState title={first.total > 0 ? 'That was all' : 'Nothing is contradicted'} action={answered.length > 0 ? undo : undefined}>
        {first.total > 0
          ? 'The next training finds what remains, with the labels as they are now.'
          : `Of ${shortName(first.version)} no label is contradicted that nobody has decided about.`}
      </EmptyState>
      </>
    )
  return (
    <section aria-label="A contradicted label">
      <LookedAt first={first} kept={kept} />
      <p class="muted">
        {number(at + 1)} of {number(first.total)}, by {first.version}
        {first.answered > 0 && `; ${number(first.answered)} answered before`}
      </p>
      <One issue={issue} version={shortName(first.version)} onAnswer={answer} />
      <p class="row">
        {undo}
        <Button shortcut="S" onClick={() => setProgress(passed(progress, false))}>
          Skip
        </Button>
      </p>
    </section>
  )
}

/** Acts on the first click of several that follow at once: by the second the next label is there, which nobody has looked at. */
const once = (act: () => void) => (event: MouseEvent) => {
  if (event.detail < 2) act()
}

interface OneProps {
  issue: LabelIssue
  version: string
  onAnswer: (verdict: Verdict) => void
}
function One({ issue, version, onAnswer }: OneProps) {
  const { text, accept, reject } = questionOf(issue, version)
  const place = issue.dataset === 'TRAIN' ? 'Training' : 'Test'
  return (
    <div class="label-issue">
      <div>
        <Drawn key={issue.id} named image={issue.image} judged={drawnOf(issue)} alt={`${place} image ${issue.image.image.slice(0, 12)}`} />
        <Legend isOpen of={drawnOf(issue)} />
        {issue.twin?.url && (
          <figure class="label-twin">
            <img src={issue.twin.url} alt={`Image ${issue.twin.image.slice(0, 12)}, which looks much like it`} loading="lazy" />
            <figcaption class="muted">An image that looks much like it, and is labelled otherwise</figcaption>
          </figure>
        )}
      </div>
      <div class="card stack">
        <h2 aria-live="polite">{text}</h2>
        <p class="muted">
          {place} image; {number(issue.mistakenness * 100)} % likely to be wrong, as far as can be told.
        </p>
        {issue.kept && (
          <p>
            Kept by {issue.kept.by} on {when(issue.kept.at)}.
          </p>
        )}
        <p class="row">
          <Button kind={issue.mistakenness < 0.5 ? 'plain' : 'primary'} shortcut="A" onClick={once(() => onAnswer('accepted'))}>
            {accept}
          </Button>
          <Button shortcut="R" onClick={once(() => onAnswer('rejected'))}>
            {reject}
          </Button>
        </p>
        <p class="muted runs-name">{issue.image.image}</p>
      </div>
    </div>
  )
}
