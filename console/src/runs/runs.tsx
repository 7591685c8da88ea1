/** The list of retraining runs, newest first. */
import { getRuns, type RunSummary } from '../api'
import { Link } from '../router'
import { Badge, duration, EmptyState, number, PageHeader, Prose, Table, usd, type Column } from '../ui'
import { Time, useLoaded, WhenLoaded } from './loaded'
import './runs.css'
import { isRollback, newestFirst, outcomeOf, runSeconds, secondsToNextList, starterText } from './wording'

const columns: Column<RunSummary>[] = [
  {
    title: 'Run',
    cell: (run) => (
      <div class="runs-start">
        <Time of={run.started_at} />
        {isRollback(run) ? (
          <span class="runs-name">Rollback</span>
        ) : (
          <Link class="runs-name" href={`/runs/${encodeURIComponent(run.id)}`}>
            {run.id}
          </Link>
        )}
      </div>
    ),
  },
  { title: 'Outcome', cell: (run) => <Outcome run={run} /> },
  { title: 'Started by', cell: (run) => <div class="runs-name runs-starter">{starterText(run)}</div> },
  { title: 'Model version', cell: (run) => <span class="runs-name">{run.version ?? '\u2013'}</span> },
  { title: 'F1', cell: (run) => number(run.f1, 3), figure: true },
  { title: 'Duration', cell: (run) => duration(runSeconds(run, Date.now())), figure: true },
  { title: 'Estimated cost', cell: (run) => usd(run.estimated_usd), figure: true },
]

function Outcome({ run }: { run: RunSummary }) {
  const outcome = outcomeOf(run.outcome, run.reason)
  return (
    <div class="runs-outcome">
      <Badge tone={outcome.tone}>{outcome.text}</Badge>
      {run.reason && <span class="muted"><Prose of={run.reason} /></span>}
    </div>
  )
}

export default function Runs() {
  const loaded = useLoaded(getRuns, 'runs', ({ runs }) => secondsToNextList(runs, Date.now()))
  return (
    <div class="page">
      <PageHeader
        title="Runs"
        lead="A run makes a snapshot of the catalogue, trains a model on it, and puts it into production if both gates let it pass. Rollbacks are listed for 90 days."
      />
      <WhenLoaded of={loaded} label="Loading the runs">
        {({ runs }) =>
          runs.length === 0 ? (
            <EmptyState title="No runs yet" action={<Link href="/review">Go to the review desk</Link>}>
              The first run starts automatically once enough images are labelled. Upload images with their labels, or
              label images on the review desk.
            </EmptyState>
          ) : (
            <Table caption="Runs" columns={columns} rows={newestFirst(runs)} rowKey={(run) => run.id} />
          )
        }
      </WhenLoaded>
    </div>
  )
}
