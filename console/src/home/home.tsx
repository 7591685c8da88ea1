/** The state of everything: the champion and its cost, what waits for whom, runs, versions, labels, production. */
import type { ComponentChildren } from 'preact'
import { getHome, getHomeQuality, type Home, type HomePart, type HomeQuality, type HomeQualityPart } from '../api'
import { Bar } from '../charts/bars'
import { Trend } from '../charts/trend'
import { DriftState, Headline } from '../production/production'
import { PrecisionTrend } from '../production/trend'
import { placeOf, taskText } from '../production/words'
import { Link } from '../router'
import { Time, Unread, useLoaded, WhenLoaded } from '../runs/loaded'
import '../runs/runs.css'
import { isRollback, isRunning, outcomeOf } from '../runs/wording'
import { isAdministrator } from '../session'
import { Badge, capital, number, PageHeader, Prose, usd } from '../ui'
import { shortName } from '../versions/compare'
import { servingStatus } from '../versions/sleep'
import './home.css'

const SHOWN_LABELS = 10

export default function HomePage() {
  const loaded = useLoaded(getHome, 'home', () => 30)
  // What takes longer to read comes by a request of its own, so that what waits is shown before.
  const quality = useLoaded(getHomeQuality, 'quality', () => 30)
  return (
    <div class="page">
      <PageHeader title="Home" lead="How the loop stands, and what it waits for." />
      <WhenLoaded of={loaded} label="Loading how everything stands">
        {(home) => (
          <div class="home">
            <Champion home={home} quality={quality.value} />
            <Waiting home={home} />
            <Runs home={home} />
            <WhenLoaded of={quality} label="Loading how good the versions are">
              {(of) => (
                <>
                  <Versions quality={of} />
                  <Precision home={home} quality={of} />
                  <DriftCard home={home} quality={of} />
                </>
              )}
            </WhenLoaded>
            {home.labels.length > 0 && <Labels home={home} />}
          </div>
        )}
      </WhenLoaded>
    </div>
  )
}

const isUnread = ({ unread }: Home, part: HomePart): boolean => unread.includes(part)
const isQualityUnread = ({ unread }: HomeQuality, part: HomeQualityPart): boolean => unread.includes(part)

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

function Champion({ home, quality }: { home: Home; quality: HomeQuality | null }) {
  const { serving, costs } = home
  if (!serving) {
    return (
      <Card id="home-champion" title="Champion" more={['/versions', 'Model versions']}>
        <Unread what="Whether the champion serves" />
        <CostFigures home={home} />
      </Card>
    )
  }
  if (!serving.champion) {
    const isEmpty = home.runs.length === 0 && home.snapshot_images === 0
    return (
      <Card id="home-champion" title="Champion" more={isEmpty && isAdministrator() ? ['/dataset/upload', 'Upload images'] : ['/runs', 'Runs']}>
        <p>No version is in production yet.</p>
        <p class="muted">{beforeChampion(home)}</p>
        {!costs && <Unread what="The costs" />}
      </Card>
    )
  }
  const status = servingStatus(serving)
  // Where another has become champion since, its figures come by the next request.
  const f1 = quality?.versions.find(({ name }) => name === serving.champion)
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
      <CostFigures home={home}>
        <Figure name="F1" value={number(f1?.f1, 3)} more={f1?.low ? `${number(f1.low, 3)} to ${number(f1.high, 3)}` : 'at its evaluation'} />
        <Figure name="Waiting for it" value={number(serving.waiting_images)} more={serving.waiting_images === 1 ? 'image' : 'images'} />
      </CostFigures>
    </Card>
  )
}

/** How there comes to be a champion. */
function beforeChampion({ runs, waiting }: Home): string {
  if (waiting.some(({ kind }) => kind === 'approval')) return 'A version has passed the gates: it serves once it is approved.'
  if (runs.some(isRunning)) return 'A run is under way: its version serves if both gates let it pass.'
  if (runs.some(({ version }) => version)) return 'The next run starts by itself once enough images are new or changed. The last runs say what kept their versions from serving.'
  return 'The first run starts by itself once enough images are labelled.'
}

/** What runs and what it costs, with other figures beside. */
function CostFigures({ home: { costs }, children }: { home: Home; children?: ComponentChildren }) {
  return (
    <>
      <dl class="home-figures">
        {costs && (
          <>
            <Figure name="An hour, now" value={usd(costs.usd_per_hour)} more={`${number(costs.units)} inference ${costs.units === 1 ? 'unit' : 'units'}`} />
            <Figure name="This month" value={usd(costs.month_usd)} more={costs.budget_usd === null ? 'no budget' : `of ${usd(costs.budget_usd)}`} />
          </>
        )}
        {children}
      </dl>
      {!costs && <Unread what="The costs" />}
    </>
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

/** What is read to know what waits, and what it is called where that failed. */
const waitingParts: [HomePart, string][] = [
  ['incidents', 'Incidents'],
  ['runs', 'Runs'],
  ['costs', 'The budget'],
  ['approvals', 'Approvals'],
  ['drift', 'Changes of what arrives'],
  ['reviews', 'Open reviews'],
]

function Waiting({ home }: { home: Home }) {
  const unread = waitingParts.filter(([part]) => isUnread(home, part))
  return (
    <Card id="home-waiting" title="Waits for you">
      {home.waiting.length === 0 && unread.length === 0 && <p class="muted">Nothing waits for anybody.</p>}
      {unread.length > 0 && <Unread what={`Whether anything waits of these: ${unread.map(([, name]) => name.toLowerCase()).join(', ')}:`} />}
      {home.waiting.length > 0 && (
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

const productionOf = (version: string | undefined, text: string): [string, string] | undefined => (version ? [`/production/${encodeURIComponent(version)}`, text] : undefined)

interface QualityProps {
  home: Home
  quality: HomeQuality
}
function Precision({ home: { serving }, quality }: QualityProps) {
  const { production } = quality
  if (!production && !isQualityUnread(quality, 'precision')) return null
  return (
    <Card id="home-precision" title="Precision in production" more={productionOf(production?.version ?? serving?.champion ?? undefined, 'More')}>
      {production ? (
        <>
          <Headline answers={production.answers} />
          <PrecisionTrend production={production} />
        </>
      ) : (
        <Unread what="How right its answers are" />
      )}
    </Card>
  )
}

function DriftCard({ home: { serving }, quality }: QualityProps) {
  const { drift } = quality
  if (!drift && !isQualityUnread(quality, 'drift')) return null
  return (
    <Card id="home-drift" title="What arrives, beside the test images" more={productionOf(serving?.champion ?? undefined, 'Pictures')}>
      {drift ? <DriftState drift={drift} /> : <Unread what="Whether what arrives has changed" />}
    </Card>
  )
}

function Versions({ quality }: { quality: HomeQuality }) {
  const { versions } = quality
  if (isQualityUnread(quality, 'versions')) {
    return (
      <Card id="home-versions" title="F1 by version" more={['/versions', 'Model versions']}>
        <Unread what="The versions" />
      </Card>
    )
  }
  if (versions.length === 0) return null
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

function Runs({ home }: { home: Home }) {
  const { runs } = home
  return (
    <Card id="home-runs" title="Last runs" more={['/runs', 'All runs']}>
      {isUnread(home, 'runs') ? <Unread what="The runs, and the images of the newest snapshot," /> : runs.length === 0 && <p class="muted">No run yet.</p>}
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
