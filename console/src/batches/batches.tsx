/** The list of batches, newest first. */
import { getBatches, type BatchLine } from '../api'
import { Bar } from '../charts/bars'
import { Link } from '../router'
import { Time, useLoaded, WhenLoaded } from '../runs/loaded'
import '../runs/runs.css'
import { Badge, EmptyState, number, PageHeader, percent, Prose, Table, type Column } from '../ui'
import './batches.css'
import { isLive, shareOf, stateOf } from './wording'

const columns: Column<BatchLine>[] = [
  {
    title: 'Batch',
    cell: (batch) => (
      <div class="runs-start">
        <Time of={batch.created_at} />
        <Link class="runs-name" href={`/batches/${encodeURIComponent(batch.name)}`}>
          {batch.name}
        </Link>
      </div>
    ),
  },
  { title: 'State', cell: (batch) => <State batch={batch} /> },
  { title: 'Progress', cell: (batch) => <Progress batch={batch} /> },
  { title: 'Images', cell: (batch) => number(batch.total), figure: true },
  { title: 'Failed', cell: (batch) => number(batch.failed), figure: true },
  { title: 'Model version', cell: (batch) => <span class="runs-name">{batch.version || '\u2013'}</span> },
]

export function State({ batch }: { batch: BatchLine }) {
  const state = stateOf(batch.state)
  const why = batch.reason || (batch.waits_for && `It waits for ${batch.waits_for}`)
  return (
    <div class="runs-outcome">
      <Badge tone={state.tone}>{state.text}</Badge>
      {why && (
        <span class="muted">
          <Prose of={why} />
        </span>
      )}
    </div>
  )
}

function Progress({ batch }: { batch: BatchLine }) {
  return (
    <div class="batches-progress">
      <span>{percent(shareOf(batch))}</span>
      <Bar value={shareOf(batch)} />
    </div>
  )
}

export default function Batches() {
  const loaded = useLoaded(getBatches, 'batches', ({ batches }) => (batches.some(isLive) ? 5 : 60))
  return (
    <div class="page">
      <PageHeader
        title="Batches"
        lead="A batch asks one model version about many images: a folder, a prefix of a bucket, or a list."
      />
      <WhenLoaded of={loaded} label="Loading the batches">
        {({ batches }) =>
          batches.length === 0 ? (
            <EmptyState title="No batches yet">
              The command <code>labelloop batch create</code> says what a batch costs, and starts it.
            </EmptyState>
          ) : (
            <Table caption="Batches" columns={columns} rows={batches} rowKey={(batch) => batch.name} />
          )
        }
      </WhenLoaded>
    </div>
  )
}
