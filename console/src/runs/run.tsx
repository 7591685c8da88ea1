/** One run: its steps while they run, the verdicts of the gates, and how it ended. */
import { useState } from 'preact/hooks'
import { cancelRun, getRun, type Run } from '../api'
import { Bar } from '../charts/bars'
import { Link, type PageProps } from '../router'
import { isAdministrator } from '../session'
import { capital, Badge, Button, duration, number, PageHeader, Prose, sentence, usd } from '../ui'
import { answerAbout, ApprovalSection } from '../versions/approval'
import { waitsForApproval } from '../versions/compare'
import { ConfirmDialog } from './confirm'
import { Gates } from './gates'
import { Time, Unread, useLoaded, WhenLoaded } from './loaded'
import './runs.css'
import {
  estimateText,
  isRunning,
  leftText,
  outcomeOf,
  progressText,
  runSeconds,
  secondsToNextLook,
  stateText,
  starterText,
  TRAINING,
} from './wording'

const marks: Record<string, string> = { done: '\u2713', failed: '\u00d7', skipped: '\u2013', running: '', waiting: '' }

export default function RunPage({ params }: PageProps) {
  const id = params['id'] ?? ''
  const [cancelling, setCancelling] = useState(false)
  const loaded = useLoaded(() => getRun(id), id, (run) => (isRunning(run) ? secondsToNextLook(run, Date.now()) : null))
  return (
    <div class="page">
      <p>
        <Link href="/runs">All runs</Link>
      </p>
      <PageHeader
        title="Run"
        lead={<span class="mono runs-name">{id}</span>}
        actions={
          isAdministrator() && loaded.value && isRunning(loaded.value) ? (
            <Button kind="danger" onClick={() => setCancelling(true)}>
              Cancel the run
            </Button>
          ) : null
        }
      />
      {cancelling && (
        <ConfirmDialog
          title="Cancel this run?"
          act="Cancel the run"
          back="Let it run"
          onAct={() => cancelRun(id)}
          done="The run is being cancelled."
          onClose={(hasActed) => {
            setCancelling(false)
            if (hasActed) loaded.reload()
          }}
        >
          It ends with your name in its reason, and the champion stays. A training that has begun cannot be stopped:
          Rekognition completes it and charges for it. What is new counts for the next run.
        </ConfirmDialog>
      )}
      <WhenLoaded of={loaded} label="Loading the run">
        {(run) => <RunBody run={run} reload={loaded.reload} />}
      </WhenLoaded>
    </div>
  )
}

function RunBody({ run, reload }: { run: Run; reload: () => void }) {
  return (
    <div class="runs-columns">
      <section class="card" aria-labelledby="runs-steps">
        <h2 id="runs-steps">Steps</h2>
        <p class="muted" role="status">
          {progressText(answerAbout(run.version ?? '', run.approval) ? { ...run, approval: null } : run, Date.now())}
        </p>
        {run.unread.includes('steps') ? <Unread what="Where its steps are" /> : <Timeline run={run} />}
        {run.unread.includes('training') && <Unread what="How far the training is" />}
      </section>
      <div class="stack">
        <section class="card stack" aria-labelledby="runs-result">
          <h2 id="runs-result">Result</h2>
          <Result run={run} />
        </section>
        {run.version && run.approval && (
          <section class="card stack">
            <ApprovalSection name={run.version} approval={run.approval} heading="h2" reload={reload} />
            <p>
              <Link href="/versions">{run.version} among the model versions</Link>
            </p>
          </section>
        )}
        <section class="card stack" aria-labelledby="runs-verdicts">
          <h2 id="runs-verdicts">Gates</h2>
          <Gates verdicts={run.verdicts} />
        </section>
      </div>
    </div>
  )
}

function Timeline({ run }: { run: Run }) {
  return (
    <ol class="runs-timeline">
      {run.steps.map((step) => (
        <li key={step.name} class={`runs-step runs-step-${step.state}`}>
          <span class="runs-mark" aria-hidden="true">
            {marks[step.state]}
          </span>
          <div class="runs-step-body">
            <span class="runs-step-name">{capital(step.name)}</span>
            <span class="runs-step-state">
              {stateText(step.state)}
              {step.entered_at && (
                <>
                  {', '}
                  <Time of={step.entered_at} />
                </>
              )}
              {step.seconds !== null && <span class="runs-step-time">{duration(step.seconds)}</span>}
            </span>
            {step.name === TRAINING && run.training && <Training training={run.training} />}
          </div>
        </li>
      ))}
    </ol>
  )
}

/** How far the training is, as far as anybody knows: engines themselves do not say. */
function Training({ training }: { training: NonNullable<Run['training']> }) {
  return (
    <div class="runs-training">
      {training.fraction !== null && <Bar value={training.fraction} />}
      <strong>{leftText(training)}</strong>
      <span class="muted">{estimateText(training)}</span>
      {training.message && (
        <span class="muted">
          <Prose of={sentence(capital(training.message))} />
        </span>
      )}
    </div>
  )
}

function Result({ run }: { run: Run }) {
  const outcome = outcomeOf(run.outcome, run.reason)
  const isAsked = waitsForApproval(run.approval)
  return (
    <>
      <div>
        <Badge tone={outcome.tone}>{outcome.text}</Badge>
        <p>{outcome.meaning}</p>
        {/* The commands that a run's reason names then are for the command line. */}
        {run.reason && !isAsked && (
          <p class="runs-reason">
            <Prose of={run.reason} />
          </p>
        )}
      </div>
      <dl class="runs-facts">
        <dt>Started</dt>
        <dd>
          <Time of={run.started_at} />, by: {starterText(run)}
        </dd>
        <dt>{run.ended_at ? 'Duration' : 'Duration so far'}</dt>
        <dd>{duration(runSeconds(run, Date.now()))}</dd>
        <dt>Model version</dt>
        <dd class="runs-name">{run.version ? <Link href="/versions">{run.version}</Link> : 'none'}</dd>
        <dt>F1</dt>
        <dd>{number(run.f1, 3)}</dd>
        <dt>Snapshot</dt>
        <dd class="runs-name">{typeof run.snapshot === 'string' ? run.snapshot : 'none yet'}</dd>
        {run.forecast_usd !== null && (
          <>
            <dt>Forecast cost</dt>
            <dd>{usd(run.forecast_usd)}</dd>
          </>
        )}
        <dt>Estimated cost</dt>
        <dd>{usd(run.estimated_usd)}</dd>
        {run.usd_per_hour !== null && (
          <>
            <dt>Its version costs</dt>
            <dd>{usd(run.usd_per_hour)} for each hour in which it runs</dd>
          </>
        )}
      </dl>
      {run.report_url ? (
        <p>
          <a href={run.report_url} target="_blank" rel="noreferrer">
            Dataset report (opens in a new tab)
          </a>
        </p>
      ) : (
        <p class="muted">There is no dataset report: the run has not checked its dataset.</p>
      )}
    </>
  )
}
