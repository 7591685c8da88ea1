/** The dataset report of the newest snapshot: what is wrong with the dataset, and what it holds. */
import { getDatasetReport, type DatasetReport, type ReportFinding } from '../api'
import { Link } from '../router'
import { Time, useLoaded, WhenLoaded } from '../runs/loaded'
import '../runs/runs.css'
import { Badge, number, PageHeader, Prose, Table, type Column } from '../ui'
import { Thumbnail } from './dataset'
import './dataset.css'
import { addressOf, noFilters } from './filters'

const tones = { error: 'bad', warning: 'warn', info: 'info' } as const
const severityTexts = { error: 'Error', warning: 'Warning', info: 'Note' } as const

export default function Report() {
  const loaded = useLoaded(getDatasetReport, '')
  return (
    <div class="page stack">
      <PageHeader title="Dataset report" lead="Made of each snapshot, before a training costs anything." actions={<Link href="/dataset">All images</Link>} />
      <WhenLoaded of={loaded} label="Loading the report">
        {(report) => <Contents report={report} />}
      </WhenLoaded>
    </div>
  )
}

function Contents({ report }: { report: DatasetReport }) {
  return (
    <>
      <section class="card stack">
        <h2>{report.verdict}</h2>
        <p class="muted">
          {`${number(report.train_images)} training and ${number(report.test_images)} test images, ${number(report.label_count)} labels. Made `}
          <Time of={report.made_at} /> by <Link href={`/runs/${encodeURIComponent(report.run)}`}>{report.run}</Link>.{' '}
          <a href={report.page_url}>The report as a page to keep</a>
        </p>
      </section>
      {report.findings.map((finding) => (
        <Finding key={`${finding.code} ${finding.title}`} finding={finding} />
      ))}
      <section class="card stack">
        <h2>Images of each label</h2>
        <Table caption="Images of each label" columns={columnsOf(report.labels)} rows={report.labels} rowKey={({ label }) => label} />
      </section>
      <div class="report-histograms">
        {report.histograms.map((histogram) => (
          <Histogram key={histogram.title} histogram={histogram} />
        ))}
      </div>
    </>
  )
}

type ReportLabel = DatasetReport['labels'][number]
const labelColumns: Column<ReportLabel>[] = [
  { title: 'Label', cell: ({ label }) => <Link href={addressOf({ ...noFilters, label })}>{label}</Link> },
  { title: 'Training images', cell: ({ train_images }) => number(train_images), figure: true },
  { title: 'Test images', cell: ({ test_images }) => number(test_images), figure: true },
]
const boxColumns: Column<ReportLabel>[] = [
  { title: 'Training boxes', cell: ({ train_boxes }) => number(train_boxes), figure: true },
  { title: 'Test boxes', cell: ({ test_boxes }) => number(test_boxes), figure: true },
]
/** Boxes only where there are some: labels of whole images have none. */
const columnsOf = (labels: ReportLabel[]) => (labels.some((label) => label.train_boxes + label.test_boxes > 0) ? [...labelColumns, ...boxColumns] : labelColumns)

function Finding({ finding }: { finding: ReportFinding }) {
  const { severity, title, what_it_does, how_to_fix, details, examples, source } = finding
  return (
    <section class="card stack">
      <h2>
        <Badge tone={tones[severity]}>{severityTexts[severity]}</Badge> <Prose of={title} />
      </h2>
      <p>
        <Prose of={what_it_does} /> <Prose of={how_to_fix} />{' '}
        {source && <a href={source}>AWS&rsquo;s documentation</a>}
      </p>
      {details.length > 0 && (
        <details>
          <summary>{`Details (${number(details.length)})`}</summary>
          <ul class="report-details">
            {details.map((line) => (
              <li key={line}>{line}</li>
            ))}
          </ul>
        </details>
      )}
      {examples.length > 0 && (
        <ul class="report-examples">
          {examples.map((example, i) => (
            <li key={`${example.image} ${i}`} class="cell">
              <Link href={`/dataset/${example.image}`}>
                <Thumbnail image={example} />
                <span class="visually-hidden">{example.caption || example.labels.join(', ') || 'Example'}</span>
              </Link>
              <span class="cell-caption" aria-hidden="true">
                {example.caption || example.labels.join(', ')}
              </span>
            </li>
          ))}
        </ul>
      )}
    </section>
  )
}

function Histogram({ histogram }: { histogram: DatasetReport['histograms'][number] }) {
  const most = Math.max(1, ...histogram.bins.map(({ train, test }) => train + test))
  return (
    <section class="card">
      <h2>{histogram.title}</h2>
      <table class="report-bars">
        <caption class="visually-hidden">{histogram.title}</caption>
        <thead class="visually-hidden">
          <tr>
            <th scope="col">{histogram.title}</th>
            <th scope="col">{`Share of the most ${histogram.unit}`}</th>
            <th scope="col">{`Number of ${histogram.unit}`}</th>
          </tr>
        </thead>
        <tbody>
          {histogram.bins.map(({ name, train, test }) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              <td>
                <meter min={0} max={most} value={train + test} aria-label={`${name}: ${number(train + test)} ${histogram.unit}`} />
              </td>
              <td class="figure">{number(train + test)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  )
}
