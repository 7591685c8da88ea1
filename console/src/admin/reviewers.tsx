/** The figures of each reviewer: answers, and agreement with others. */
import { getReviewers, type Reviewer } from '../api'
import { Bar } from '../charts/bars'
import { useLoaded, WhenLoaded } from '../runs/loaded'
import '../runs/runs.css'
import { duration, EmptyState, number, PageHeader, percent, Table, type Column } from '../ui'
import './admin.css'
import { comparedText } from './wording'

const columns: Column<Reviewer>[] = [
  { title: 'Reviewer', cell: ({ name }) => <strong>{name}</strong> },
  { title: 'Answered', cell: ({ answered }) => number(answered), figure: true },
  { title: 'Corrected', cell: ({ corrected }) => number(corrected), figure: true },
  { title: 'Skipped', cell: ({ skipped }) => number(skipped), figure: true },
  { title: 'Agreement', cell: (reviewer) => <Agreement reviewer={reviewer} /> },
  { title: 'Compared', cell: ({ compared }) => number(compared), figure: true },
  { title: 'Time per answer', cell: ({ seconds_per_answer }) => duration(seconds_per_answer), figure: true },
]

function Agreement({ reviewer: { agreement, compared } }: { reviewer: Reviewer }) {
  return (
    <div class="admin-agreement">
      <span>{percent(agreement)}</span>
      {agreement !== null && <Bar value={agreement} />}
      <span class="muted">{comparedText(compared)}</span>
    </div>
  )
}

export default function Reviewers() {
  const loaded = useLoaded(getReviewers, 'reviewers', () => 30)
  return (
    <div class="page">
      <PageHeader
        title="Reviewers"
        lead="Everybody who has used the review desk. Agreement: of the images that several people answered, how much of a reviewer's answers is in the final result."
      />
      <WhenLoaded of={loaded} label="Loading the reviewers">
        {({ reviewers }) =>
          reviewers.length === 0 ? (
            <EmptyState title="No reviewers yet">
              Everybody who opens the review desk appears here. Add people with labelloop users add.
            </EmptyState>
          ) : (
            <Table caption="Reviewers" columns={columns} rows={reviewers} rowKey={({ reviewer }) => reviewer} />
          )
        }
      </WhenLoaded>
    </div>
  )
}
