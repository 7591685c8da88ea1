/** Whether the champion runs and is to run, and for administrators: starting it and putting it to sleep. */
import { useState } from 'preact/hooks'
import { askOfChampion, getServing, type Serving } from '../api'
import { ConfirmDialog } from '../runs/confirm'
import { Time, useLoaded, WhenLoaded } from '../runs/loaded'
import { isAdministrator } from '../session'
import { Badge, Button, capital, Prose, usd } from '../ui'
import { changeText, servingStatus } from './sleep'

export function ServingCard() {
  const loaded = useLoaded(getServing, 'serving', () => 30)
  return (
    <WhenLoaded of={loaded} label="Loading whether the champion runs">
      {(serving) => (serving.champion ? <Card serving={serving} /> : null)}
    </WhenLoaded>
  )
}

function Card({ serving }: { serving: Serving }) {
  const status = servingStatus(serving)
  return (
    <section class="card" aria-labelledby="versions-serving">
      <div class="versions-head">
        <div>
          <h2 id="versions-serving">Serving</h2>
          <p class="row">
            <Badge tone={status.tone}>{status.text}</Badge>
            <span class="muted">{status.meaning}</span>
          </p>
          {serving.reason && (
            <p>
              <Prose of={capital(serving.reason)} />
              {serving.since && (
                <span class="muted">
                  {', '}
                  <Time of={serving.since} />
                </span>
              )}
            </p>
          )}
          {serving.trouble && (
            <p class="runs-reason">
              <Prose of={serving.trouble} />
            </p>
          )}
          {serving.waiting_images > 0 && (
            <p>
              {serving.waiting_images} {serving.waiting_images === 1 ? 'image waits' : 'images wait'} for it under
              detect/.
            </p>
          )}
        </div>
        {isAdministrator() && <Ask serving={serving} />}
      </div>
      {serving.changes.length > 0 && <Changes serving={serving} />}
    </section>
  )
}

function Changes({ serving }: { serving: Serving }) {
  return (
    <details class="versions-changes">
      <summary>What was decided about it</summary>
      <ul>
        {serving.changes.map((change) => (
          <li key={`${change.at}${change.what}`}>
            <Time of={change.at} />, {changeText(change)}
          </li>
        ))}
      </ul>
    </details>
  )
}

/** Starts the champion, or puts it to sleep: the API only hands that on, so it takes a minute or two. */
function Ask({ serving }: { serving: Serving }) {
  const [asking, setAsking] = useState(false)
  const stops = serving.state === 'awake'
  return (
    <div class="versions-act">
      <Button onClick={() => setAsking(true)}>{stops ? 'Stop' : 'Start'}</Button>
      {asking && (
        <ConfirmDialog
          title={stops ? `Stop ${serving.champion}?` : `Start ${serving.champion}?`}
          act={stops ? 'Stop' : 'Start'}
          kind="primary"
          onAct={() => askOfChampion(stops ? 'stop' : 'start')}
          done={stops ? 'It is stopped within a minute or two.' : 'It is started within a minute or two.'}
          onClose={() => setAsking(false)}
        >
          {stops
            ? 'It stays the champion, costs nothing, and sleeps until somebody starts it. Images under detect/ wait. Detections and a promotion under way come to their end first.'
            : `A start takes 10 to 20 minutes. It costs ${usd(serving.usd_per_hour)} for each hour in which it runs, until ${serving.policy === 'always' ? '' : 'it is no longer used, or '}somebody stops it.`}
        </ConfirmDialog>
      )}
    </div>
  )
}
