/** A gallery of what a version got wrong, each drawn over its picture. */
import { useEffect, useState } from 'preact/hooks'
import { getEvaluatedImage, getMistakes, type EvaluatedLabel, type Mistake, type Mistakes as MistakesPage } from '../api'
import { useLoaded, usePages, WhenLoaded } from '../runs/loaded'
import { Button, Choices, Dialog, EmptyState, Field, number } from '../ui'
import { Drawn, Legend } from './drawn'
import { judgedText, stateTexts } from './picture'
import { mistakeQuery, searchOf, thresholdQuery, type MistakeKind, type Shown, type Size } from './state'

const kinds: [MistakeKind | '', string][] = [
  ['', 'All mistakes'],
  ['false_positive', 'False positives'],
  ['missed', 'Missed'],
  ['confusion', 'Confusions'],
  ['loose', 'Loose boxes'],
  ['right', 'Right'],
]

interface MistakesProps {
  version: string
  labels: EvaluatedLabel[]
  hasBoxes: boolean
  shown: Shown
  onShow: (change: Partial<Shown>) => void
}

export function Mistakes({ version, labels, hasBoxes, shown, onShow }: MistakesProps) {
  return (
    <div class="stack">
      <Filters labels={labels} hasBoxes={hasBoxes} shown={shown} onShow={onShow} />
      <Gallery key={searchOf(shown)} version={version} shown={shown} />
    </div>
  )
}

function Filters({ labels, hasBoxes, shown, onShow }: Omit<MistakesProps, 'version'>) {
  if (shown.cell) {
    const { truth, detected } = shown.cell
    return (
      <p class="row">
        <strong>
          {truth || 'Nothing there'}, {detected ? `detected as ${detected}` : 'missed'}
        </strong>
        <Button onClick={() => onShow({ cell: null })}>Show all mistakes</Button>
      </p>
    )
  }
  return (
    <div class="eval-filters">
      <Choices
        label="Kind of mistake"
        choices={hasBoxes ? kinds : kinds.filter(([kind]) => kind !== 'loose')}
        chosen={shown.kind}
        onChoose={(kind) => onShow({ kind })}
      />
      <Field label="Label">
        <select value={shown.label} onChange={(event) => onShow({ label: event.currentTarget.value })}>
          <option value="">All labels</option>
          {labels.map(({ label }) => (
            <option key={label} value={label}>
              {label}
            </option>
          ))}
        </select>
      </Field>
      {hasBoxes && (
        <Field label="Size">
          <select value={shown.size} onChange={(event) => onShow({ size: event.currentTarget.value as Size | '' })}>
            <option value="">All sizes</option>
            <option value="small">Small</option>
            <option value="medium">Medium</option>
            <option value="large">Large</option>
          </select>
        </Field>
      )}
      <Confidence name="Confidence from" at={0} shown={shown} onShow={onShow} />
      <Confidence name="to" at={1} shown={shown} onShow={onShow} />
    </div>
  )
}

function Confidence({ name, at, shown, onShow }: { name: string; at: 0 | 1; shown: Shown; onShow: (change: Partial<Shown>) => void }) {
  function choose(value: number) {
    const [low, high] = shown.confidence
    const bounded = Math.min(100, Math.max(0, Number.isNaN(value) ? at * 100 : value))
    onShow({ confidence: at === 0 ? [bounded, Math.max(bounded, high)] : [Math.min(low, bounded), bounded] })
  }
  return (
    <Field label={`${name} (%)`}>
      <input
        type="number"
        min="0"
        max="100"
        step="1"
        inputMode="numeric"
        value={shown.confidence[at]}
        onChange={(event) => choose(event.currentTarget.valueAsNumber)}
      />
    </Field>
  )
}

function Gallery({ version, shown }: { version: string; shown: Shown }) {
  const first = useLoaded(() => getMistakes(version, mistakeQuery(shown, 0)), `${version}${searchOf(shown)}`)
  return (
    <WhenLoaded of={first} label="Loading the images">
      {(page) => <Pages first={page} version={version} shown={shown} />}
    </WhenLoaded>
  )
}

function Pages({ first, version, shown }: { first: MistakesPage; version: string; shown: Shown }) {
  const { pages, busy, loadMore } = usePages(first, (offset) => getMistakes(version, mistakeQuery(shown, offset)))
  const mistakes = pages.flatMap((page) => page.mistakes)
  const [opened, setOpened] = useState<number | null>(null)

  if (mistakes.length === 0)
    return <EmptyState title="None of these">No test image has a mistake that fits. Choose other filters or thresholds.</EmptyState>
  const current = opened === null ? null : mistakes[opened]
  return (
    <section aria-labelledby="eval-mistakes">
      <h2 id="eval-mistakes" aria-live="polite">
        {number(first.total)} in all, the surest first
      </h2>
      <Legend of={mistakes.map(({ judged }) => judged)} />
      <ul class="eval-gallery">
        {mistakes.map((mistake, i) => (
          <li key={i}>
            <button type="button" class="eval-card" onClick={() => setOpened(i)}>
              <Drawn near image={mistake.image} judged={[mistake.judged]} alt="" />
              <span class="eval-caption">{judgedText(mistake.judged)}</span>
              {mistake.image.state && <span class="eval-caption muted">{stateTexts[mistake.image.state]}</span>}
            </button>
          </li>
        ))}
      </ul>
      {loadMore && (
        <p class="row">
          <Button disabled={busy} onClick={loadMore}>
            Show more
          </Button>
        </p>
      )}
      {current && opened !== null && (
        <Opened
          mistake={current}
          version={version}
          shown={shown}
          onClose={() => setOpened(null)}
          onMove={(by) => setOpened(Math.min(mistakes.length - 1, Math.max(0, opened + by)))}
        />
      )}
    </section>
  )
}

interface OpenedProps {
  mistake: Mistake
  version: string
  shown: Shown
  onClose: () => void
  onMove: (by: number) => void
}

/** The whole picture with all that is on it; the arrow keys lead to its neighbours. */
function Opened({ mistake, version, shown, onClose, onMove }: OpenedProps) {
  const { image } = mistake.image
  const loaded = useLoaded(() => getEvaluatedImage(version, image, thresholdQuery(shown)), image)
  useEffect(() => {
    function move(event: KeyboardEvent) {
      if (event.key === 'ArrowLeft') onMove(-1)
      if (event.key === 'ArrowRight') onMove(1)
    }
    window.addEventListener('keydown', move)
    return () => window.removeEventListener('keydown', move)
  })
  const actions = (
    <>
      <Button shortcut={'\u2190'} onClick={() => onMove(-1)}>
        Previous
      </Button>
      <Button shortcut={'\u2192'} onClick={() => onMove(1)}>
        Next
      </Button>
      <Button kind="primary" onClick={onClose}>
        Close
      </Button>
    </>
  )
  return (
    <Dialog title={judgedText(mistake.judged)} onClose={onClose} actions={actions} wide>
      <WhenLoaded of={loaded} label="Loading the image">
        {(whole) => (
          <>
            <Drawn named image={whole.image} judged={whole.judged} alt={`Test image ${image.slice(0, 12)}`} />
            <Legend of={whole.judged} />
            <ul>
              {whole.judged.map((one, i) => (
                <li key={i}>{judgedText(one)}</li>
              ))}
            </ul>
            {whole.image.state && <p>{stateTexts[whole.image.state]}</p>}
            <p class="muted runs-name">{image}</p>
          </>
        )}
      </WhenLoaded>
    </Dialog>
  )
}
