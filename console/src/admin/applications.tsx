/** Who may ask the detection API, how often, and how much they do. */
import { getApplications, type ApplicationLine } from '../api'
import { Time, useLoaded, WhenLoaded } from '../runs/loaded'
import '../runs/runs.css'
import { Badge, EmptyState, number, PageHeader, Table, type Column } from '../ui'

const columns: Column<ApplicationLine>[] = [
  { title: 'Application', cell: (application) => <Name application={application} /> },
  { title: 'Requests a minute', cell: ({ rate }) => (rate ? number(rate) : '\u2013'), figure: true },
  { title: 'Last request', cell: ({ asked_at }) => (asked_at ? <Time of={asked_at} /> : 'None yet') },
  { title: 'Last hour', cell: ({ requests_last_hour }) => number(requests_last_hour), figure: true },
  { title: 'Last day', cell: ({ requests_last_day }) => number(requests_last_day), figure: true },
  { title: 'Minutes at its limit', cell: ({ full_minutes }) => number(full_minutes), figure: true },
]

function Name({ application: { name, kind, full_minutes } }: { application: ApplicationLine }) {
  return (
    <div class="runs-outcome">
      <strong class="runs-name">{name}</strong>
      {kind === 'removed' && <Badge tone="neutral">Removed</Badge>}
      {kind === 'aws' && <span class="muted">AWS credentials</span>}
      {full_minutes > 0 && (
        <span class="muted">
          Requests beyond its rate were refused; <code>labelloop apps rate</code> allows more.
        </span>
      )}
    </div>
  )
}

export default function Applications() {
  const loaded = useLoaded(getApplications, 'applications', () => 30)
  return (
    <div class="page">
      <PageHeader
        title="Applications"
        lead="Software that asks the detection API. An image in tiles counts as many requests; figures are of the last day. Applications are added and removed with labelloop apps."
      />
      <WhenLoaded of={loaded} label="Loading the applications">
        {({ applications }) =>
          applications.length === 0 ? (
            <EmptyState title="No applications yet">
              The command <code>labelloop apps add</code> lets one ask, and prints what its developer needs.
            </EmptyState>
          ) : (
            <Table caption="Applications" columns={columns} rows={applications} rowKey={({ name }) => name} />
          )
        }
      </WhenLoaded>
    </div>
  )
}
