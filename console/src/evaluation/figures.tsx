/** Figures of an evaluation: each label with its curve and a threshold to move, confusions, F1 by object size. */
import { useState } from 'preact/hooks'
import { putThreshold, type EvaluatedLabel, type MatrixCell, type VersionEvaluation } from '../api'
import { Bar } from '../charts/bars'
import { HEIGHT, useChartFrame } from '../charts/frame'
import { Link } from '../router'
import { ConfirmDialog } from '../runs/confirm'
import { isAdministrator } from '../session'
import { Button, number, percent, Table, type Column } from '../ui'
import { bestThreshold, changesThreshold, curvePath, placeOf, ratesAt, ratesOf, type Rates } from './curve'
import { searchOf, type Shown } from './state'

interface FiguresProps {
  evaluation: VersionEvaluation
  shown: Shown
  onShow: (change: Partial<Shown>) => void
  reload: () => void
}

export function Figures({ evaluation, shown, onShow, reload }: FiguresProps) {
  const chosen = evaluation.labels.find(({ label }) => label === shown.label) ?? weakest(evaluation.labels)
  return (
    <div class="stack">
      <div class="eval-columns">
        <Labels labels={evaluation.labels} chosen={chosen?.label ?? ''} onChoose={(label) => onShow({ label })} />
        {chosen && (
          <Curve key={chosen.label} label={chosen} shown={shown} onShow={onShow} version={evaluation.version} reload={reload} />
        )}
      </div>
      <Confusions evaluation={evaluation} shown={shown} />
      {evaluation.sizes.length > 0 && <Sizes evaluation={evaluation} shown={shown} />}
    </div>
  )
}

const weakest = (labels: EvaluatedLabel[]): EvaluatedLabel | null => byF1(labels)[0] ?? null
const byF1 = (labels: EvaluatedLabel[]) => [...labels].sort((a, b) => (a.f1 ?? 2) - (b.f1 ?? 2) || a.label.localeCompare(b.label))

function Labels({ labels, chosen, onChoose }: { labels: EvaluatedLabel[]; chosen: string; onChoose: (label: string) => void }) {
  const columns: Column<EvaluatedLabel>[] = [
    {
      title: 'Label',
      cell: ({ label, renamed_to }) => (
        <>
          <button type="button" class="eval-label" aria-pressed={label === chosen} onClick={() => onChoose(label)}>
            {label}
          </button>
          {renamed_to && <span class="muted eval-renamed"> now called {renamed_to}</span>}
        </>
      ),
    },
    { title: 'F1', figure: true, cell: ({ f1 }) => number(f1, 3) },
    { title: 'Precision', figure: true, cell: (label) => percent(ratesOf(label).precision, 1) },
    { title: 'Recall', figure: true, cell: (label) => percent(ratesOf(label).recall, 1) },
    { title: 'Objects', figure: true, cell: ({ objects }) => number(objects) },
    { title: 'Threshold', figure: true, cell: ({ threshold }) => `${number(threshold, threshold % 1 ? 1 : 0)} %` },
  ]
  return (
    <section aria-labelledby="eval-labels">
      <h2 id="eval-labels">Labels, weakest first</h2>
      <Table caption="Figures of each label" columns={columns} rows={byF1(labels)} rowKey={({ label }) => label} />
    </section>
  )
}

interface CurveProps {
  label: EvaluatedLabel
  shown: Shown
  onShow: (change: Partial<Shown>) => void
  version: string
  reload: () => void
}

/** Precision over recall, with the threshold as a slider: its counts follow at once, the page once it rests. */
function Curve({ label, shown, onShow, version, reload }: CurveProps) {
  const chosen = shown.thresholds[label.label]
  const [moved, setMoved] = useState<number | null>(null)
  const threshold = moved ?? chosen ?? label.threshold
  const rates = ratesAt(label, threshold)
  const best = bestThreshold(label)
  const least = Math.ceil(label.floor)

  function choose(percentage: number | null) {
    setMoved(null)
    const { [label.label]: _, ...others } = shown.thresholds
    onShow({ label: label.label, thresholds: percentage === null ? others : { ...others, [label.label]: percentage } })
  }

  return (
    <section class="card" aria-labelledby="eval-curve">
      <h2 id="eval-curve">{label.label}</h2>
      <PrecisionRecall label={label} rates={rates} />
      <label class="field">
        <span class="field-label">Threshold: {number(threshold, threshold % 1 ? 1 : 0)} %</span>
        <input
          type="range"
          class="eval-range"
          min={least}
          max="100"
          step="1"
          value={Math.max(threshold, least)}
          aria-valuetext={`${Math.round(threshold)} percent: precision ${percent(rates.precision)}, recall ${percent(rates.recall)}`}
          onInput={(event) => setMoved(Number(event.currentTarget.value))}
          onChange={(event) => choose(Number(event.currentTarget.value))}
        />
        <span class="field-hint">
          Below {number(label.floor, label.floor % 1 ? 1 : 0)} % the evaluation has no detections, so nothing can be said there.
        </span>
      </label>
      <Counts rates={rates} />
      <p class="row">
        {best !== null && best !== Math.round(threshold) && best >= least && (
          <Button onClick={() => choose(best)}>Best F1: {best} %</Button>
        )}
        {chosen !== undefined && (
          <Button kind="quiet" onClick={() => choose(null)}>
            Reset
          </Button>
        )}
        <Link class="button" href={`/versions/${encodeURIComponent(version)}${searchOf({ ...shown, view: 'mistakes', label: label.label, cell: null, kind: '' })}`}>
          See its mistakes
        </Link>
      </p>
      <InForce label={label} />
      {isAdministrator() && <Take label={label} moved={moved ?? chosen ?? null} onTaken={reload} />}
    </section>
  )
}

function InForce({ label: { own_threshold: own, deployment_threshold: ours } }: { label: EvaluatedLabel }) {
  const words = own === null ? 'The model\u2019s own threshold is not known' : `The model\u2019s own threshold is ${number(own, own % 1 ? 1 : 0)} %`
  return <p class="muted">{ours === null ? `${words}; it is in force.` : `${words}; this deployment has set ${number(ours)} %.`}</p>
}

const SETTINGS_MS = 4000

interface TakeProps {
  label: EvaluatedLabel
  /** Where the slider was moved to; null if it stands at what is in force. */
  moved: number | null
  onTaken: () => void
}
function Take({ label, moved, onTaken }: TakeProps) {
  const [asking, setAsking] = useState<'set' | 'unset' | null>(null)
  const ours = label.deployment_threshold
  const threshold = Math.round(Math.max(moved ?? 0, label.floor))
  return (
    <p class="row">
      {changesThreshold(label, moved) && (
        <Button kind="primary" onClick={() => setAsking('set')}>
          Use {threshold} % in this deployment
        </Button>
      )}
      {ours !== null && <Button onClick={() => setAsking('unset')}>Use the model{'\u2019'}s own again</Button>}
      {asking && (
        <ConfirmDialog
          title={asking === 'set' ? `Count ${label.label} from ${threshold} % on?` : `Leave ${label.label} to the model?`}
          act={asking === 'set' ? `Use ${threshold} %` : 'Use the model\u2019s own'}
          kind="primary"
          onAct={() => putThreshold(label.label, asking === 'set' ? threshold : null)}
          done="Detections count by it within seconds."
          onClose={(hasActed) => {
            setAsking(null)
            if (!hasActed) return
            onTaken()
            // Functions remember settings for some seconds.
            setTimeout(onTaken, SETTINGS_MS)
          }}
        >
          It holds for the champion, whichever version that is, for every detection from now on: those of applications, of
          images under detect/, and of reviews.
        </ConfirmDialog>
      )}
    </p>
  )
}

const MARGINS = { left: 44, right: 16, top: 28, bottom: 34 }

function PrecisionRecall({ label, rates }: { label: EvaluatedLabel; rates: Rates }) {
  const { frame, width, area } = useChartFrame(MARGINS)
  const place = placeOf(rates, area)
  const words = `Precision over recall of ${label.label}. At the threshold: precision ${percent(rates.precision)}, recall ${percent(rates.recall)}.`
  return (
    <div ref={frame} class="chart-frame">
      <svg class="chart-trend" width={width} height={HEIGHT} role="img" aria-label={words}>
        <text class="chart-text" x="0" y="14">
          Precision
        </text>
        {[0, 0.5, 1].map((tick) => (
          <g key={tick}>
            <line class="chart-grid" x1={area.left} x2={area.left + area.width} y1={area.top + (1 - tick) * area.height} y2={area.top + (1 - tick) * area.height} />
            <text class="chart-text" text-anchor="end" x={area.left - 8} y={area.top + (1 - tick) * area.height + 4}>
              {tick.toFixed(1)}
            </text>
            <text class="chart-text" text-anchor={tick === 1 ? 'end' : tick === 0 ? 'start' : 'middle'} x={area.left + tick * area.width} y={HEIGHT - 16}>
              {tick.toFixed(1)}
            </text>
          </g>
        ))}
        <text class="chart-text" text-anchor="middle" x={area.left + area.width / 2} y={HEIGHT - 2}>
          Recall
        </text>
        <path class="chart-line" d={curvePath(label, area)} />
        {place && <circle class="chart-dot chart-dot-marked" cx={place.x} cy={place.y} r="6" />}
      </svg>
    </div>
  )
}

function Counts({ rates }: { rates: Rates }) {
  const figures: [string, string][] = [
    ['F1', number(rates.f1, 3)],
    ['Precision', percent(rates.precision, 1)],
    ['Recall', percent(rates.recall, 1)],
    ['Right', number(rates.right)],
    ['Wrong', number(rates.wrong)],
    ['Missed', number(rates.missed)],
  ]
  return (
    <dl class="eval-counts">
      {figures.map(([name, figure]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{figure}</dd>
        </div>
      ))}
    </dl>
  )
}

const MOST_CONFUSED = 6
/** Labels of a matrix that can still be read. */
const MATRIX_LABELS = 30

/** Who is taken for whom: the most frequent confusions in words, and all of them as a matrix. */
function Confusions({ evaluation, shown }: { evaluation: VersionEvaluation; shown: Shown }) {
  const { matrix, version } = evaluation
  const confused = matrix
    .filter(({ truth, detected }) => truth && detected && truth !== detected)
    .sort((a, b) => b.count - a.count)
    .slice(0, MOST_CONFUSED)
  const labels = shownLabels(matrix)
  const href = ({ truth, detected }: Pick<MatrixCell, 'truth' | 'detected'>) =>
    `/versions/${encodeURIComponent(version)}${searchOf({ ...shown, view: 'mistakes', kind: '', label: '', cell: { truth, detected } })}`
  return (
    <section class="card" aria-labelledby="eval-confusions">
      <h2 id="eval-confusions">Who is taken for whom</h2>
      {confused.length === 0 ? (
        <p class="muted">No object is taken for one of another label.</p>
      ) : (
        <ul class="eval-confused">
          {confused.map((cell) => (
            <li key={`${cell.truth}\n${cell.detected}`}>
              <Link href={href(cell)}>
                {cell.count} {'\u00d7'} {cell.truth} taken for {cell.detected}
              </Link>
            </li>
          ))}
        </ul>
      )}
      {labels.length <= MATRIX_LABELS ? (
        <Matrix matrix={matrix} labels={labels} href={href} />
      ) : (
        <p class="muted">A matrix of {labels.length} labels cannot be read; the list above has its largest confusions.</p>
      )}
    </section>
  )
}

function shownLabels(matrix: MatrixCell[]): string[] {
  return [...new Set(matrix.flatMap(({ truth, detected }) => [truth, detected]))].filter(Boolean).sort((a, b) => a.localeCompare(b))
}

interface MatrixProps {
  matrix: MatrixCell[]
  labels: string[]
  href: (cell: Pick<MatrixCell, 'truth' | 'detected'>) => string
}
function Matrix({ matrix, labels, href }: MatrixProps) {
  const counts = new Map(matrix.map(({ truth, detected, count }) => [`${truth}\n${detected}`, count]))
  const most = Math.max(1, ...matrix.filter(({ truth, detected }) => truth !== detected).map(({ count }) => count))
  const names = [...labels, '']
  return (
    <div class="eval-matrix" role="region" aria-label="Confusion matrix" tabIndex={0}>
      <p id="eval-matrix-words" class="muted">
        Rows are what an object is, columns what it was detected as. Each number opens its images.
      </p>
      <table aria-describedby="eval-matrix-words">
        <caption class="visually-hidden">How often each label was detected as which</caption>
        <thead>
          <tr>
            <td />
            {names.map((name) => (
              <th key={name} scope="col">
                {name || 'missed'}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {names.map((truth) => (
            <tr key={truth}>
              <th scope="row">{truth || 'nothing there'}</th>
              {names.map((detected) => {
                const count = counts.get(`${truth}\n${detected}`) ?? 0
                return (
                  <td key={detected} class={cellClass(truth, detected, count, most)}>
                    {count > 0 && (
                      <Link href={href({ truth, detected })}>
                        <span aria-hidden="true">{count}</span>
                        <span class="visually-hidden">
                          {count}: {truth || 'nothing there'}, {detected ? `detected as ${detected}` : 'missed'}
                        </span>
                      </Link>
                    )}
                  </td>
                )
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

function cellClass(truth: string, detected: string, count: number, most: number): string {
  if (count === 0) return ''
  if (truth === detected) return 'eval-cell-right'
  return count > most / 2 ? 'eval-cell-many' : 'eval-cell-some'
}

const sizeWords = { small: 'Small: below 32 \u00d7 32 pixels', medium: 'Medium: below 96 \u00d7 96', large: 'Large' }

function Sizes({ evaluation, shown }: { evaluation: VersionEvaluation; shown: Shown }) {
  return (
    <section class="card" aria-labelledby="eval-sizes">
      <h2 id="eval-sizes">F1 by object size</h2>
      <p class="muted">In pixels of the image as the model sees it: its longer side 1,280 at most.</p>
      <ul class="eval-sizes">
        {evaluation.sizes.map((score) => (
          <li key={score.size}>
            <span>{sizeWords[score.size]}</span>
            <Bar value={score.f1} />
            <strong>{number(score.f1, 3)}</strong>
            <span class="muted">
              {number(score.right)} right, {number(score.wrong)} wrong, {number(score.missed)} missed
            </span>
            <Link href={`/versions/${encodeURIComponent(evaluation.version)}${searchOf({ ...shown, view: 'mistakes', kind: '', cell: null, label: '', size: score.size })}`}>
              Mistakes
              <span class="visually-hidden"> on {score.size} objects</span>
            </Link>
          </li>
        ))}
      </ul>
    </section>
  )
}
