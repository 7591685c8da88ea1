/** What trainings and running models have cost, by the loop's own ledger. */
import { useState } from 'preact/hooks'
import { getCosts, type CostAccount, type Costs } from '../api'
import { Columns } from '../charts/columns'
import { Link } from '../router'
import { useLoaded, WhenLoaded } from '../runs/loaded'
import '../runs/runs.css'
import { Choices, EmptyState, number, PageHeader, Table, usd, when, type Column } from '../ui'
import { chartOf, monthText, runningText, serverlessText, type Grouping } from './sums'
import './costs.css'

const groupings: [Grouping, string][] = [
  ['day', 'By day'],
  ['month', 'By month'],
  ['version', 'By model version'],
]
const titles: Record<Grouping, string> = { day: 'Day (UTC)', month: 'Month (UTC)', version: 'Model version' }

const answers: Column<CostAccount>[] = [
  { title: 'Answers', cell: (account) => number(account.answers, 0), figure: true },
  { title: 'Answered', cell: (account) => usd(account.answers_usd), figure: true },
]

export default function CostsPage() {
  const [by, setBy] = useState<Grouping>('day')
  const loaded = useLoaded(() => getCosts(by), by, () => 60)
  return (
    <div class="page">
      <PageHeader
        title="Costs"
        lead="Every training and every hour that a model version runs, as Rekognition bills them, and what the engine serverless trains and answers. Storage, other functions and the rest are not counted; the bill is what counts. A unit-hour is an hour of one inference unit."
      />
      <div class="costs-groupings">
        <Choices label="Summed up" choices={groupings} chosen={by} onChoose={setBy} />
      </div>
      <WhenLoaded of={loaded} label="Loading the costs">
        {(costs) =>
          costs.accounts.length === 0 ? (
            <EmptyState title="No costs yet" action={<Link href="/runs">Go to the runs</Link>}>
              No training and no running model has been booked. What is under way is booked within a minute or two.
            </EmptyState>
          ) : (
            <Statement costs={costs} />
          )
        }
      </WhenLoaded>
    </div>
  )
}

function Statement({ costs }: { costs: Costs }) {
  const serverless = serverlessText(costs)
  const amounts = chartOf(costs.accounts, costs.by)
  const values = amounts.map(({ name, parts }) => `${name} ${usd(parts[0] + parts[1])}`).join(', ')
  const columns: Column<CostAccount>[] = [
    { title: titles[costs.by], cell: (account) => <span class="runs-name">{account.name}</span> },
    { title: 'Training hours', cell: (account) => number(account.training_hours, 2), figure: true },
    { title: 'Training', cell: (account) => usd(account.training_usd), figure: true },
    { title: 'Unit-hours', cell: (account) => number(account.unit_hours, 2), figure: true },
    { title: 'Running', cell: (account) => usd(account.units_usd), figure: true },
    ...(costs.serverless ? answers : []),
    { title: 'In all', cell: (account) => usd(account.usd), figure: true },
  ]
  return (
    <div class="stack">
      <section class="card" aria-labelledby="costs-now">
        <h2 id="costs-now">Now</h2>
        <p>{monthText(costs)}</p>
        <p>{runningText(costs)}</p>
        {costs.prices.is_estimate && (
          <p class="muted">
            The prices of {costs.prices.region} are not known here: an hour of training is reckoned with{' '}
            {usd(costs.prices.training_per_hour)}, an hour of an inference unit with{' '}
            {usd(costs.prices.inference_per_unit_hour)}.
          </p>
        )}
        {serverless && <p class="muted">{serverless}</p>}
        {costs.as_of && <p class="muted">As of {when(costs.as_of)}.</p>}
      </section>
      <section class="card" aria-labelledby="costs-chart">
        <h2 id="costs-chart">{titles[costs.by]}</h2>
        <p class="row costs-legend">
          <span class="costs-training">Training</span>
          <span class="costs-running">{costs.serverless ? 'Running and answers' : 'Running'}</span>
        </p>
        <Columns label={`Costs, ${costs.by === 'version' ? 'the newest version first' : 'the latest last'}: ${values}`} unit="USD" amounts={amounts} />
      </section>
      <Table caption="Costs" columns={columns} rows={costs.accounts} rowKey={(account) => account.name} />
      <p>
        <strong>In all: {usd(costs.usd)}</strong>
      </p>
    </div>
  )
}
