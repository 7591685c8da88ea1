/** What drafts labels, how often it was right, and what more labels bring. */
import { getDrafts, type Drafts } from '../api'
import { Trend } from '../charts/trend'
import { useLoaded, WhenLoaded } from '../runs/loaded'
import { number, percent, Table, type Column } from '../ui'
import { draftSource, gainText, orderText } from './wording'

type DraftedLabel = Drafts['labels'][number]
type Curve = NonNullable<Drafts['curve']>

export function DraftFigures() {
  const loaded = useLoaded(getDrafts, 'drafts', () => 30)
  return (
    <section class="stack" aria-labelledby="drafts-title">
      <h2 id="drafts-title">Drafts, and what is asked next</h2>
      <WhenLoaded of={loaded} label="Loading the drafts">
        {(drafts) => (
          <>
            <p class="muted">
              {draftSource(drafts)} {orderText(drafts)}
            </p>
            {drafts.labels.length > 0 && (
              <Table caption="How often drafts were right" columns={columns} rows={drafts.labels} rowKey={({ label }) => label} />
            )}
            {drafts.curve && <Learning curve={drafts.curve} />}
          </>
        )}
      </WhenLoaded>
    </section>
  )
}

const columns: Column<DraftedLabel>[] = [
  { title: 'Label', cell: ({ label }) => <strong>{label}</strong> },
  { title: 'Confirmed', cell: ({ right }) => number(right), figure: true },
  { title: 'Removed', cell: ({ wrong }) => number(wrong), figure: true },
  {
    title: 'Right, with 95 % probability',
    cell: ({ low, high }) => `${percent(low)} to ${percent(high)}`,
    figure: true,
  },
]

function Learning({ curve }: { curve: Curve }) {
  const measurements = curve.points.map(({ labels, f1 }, i) => ({
    name: number(labels),
    value: f1,
    text: f1.toFixed(2),
    marked: i === curve.points.length - 1,
  }))
  return (
    <>
      <h3>Learning curve</h3>
      <p>{gainText(curve)}</p>
      <p class="muted">
        F1 of a head on frozen features by the number of labels, on {number(curve.random_images)} images that were asked
        about at random. Dashed: had all images been chosen at random, as far as there are enough of those.
      </p>
      <Trend
        label={`F1 by the number of labels: ${measurements.map(({ name, text }) => `${text} with ${name}`).join(', ')}`}
        unit="F1"
        measurements={measurements}
        compared={curve.points.map(({ f1_random }) => f1_random)}
      />
    </>
  )
}
