/** The state of everything: the champion and its cost, what waits for whom, runs, versions, labels, production. */
import type { ComponentChildren } from 'preact'
import { getHome, type Home, type RunSummary } from '../api'
import { Bar } from '../charts/bars'
import { Trend } from '../charts/trend'
import { DriftState, Headline } from '../production/production'
import { PrecisionTrend } from '../production/trend'
import { placeOf, taskText } from '../production/words'
import { Link } from '../router'
import { Time, useLoaded, WhenLoaded } from '../runs/loaded'
import '../runs/runs.css'
import { isRollback, outcomeOf } from '../runs/wording'
import { Badge, capital, number, PageHeader, Prose, usd } from '../ui'
import { shortName } from '../versions/compare'
import { servingStatus } from '../versions/sleep'
import './home.css'

const SHOWN_LABELS = 10

export default function HomePage() {
  const loaded = useLoaded(getHome, 'home', () => 30)
  return (
    <div class="page">
      <PageHeader title="Home" lead="How the loop stands, and what it waits for." />
      <WhenLoaded of={loaded} label="Loading how everything stands">
        {(home) => (
          <div class="home">
            <Champion home={home} />
            <Waiting home={home} />
            {home.production && <Precision home={home} />}
            {home.production && <DriftCard home={home} />}
            {home.versions.length > 0 && <Versions home={home} />}
            <Runs runs={home.runs} />
            {home.labels.length > 0 && <Labels home={home} />}
          </div>
        )}
      </WhenLoaded>
    </div>
  )
}

interface CardProps {
  id: string
  title: string
  /** Where there is more. */
  more?: [href: string, text: string]
  wide?: boolean
  children: ComponentChildren
}
function Card({ id, title, more, wide = false, children }: CardProps) {
  return (
    <section class={wide ? 'card home-card home-wide' : 'card home-card'} aria-labelledby={id}>
      <div class="home-head">
        <h2 id={id}>{title}</h2>
        {more && <Link href={more[0]}>{more[1]}</Link>}
      </div>
      {children}
    </section>
  )
}

function Champion({ home }: { home: Home }) {
  const { serving, usd_per_hour, month_usd, budget_usd, units } = home
  if (!serving.champion) {
    return (
      <Card id="home-champion" title="Champion" more={['/runs', 'Runs']}>
        <p>No version is in production: none has passed its gates yet.</p>
        <p class="muted">The first run starts by itself once enough images are labelled.</p>
      </Card>
    )
  }
  const status = servingStatus(serving)
  const f1 = home.versions.find(({ champion }) => champion)
  return (
    <Card id="home-champion" title="Champion" more={['/versions', 'Model versions']}>
      <p class="row">
        <strong class="runs-name">{serving.champion}</strong>
        <Badge tone={status.tone}>{status.text}</Badge>
      </p>
      <p class="muted">{status.meaning}</p>
      {serving.trouble && (
        <p class="runs-reason">
          <Prose of={serving.trouble} />
        </p>
      )}
      <dl class="home-figures">
        <Figure name="An hour, now" value={usd(usd_per_hour)} more={`${number(units)} inference ${units === 1 ? 'unit' : 'units'}`} />
        <Figure name="This month" value={usd(month_usd)} more={budget_usd === null ? 'no budget' : `of ${usd(budget_usd)}`} />
        <Figure name="F1" value={number(f1?.f1, 3)} more={f1?.low ? `${number(f1.low, 3)} to ${number(f1.high, 3)}` : 'at its evaluation'} />
        <Figure name="Wait for it" value={number(serving.waiting_images)} more={serving.waiting_images === 1 ? 'image' : 'images'} />
      </dl>
    </Card>
  )
}

function Figure({ name, value, more }: { name: string; value: string; more: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        <strong>{value}</strong> <span class="muted">{more}</span>
      </dd>
    </div>
  )
}

const urgent = new Set(['incident', 'run', 'budget'])

function Waiting({ home }: { home: Home }) {
  return (
    <Card id="home-waiting" title="Waits for you">
      {home.waiting.length === 0 ? (
        <p class="muted">Nothing waits for anybody.</p>
      ) : (
        <ul class="home-list">
          {home.waiting.map((task) => {
            const [href, text] = placeOf(task)
            return (
              <li key={`${task.kind} ${task.subject} ${task.text}`}>
                <Badge tone={urgent.has(task.kind) ? 'bad' : task.kind === 'reviews' ? 'info' : 'warn'}>{capital(task.kind)}</Badge>
                <span class="home-text">
                  <Prose of={taskText(task)} />
                </span>
                <Link href={href}>{text}</Link>
              </li>
            )
          })}
        </ul>
      )}
    </Card>
  )
}

function Precision({ home: { production } }: { home: Home }) {
  if (!production) return null
  return (
    <Card id="home-precision" title="Precision in production" more={[`/production/${encodeURIComponent(production.version)}`, 'More']}>
      <Headline answers={production.answers} />
      <PrecisionTrend production={production} />
    </Card>
  )
}

function DriftCard({ home: { production } }: { home: Home }) {
  if (!production) return null
  return (
    <Card id="home-drift" title="What arrives, beside the test images" more={[`/production/${encodeURIComponent(production.version)}`, 'Pictures']}>
      <DriftState drift={production.drift} />
    </Card>
  )
}

function Versions({ home: { versions } }: { home: Home }) {
  const values = versions.map(({ name, f1 }) => `${name} ${number(f1, 3)}`).join(', ')
  return (
    <Card id="home-versions" title="F1 by version" more={['/versions', 'Model versions']}>
      <p class="muted">Each on its own test images, with the interval that holds its true F1 with 95 % certainty. The champion is filled.</p>
      <Trend
        label={`F1 from the oldest version to the newest: ${values}`}
        unit="F1"
        measurements={versions.map(({ name, f1, low, high, champion }) => ({
          name: shortName(name),
          value: f1,
          low,
          high,
          text: number(f1, 2),
          marked: champion,
        }))}
      />
    </Card>
  )
}

function Runs({ runs }: { runs: RunSummary[] }) {
  return (
    <Card id="home-runs" title="Last runs" more={['/runs', 'All runs']}>
      {runs.length === 0 && <p class="muted">No run yet.</p>}
      <ul class="home-list">
        {runs.map((run) => {
          const outcome = outcomeOf(run.outcome, run.reason)
          return (
            <li key={run.id}>
              <Badge tone={outcome.tone}>{outcome.text}</Badge>
              <span class="home-text">
                {isRollback(run) ? (
                  <span class="runs-name">Rollback to {run.version}</span>
                ) : (
                  <Link class="runs-name" href={`/runs/${encodeURIComponent(run.id)}`}>
                    {run.version ?? run.id}
                  </Link>
                )}
                {run.f1 !== null && <span class="muted"> F1 {number(run.f1, 3)}</span>}
              </span>
              <span class="muted">
                <Time of={run.started_at} />
              </span>
            </li>
          )
        })}
      </ul>
    </Card>
  )
}

function Labels({ home: { labels, snapshot_images } }: { home: Home }) {
  const most = Math.max(1, ...labels.map(({ train, test }) => train + test))
  const shown = labels.slice(0, SHOWN_LABELS)
  return (
    <Card id="home-labels" title="Images by label" wide>
      <p class="muted">
        The newest snapshot has {number(snapshot_images)} images of {number(labels.length)} labels.
        {labels.length > SHOWN_LABELS && ` These have the fewest.`} An image with several labels counts for each. Those up to the mark are trained with, the others tested.
      </p>
      <ul class="home-labels">
        {shown.map(({ label, train, test }) => (
          <li key={label}>
            <span class="runs-name">{label}</span>
            <Bar value={(train + test) / most} mark={train / most} />
            <span class="muted">
              {number(train)} to train, {number(test)} to test
            </span>
          </li>
        ))}
      </ul>
    </Card>
  )
}
