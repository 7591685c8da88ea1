/** One batch: how far it is, and what it has come to. */
import { useRef, useState } from 'preact/hooks'
import { cancelBatch, getBatch, type Batch, type BatchFailure, type BatchLabel } from '../api'
import { Bar } from '../charts/bars'
import { Columns } from '../charts/columns'
import { Link, type PageProps } from '../router'
import { ConfirmDialog } from '../runs/confirm'
import { Time, useLoaded, WhenLoaded } from '../runs/loaded'
import '../runs/runs.css'
import { isAdministrator } from '../session'
import { Button, number, PageHeader, Prose, Table, type Column } from '../ui'
import { State } from './batches'
import './batches.css'
import { histogramOf, isLive, paceAfter, progressText, secondsToNextLook, shareOf, summaryText, type Pace } from './wording'

export default function BatchPage({ params }: PageProps) {
  const name = params['name'] ?? ''
  const [cancelling, setCancelling] = useState(false)
  const pace = useRef<Pace | null>(null)
  const loaded = useLoaded(
    async () => {
      const batch = await getBatch(name)
      pace.current = paceAfter(pace.current, { at: Date.now(), answered: batch.answered })
      return batch
    },
    name,
    secondsToNextLook,
  )
  return (
    <div class="page">
      <p>
        <Link href="/batches">All batches</Link>
      </p>
      <PageHeader
        title="Batch"
        lead={<span class="mono runs-name">{name}</span>}
        actions={
          isAdministrator() && loaded.value && isLive(loaded.value) ? (
            <Button kind="danger" onClick={() => setCancelling(true)}>
              Cancel the batch
            </Button>
          ) : null
        }
      />
      {cancelling && (
        <ConfirmDialog
          title="Cancel this batch?"
          act="Cancel the batch"
          back="Let it run"
          onAct={() => cancelBatch(name)}
          done="The batch is being cancelled."
          onClose={(hasActed) => {
            setCancelling(false)
            if (hasActed) loaded.reload()
          }}
        >
          What has an answer stays, and its inference units are given back. The command labelloop batch resume goes on
          with the rest.
        </ConfirmDialog>
      )}
      <WhenLoaded of={loaded} label="Loading the batch">
        {(batch) => <BatchBody batch={batch} pace={pace.current} />}
      </WhenLoaded>
    </div>
  )
}

function BatchBody({ batch, pace }: { batch: Batch; pace: Pace | null }) {
  return (
    <div class="stack">
      <section class="card stack" aria-labelledby="batches-progress">
        <h2 id="batches-progress">Progress</h2>
        <State batch={batch} />
        <p role="status">{progressText(batch, pace)}</p>
        <Bar value={shareOf(batch)} />
        <Facts batch={batch} />
      </section>
      {batch.summary ? <Summary summary={batch.summary} /> : <p class="muted">Its results are summed up at its end.</p>}
    </div>
  )
}

function Facts({ batch }: { batch: Batch }) {
  return (
    <dl class="runs-facts">
      <dt>Source</dt>
      <dd class="runs-name">{batch.source || '\u2013'}</dd>
      <dt>Created</dt>
      <dd>
        <Time of={batch.created_at} />
        {batch.created_by && `, by: ${batch.created_by}`}
      </dd>
      {batch.ended_at && (
        <>
          <dt>Ended</dt>
          <dd>
            <Time of={batch.ended_at} />
          </dd>
        </>
      )}
      <dt>Model version</dt>
      <dd class="runs-name">{batch.version || '\u2013'}</dd>
      <dt>Inference units</dt>
      <dd>{batch.units > 0 ? number(batch.units) : 'those of the version, which ran already'}</dd>
      <dt>Failed</dt>
      <dd>{number(batch.failed)}</dd>
      {batch.review_limit > 0 && (
        <>
          <dt>Sent to review</dt>
          <dd>
            {number(batch.proposed)} of up to {number(batch.review_limit)}
          </dd>
        </>
      )}
    </dl>
  )
}

const labelColumns: Column<BatchLabel>[] = [
  { title: 'Label', cell: (each) => <span class="runs-name">{each.label}</span> },
  { title: 'Objects', cell: (each) => number(each.objects), figure: true },
  { title: 'Images', cell: (each) => number(each.images), figure: true },
]
const failureColumns: Column<BatchFailure>[] = [
  {
    title: 'Failure',
    cell: (each) => (
      <div class="batches-failure">
        <strong>{each.error}</strong>
        <span>
          <Prose of={each.reason} />
        </span>
        {each.examples[0] && <span class="muted">Such as {each.examples[0]}</span>}
      </div>
    ),
  },
  { title: 'Images', cell: (each) => number(each.images), figure: true },
]

function Summary({ summary }: { summary: NonNullable<Batch['summary']> }) {
  const amounts = histogramOf(summary.histogram)
  const values = amounts.map(({ name, parts }) => `${name} ${number(parts[0])}`).join(', ')
  return (
    <>
      <section class="card stack" aria-labelledby="batches-summary">
        <h2 id="batches-summary">Results</h2>
        <p>{summaryText(summary)}</p>
        {summary.labels.length > 0 && (
          <>
            <h3>Objects by confidence</h3>
            <Columns label={`Objects by confidence, from each on: ${values}`} unit="Objects" amounts={amounts} />
          </>
        )}
      </section>
      {summary.labels.length > 0 && (
        <Table caption="Labels" columns={labelColumns} rows={summary.labels} rowKey={(each) => each.label} />
      )}
      {summary.failures.length > 0 && (
        <Table caption="Failures" columns={failureColumns} rows={summary.failures} rowKey={(each) => each.error} />
      )}
    </>
  )
}
