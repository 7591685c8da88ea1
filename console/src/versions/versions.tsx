/** The list of model versions: how good each is on test images, and the champion in production. */
import { useState } from 'preact/hooks'
import { getVersions, startRollback, type ModelVersion } from '../api'
import { Bar, IntervalBar } from '../charts/bars'
import { Trend } from '../charts/trend'
import { Link } from '../router'
import { Gates } from '../runs/gates'
import { ConfirmDialog } from '../runs/confirm'
import { Time, Unread, useLoaded, WhenLoaded } from '../runs/loaded'
import { isAdministrator } from '../session'
import '../runs/runs.css'
import { statusOf, trainingText } from '../runs/wording'
import { Badge, Button, capital, EmptyState, number, PageHeader, percent, Prose } from '../ui'
import { answerText, canServe, differenceText, measured, newestFirst, serveWords, shortName, thresholdText, weakestFirst } from './compare'
import { answerAbout, ApprovalSection } from './approval'
import { LineageSection } from './lineage'
import { ServingCard } from './serving'
import './versions.css'

const SHOWN_LABELS = 8

export default function Versions() {
  const loaded = useLoaded(getVersions, 'versions', () => 30)
  return (
    <div class="page">
      <PageHeader
        title="Model versions"
        lead="Each run trains a version. The champion is the one in production; another version replaces it if both gates let it pass."
      />
      <WhenLoaded of={loaded} label="Loading the model versions">
        {({ versions, label_thresholds, unread }) =>
          versions.length === 0 ? (
            <EmptyState title="No model versions yet" action={<Link href="/runs">Go to the runs</Link>}>
              The first run trains the first version. It starts automatically once enough images are labelled.
            </EmptyState>
          ) : (
            <div class="stack">
              <ServingCard />
              {unread.includes('precision') && <Unread what="How right the versions are in production" />}
              <VersionList versions={newestFirst(versions)} thresholds={label_thresholds} reload={loaded.reload} />
            </div>
          )
        }
      </WhenLoaded>
    </div>
  )
}

/** Percent by label: those of the deployment. */
type Thresholds = Record<string, number>

function VersionList({ versions, thresholds, reload }: { versions: ModelVersion[]; thresholds: Thresholds; reload: () => void }) {
  const champion = versions.find((version) => version.champion) ?? null
  return (
    <div class="stack">
      {!champion && (
        <p class="runs-stale">No version is in production yet.</p>
      )}
      {versions.length > 1 && <Overview versions={versions} />}
      {versions.map((version) => (
        <VersionCard key={version.name} version={version} champion={champion} thresholds={thresholds} reload={reload} />
      ))}
    </div>
  )
}

function Overview({ versions }: { versions: ModelVersion[] }) {
  const byAge = [...versions].reverse()
  const values = byAge.map(({ name, f1 }) => `${name} ${number(f1, 3)}`).join(', ')
  return (
    <section class="card" aria-labelledby="versions-trend">
      <h2 id="versions-trend">F1 by version</h2>
      <p class="muted">Each at its own evaluation, on the test images of its dataset. The filled dot is the champion.</p>
      <Trend
        label={`F1 from the oldest version to the newest: ${values}`}
        unit="F1"
        measurements={byAge.map(({ name, f1, champion }) => ({
          name: shortName(name),
          value: f1,
          text: number(f1, 3),
          marked: champion,
        }))}
      />
    </section>
  )
}

interface Shown {
  version: ModelVersion
  champion: ModelVersion | null
  thresholds: Thresholds
}

function VersionCard({ version, champion, thresholds, reload }: Shown & { reload: () => void }) {
  const answer = answerAbout(version.name, version.approval)
  const status = answer ? { text: capital(answer), tone: 'info' as const, meaning: answerText(answer) } : statusOf(version, Date.now())
  const difference = version.champion ? '' : differenceText(version.f1, champion?.f1 ?? null)
  return (
    <article class={version.champion ? 'card versions-champion' : 'card'}>
      <div class="versions-head">
        <div>
          <h2 class="runs-name">{version.name}</h2>
          <p class="row">
            <Badge tone={status.tone}>{status.text}</Badge>
            <span class="muted">{status.meaning}</span>
            <span class="muted">
              {trainingText(version.status)} <Time of={version.created_at} />
            </span>
          </p>
          {version.reason && (
            <p class="runs-reason">
              <Prose of={version.reason} />
            </p>
          )}
        </div>
        <p class="versions-f1">
          <strong>{number(version.f1, 3)}</strong> <span class="muted">overall F1</span>
          {difference && <span class="versions-difference">{difference}</span>}
        </p>
        {version.f1 !== null && (
          <p class="versions-act">
            <Link class="button" href={`/versions/${encodeURIComponent(version.name)}`}>
              Evaluation<span class="visually-hidden"> of {version.name}</span>
            </Link>
          </p>
        )}
        {isAdministrator() && canServe(version) && <RollBack version={version} />}
      </div>
      <div class="versions-body">
        <Labels version={version} champion={champion} thresholds={thresholds} />
        <div class="stack">
          {version.approval && <ApprovalSection name={version.name} approval={version.approval} heading="h3" reload={reload} />}
          <Production version={version} />
          <section>
            <h3>Gates</h3>
            <Gates verdicts={version.verdicts} />
          </section>
          <LineageSection name={version.name} />
        </div>
      </div>
    </article>
  )
}

/** Makes this version the champion: no gate decides, a person does. */
function RollBack({ version }: { version: ModelVersion }) {
  const [asking, setAsking] = useState(false)
  const { act, label, question, done } = serveWords(version)
  return (
    <div class="versions-act">
      <Button aria-label={label} onClick={() => setAsking(true)}>
        {act}
      </Button>
      {asking && (
        <ConfirmDialog
          title={question}
          act={act}
          onAct={() => startRollback(version.name)}
          done={done}
          onClose={() => setAsking(false)}
        >
          This version is started and becomes the champion as soon as it answers, whatever its figures are. The present
          champion serves until then, and is stopped. Both run for some minutes, which costs as two models do.
        </ConfirmDialog>
      )}
    </div>
  )
}

function Labels({ version, champion, thresholds }: Shown) {
  const [all, setAll] = useState(false)
  const labels = weakestFirst(version.labels)
  if (labels.length === 0)
    return <p class="muted">{version.f1 === null ? 'Its training has not been evaluated.' : 'Its evaluation has no figures per label.'}</p>
  const rival = version.champion ? null : champion
  const before = new Map(rival?.labels.map(({ label, f1 }) => [label, f1]))
  return (
    <section>
      <h3>Labels, weakest first</h3>
      <p class="muted versions-legend">
        Precision is the share of detections that are correct, recall the share of objects that are detected. F1 combines
        both. Below each label is its threshold: the confidence from which on detections of it count.
        {rival && ' The line across an F1 bar marks the champion, on its own test images.'}
      </p>
      <table class="versions-labels">
        <caption class="visually-hidden">Figures of {version.name} for each label</caption>
        <thead>
          <tr>
            {['Label', 'F1', 'Precision', 'Recall'].map((title) => (
              <th key={title} scope="col">
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {(all ? labels : labels.slice(0, SHOWN_LABELS)).map((score) => (
            <tr key={score.label}>
              <th scope="row">
                {score.label}
                <span class="muted versions-threshold">{thresholdText(score, thresholds)}</span>
              </th>
              <td>
                {number(score.f1, 2)}
                <Bar value={score.f1} mark={before.get(score.label)} />
              </td>
              <td>
                {number(score.precision, 2)}
                <Bar value={score.precision} series="second" />
              </td>
              <td>
                {number(score.recall, 2)}
                <Bar value={score.recall} series="third" />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {labels.length > SHOWN_LABELS && (
        <Button kind="quiet" aria-expanded={all} onClick={() => setAll(!all)}>
          {all ? 'Show only the weakest' : `Show all ${labels.length} labels`}
        </Button>
      )}
    </section>
  )
}

function Production({ version }: { version: ModelVersion }) {
  const precision = measured(version.production_precision)
  return (
    <section>
      <h3>In production</h3>
      {precision ? (
        <>
          <p>
            <strong>{percent(precision.value, 1)}</strong> of its confident detections were correct
          </p>
          <IntervalBar {...precision} />
          <p class="muted">
            95 % confidence interval: {percent(precision.low, 1)} to {percent(precision.high, 1)}. From a random sample of{' '}
            {number(precision.images)} images without an uncertain detection, which reviewers checked.
          </p>
        </>
      ) : (
        <p class="muted">Not measured yet: reviewers have not checked a random sample of its confident detections.</p>
      )}
      {(version.champion || version.status === 'retired') && (
        <Link href={`/production/${encodeURIComponent(version.name)}`}>
          Over time, by label, and what arrives<span class="visually-hidden">, of {version.name}</span>
        </Link>
      )}
    </section>
  )
}
