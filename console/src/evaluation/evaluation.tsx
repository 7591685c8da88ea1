/** What a model version was evaluated to. What is shown is in the address. */
import { useRef } from 'preact/hooks'
import { getEvaluation, type VersionEvaluation } from '../api'
import { go, Link, search, type PageProps } from '../router'
import { useLoaded, WhenLoaded } from '../runs/loaded'
import '../runs/runs.css'
import { Choices, number, PageHeader } from '../ui'
import { shortName } from '../versions/compare'
import { Beside } from './beside'
import './evaluation.css'
import { Figures } from './figures'
import { Mistakes } from './mistakes'
import { readShown, searchOf, thresholdQuery, type Shown, type View } from './state'

const views: [View, string][] = [
  ['figures', 'Figures'],
  ['mistakes', 'Mistakes'],
  ['beside', 'Side by side'],
]

export default function Evaluation({ params }: PageProps) {
  const name = params['name'] ?? ''
  const shown = readShown(search.value)
  const query = thresholdQuery(shown)
  const loaded = useLoaded(() => getEvaluation(name, query), `${name} ${query.toString()}`)
  // What was loaded stays while other thresholds are on their way.
  const last = useRef<VersionEvaluation | null>(null)
  if (loaded.value) last.current = loaded.value
  const kept = { ...loaded, value: loaded.value ?? (loaded.error ? null : last.current) }
  const show = (change: Partial<Shown>) => go(`/versions/${encodeURIComponent(name)}${searchOf({ ...shown, ...change })}`)
  return (
    <div class="page">
      <PageHeader
        title={`Evaluation of ${shortName(name)}`}
        lead={
          <>
            <Link href="/versions">Model versions</Link> {'\u203a'} <span class="runs-name">{name}</span>
          </>
        }
      />
      <WhenLoaded of={kept} label="Loading the evaluation">
        {(evaluation) => (
          <div class="stack">
            <Summary evaluation={evaluation} />
            <Choices label="View" choices={views} chosen={shown.view} onChoose={(view) => show({ view })} />
            {shown.view === 'figures' && <Figures evaluation={evaluation} shown={shown} onShow={show} reload={loaded.reload} />}
            {shown.view === 'mistakes' && (
              <Mistakes
                version={name}
                labels={evaluation.labels}
                hasBoxes={evaluation.kind === 'detection'}
                shown={shown}
                onShow={show}
              />
            )}
            {shown.view === 'beside' && <Beside version={name} shown={shown} onShow={show} />}
          </div>
        )}
      </WhenLoaded>
    </div>
  )
}

function Summary({ evaluation }: { evaluation: VersionEvaluation }) {
  const { f1, own_f1: own, images, source } = evaluation
  const tested =
    source === 'training'
      ? `${number(images)} test images, as they were labelled for its training`
      : `${number(images)} test images that the shadow gate asked the endpoint about; its training has left no evaluation`
  return (
    <section aria-label="Overall">
      <p>
        F1 <strong class="eval-f1">{number(f1, 3)}</strong> at the thresholds below, on {tested}.
        {own !== null && ` By the training itself, at the model\u2019s own thresholds: ${number(own, 3)}.`}
      </p>
      {evaluation.has_more && (
        <p class="runs-stale">The evaluation has more test images. The first {number(images)} of them are shown, which are a fair sample.</p>
      )}
      {evaluation.unread_lines > 0 && (
        <p class="runs-stale" role="alert">
          {number(evaluation.unread_lines)} {evaluation.unread_lines === 1 ? 'line' : 'lines'} of the evaluation file{' '}
          {evaluation.unread_lines === 1 ? 'is' : 'are'} missing or cannot be read: it is cut off, of another form, or the training has
          left test images out. The figures are of the {number(images)} {images === 1 ? 'image' : 'images'} that can.
        </p>
      )}
    </section>
  )
}
