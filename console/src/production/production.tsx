/** How a version does in production: its precision, and whether what arrives is as its test images. */
import { useState } from 'preact/hooks'
import { getProduction, getProductionPictures, type AnswerPrecision, type Drift, type Production, type ProductionPicture } from '../api'
import { IntervalBar } from '../charts/bars'
import { Link, type PageProps } from '../router'
import { Moment, useLoaded, WhenLoaded } from '../runs/loaded'
import '../runs/runs.css'
import { Badge, Button, capital, number, PageHeader, percent, Prose, Table, type Column } from '../ui'
import { PrecisionTrend } from './trend'
import { basisText, bestShare, driftText, intervalText, isCompared } from './words'
import './production.css'

const SHOWN_LABELS = 12

export default function ProductionPage({ params }: PageProps) {
  const name = params['name'] ?? ''
  const loaded = useLoaded(() => getProduction(name), name, () => 60)
  return (
    <div class="page">
      <PageHeader
        title="Production"
        lead={
          <>
            What <span class="runs-name">{name}</span> does with what arrives under detect/ and from applications.
          </>
        }
        actions={
          <Link class="button" href={`/versions/${encodeURIComponent(name)}`}>
            Evaluation
          </Link>
        }
      />
      <WhenLoaded of={loaded} label="Loading what is known of production">
        {(production) => (
          <div class="stack">
            <PrecisionCard production={production} />
            <DriftCard production={production} />
            {production.labels.length > 0 && <LabelsCard production={production} />}
          </div>
        )}
      </WhenLoaded>
    </div>
  )
}

function PrecisionCard({ production }: { production: Production }) {
  const { answers, images, detections, unsure_detections } = production
  return (
    <section class="card stack" aria-labelledby="production-precision">
      <h2 id="production-precision">Precision</h2>
      <Headline answers={answers} />
      <PrecisionTrend production={production} />
      <Kinds production={production} />
      <p class="muted">
        {number(images)} images with {number(detections)} detections were counted, {number(unsure_detections)} of them on
        images that the model was unsure of. Detections of one image are right and wrong together; the intervals take
        that into account, and hold with 95 % certainty.
      </p>
    </section>
  )
}

/** The figure that says most, with its interval. */
export function Headline({ answers }: { answers: AnswerPrecision }) {
  const share = bestShare(answers)
  if (!share) return <p class="muted">{basisText(answers)}</p>
  return (
    <div>
      <p>
        <strong class="production-figure">{percent(share.value, 1)}</strong> <span class="muted">({intervalText(share)})</span>{' '}
        {basisText(answers)}
      </p>
      <IntervalBar {...share} />
    </div>
  )
}

interface Kind {
  name: string
  of: AnswerPrecision['sure']
}
const kindColumns: Column<Kind>[] = [
  { title: 'Images', cell: ({ name }) => name },
  { title: 'Correct', cell: ({ of }) => percent(of?.precision, 1), figure: true },
  { title: '95 % interval', cell: ({ of }) => (of ? `${percent(of.low, 1)} to ${percent(of.high, 1)}` : '\u2013'), figure: true },
  { title: 'Detections', cell: ({ of }) => number(of && of.confirmed + of.false), figure: true },
  { title: 'Missed', cell: ({ of }) => number(of?.missed), figure: true },
  { title: 'Reviewed', cell: ({ of }) => number(of?.images), figure: true },
]

function Kinds({ production }: { production: Production }) {
  const others = production.others.flatMap(({ source, answers }): Kind[] => [
    { name: `${capital(source)}, a sample`, of: answers.sure },
    { name: `${capital(source)}, unsure`, of: answers.unsure },
  ])
  const kinds: Kind[] = [
    { name: 'Sure, a random sample', of: production.answers.sure },
    { name: 'Unsure, as many as were reviewed', of: production.answers.unsure },
    ...others.filter(({ of }) => of),
  ]
  return (
    <>
      <Table caption="Reviews by kind of image" columns={kindColumns} rows={kinds} rowKey={({ name }) => name} />
      {others.length > 0 && (
        <p class="muted">
          Clips and batches are not in the figure above: how many sure and unsure detections they had is not counted, so
          their reviews cannot be weighted. Frames of one clip are alike, which makes their interval too narrow.
        </p>
      )}
    </>
  )
}

function DriftCard({ production }: { production: Production }) {
  const { drift } = production
  return (
    <section class="card stack" aria-labelledby="production-drift">
      <h2 id="production-drift">What arrives, beside the test images</h2>
      <DriftState drift={drift} />
      {drift.looked_at && <Pictures version={production.version} />}
    </section>
  )
}

/** Whether anything has changed, and what. */
export function DriftState({ drift }: { drift: Drift }) {
  return (
    <>
      <p class="row">
        {drift.since ? <Badge tone="warn">Changed</Badge> : isCompared(drift) ? <Badge tone="good">As tested</Badge> : <Badge>Not compared</Badge>}
        {drift.since && (
          <span class="muted">
            since <Moment of={drift.since} />
          </span>
        )}
      </p>
      {drift.findings.length > 0 && (
        <ul class="production-findings">
          {drift.findings.map(({ kind, label, text }) => (
            <li key={`${kind} ${label}`}>{capital(text)}.</li>
          ))}
        </ul>
      )}
      <p class="muted">
        <Prose of={driftText(drift)} />
      </p>
    </>
  )
}

function Pictures({ version }: { version: string }) {
  const loaded = useLoaded(() => getProductionPictures(version), version)
  return (
    <WhenLoaded of={loaded} label="Loading pictures">
      {({ arrived, tested }) => (
        <div class="production-sides">
          <Side title="Arrived" pictures={arrived} none="None was counted yet: an image is, within 15 minutes of its answer." />
          <Side title="Test images" pictures={tested} none="There is no evaluation to show test images of." />
        </div>
      )}
    </WhenLoaded>
  )
}

function Side({ title, pictures, none }: { title: string; pictures: ProductionPicture[]; none: string }) {
  return (
    <section aria-label={title}>
      <h3>{title}</h3>
      {pictures.length === 0 && <p class="muted">{none}</p>}
      <ul class="production-pictures">
        {pictures.map((picture) => (
          <li key={picture.url}>
            <Picture picture={picture} />
          </li>
        ))}
      </ul>
    </section>
  )
}

function Picture({ picture }: { picture: ProductionPicture }) {
  const [isGone, setGone] = useState(false)
  const { labels, detections, confidence } = picture
  const names = labels.length > 0 ? labels.join(', ') : 'Nothing detected'
  const figures = `${detections} ${detections === 1 ? 'detection' : 'detections'}${confidence === null ? '' : `, ${percent(confidence / 100)}`}`
  return (
    <figure class="production-picture">
      {isGone ? (
        <span class="production-gone muted">Deleted since</span>
      ) : (
        <img src={picture.url} alt={`An image with ${names}`} loading="lazy" onError={() => setGone(true)} />
      )}
      <figcaption>
        <span class="runs-name">{names}</span> <span class="muted">{figures}</span>
      </figcaption>
    </figure>
  )
}

type LabelRow = Production['labels'][number]
const labelColumns: Column<LabelRow>[] = [
  { title: 'Label', cell: ({ label }) => <span class="runs-name">{label}</span> },
  { title: 'All answers', cell: ({ answers }) => percent(answers.whole?.value, 1), figure: true },
  { title: '95 % interval', cell: ({ answers }) => (answers.whole ? intervalText(answers.whole) : '\u2013'), figure: true },
  { title: 'Sure', cell: ({ answers }) => percent(answers.sure?.precision, 1), figure: true },
  { title: 'Unsure', cell: ({ answers }) => percent(answers.unsure?.precision, 1), figure: true },
  { title: 'Missed', cell: ({ answers }) => number((answers.sure?.missed ?? 0) + (answers.unsure?.missed ?? 0)), figure: true },
]

function LabelsCard({ production }: { production: Production }) {
  const [all, setAll] = useState(false)
  const weakestFirst = [...production.labels].sort((a, b) => (bestShare(a.answers)?.value ?? 2) - (bestShare(b.answers)?.value ?? 2))
  return (
    <section class="card stack" aria-labelledby="production-labels">
      <h2 id="production-labels">Labels, weakest first</h2>
      <Table caption="Precision in production by label" columns={labelColumns} rows={all ? weakestFirst : weakestFirst.slice(0, SHOWN_LABELS)} rowKey={({ label }) => label} />
      {weakestFirst.length > SHOWN_LABELS && (
        <Button kind="quiet" aria-expanded={all} onClick={() => setAll(!all)}>
          {all ? 'Show only the weakest' : `Show all ${weakestFirst.length} labels`}
        </Button>
      )}
    </section>
  )
}
