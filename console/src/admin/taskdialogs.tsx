/** The dialogs that show, reassign and delete a task. */
import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import {
  assignTask,
  deleteTask,
  getAdminTask,
  getReviewers,
  reopenTask,
  type AdminTask,
  type AdminTaskDetail,
  type GivenAnswer,
} from '../api'
import { problem, useLoaded, WhenLoaded } from '../runs/loaded'
import { Button, Dialog, Field, toast, when } from '../ui'
import { answerText, reasonText } from '../desk/wording'
import { shortId, distinctName } from './wording'

interface TaskDialogProps {
  task: AdminTask
  onClose: () => void
}
interface ActingDialogProps extends TaskDialogProps {
  /** Called after success and failure: the page may be out of date. */
  onDone: () => void
}

/** A dialog's action: the dialog closes when the API has answered, and a toast shows the result. */
function useAct({ onClose, onDone }: ActingDialogProps): [busy: boolean, act: (work: Promise<unknown>, done: string) => void] {
  const [busy, setBusy] = useState(false)
  function act(work: Promise<unknown>, done: string) {
    setBusy(true)
    work
      .then(
        () => toast(done),
        (error: unknown) => toast(problem(error), 'bad'),
      )
      .finally(() => {
        onClose()
        onDone()
      })
  }
  return [busy, act]
}

/** Shows a task with the answers to it. `children` are the buttons of its actions. */
export function TaskDialog({ task, onClose, children }: TaskDialogProps & { children: ComponentChildren }) {
  const loaded = useLoaded(() => getAdminTask(task.id), task.id)
  const actions = (
    <>
      {children}
      <Button onClick={onClose}>Close</Button>
    </>
  )
  return (
    <Dialog title="Task" onClose={onClose} actions={actions}>
      <div class="stack">
        <WhenLoaded of={loaded} label="Loading the image">
          {(detail) => <Answers task={detail} />}
        </WhenLoaded>
        <dl class="runs-facts">
          <dt>Image</dt>
          <dd class="mono runs-name">{task.image}</dd>
          <dt>Size</dt>
          <dd>
            {task.width} {'\u00d7'} {task.height} pixels
          </dd>
          <dt>Task</dt>
          <dd class="mono runs-name">{task.id}</dd>
          <dt>Opened</dt>
          <dd>{when(task.created_at)}</dd>
          {loaded.value?.finished_at && (
            <>
              <dt>Finished</dt>
              <dd>{when(loaded.value.finished_at)}</dd>
            </>
          )}
          <dt>Reason</dt>
          <dd>
            {reasonText(task.reason)}: {task.why}
          </dd>
          <dt>Answers</dt>
          <dd>
            {task.answers} of {task.wanted}
          </dd>
          {task.drafted_from > 0 && (
            <>
              <dt>Suggestions by</dt>
              <dd>a draft from {task.drafted_from} labelled images</dd>
            </>
          )}
          {task.suggested_by && (
            <>
              <dt>Suggestions by</dt>
              <dd class="runs-name">{task.suggested_by}</dd>
            </>
          )}
        </dl>
      </div>
    </Dialog>
  )
}

/** The image with the boxes of one of the answers, and all of them, those that were corrected last. */
function Answers({ task }: { task: AdminTaskDetail }) {
  const all = [...task.given, ...task.superseded]
  const [shown, setShown] = useState(0)
  return (
    <>
      <AnsweredImage task={task} boxes={all[shown]?.boxes ?? []} />
      {all.length > 0 && (
        <ul class="admin-answers" aria-label="Answers">
          {all.map((answer, i) => (
            <li key={i}>
              <button type="button" class="admin-answer" aria-pressed={shown === i} onClick={() => setShown(i)}>
                <strong>{answer.name}</strong> <span>{answerText(answer)}</span>
                <span class="muted">
                  {when(answer.at)}
                  {i >= task.given.length && ', corrected since'}
                </span>
              </button>
            </li>
          ))}
        </ul>
      )}
    </>
  )
}

function AnsweredImage({ task, boxes }: { task: AdminTaskDetail; boxes: GivenAnswer['boxes'] }) {
  const { url, width, height } = task
  const line = Math.max(width, height) / 250
  return (
    <div class="admin-image">
      <img src={url} width={width} height={height} alt="The image of the task" />
      <svg viewBox={`0 0 ${width} ${height}`} aria-hidden="true">
        {boxes.map((box, i) => (
          <g key={i}>
            <rect class="admin-box-halo" x={box.left} y={box.top} width={box.width} height={box.height} stroke-width={line * 2} />
            <rect class="admin-box" x={box.left} y={box.top} width={box.width} height={box.height} stroke-width={line} />
            <text class="admin-box-name" x={box.left} y={Math.max(box.top - line * 2, line * 7)} font-size={line * 7}>
              {box.label}
            </text>
          </g>
        ))}
      </svg>
    </div>
  )
}

export function ReopenDialog(props: ActingDialogProps) {
  const { task, onClose } = props
  const [busy, act] = useAct(props)
  const actions = (
    <>
      <Button onClick={onClose}>Cancel</Button>
      <Button kind="primary" disabled={busy} onClick={() => act(reopenTask(task.id), 'The image is on the review desk again.')}>
        Reopen
      </Button>
    </>
  )
  return (
    <Dialog title={`Reopen the task of ${shortId(task.image)}?`} onClose={onClose} actions={actions}>
      <p>
        The image is put before reviewers again, in a new task that begins with the labels that it has. It keeps them until
        the task is answered, and then gets those of the answer.
      </p>
    </Dialog>
  )
}

/** What happens to the reviewers who have claimed the task. */
function Ends({ task }: { task: AdminTask }) {
  if (task.claims.length === 0) return null
  const names = task.claims.map(({ name }) => name).join(', ')
  return (
    <p>
      <strong>{names}</strong> {task.claims.length === 1 ? 'has' : 'have'} claimed this task. The claim ends, and
      answers that were not sent yet are not accepted.
    </p>
  )
}

export function AssignDialog(props: ActingDialogProps) {
  const { task, onClose } = props
  const [chosen, setChosen] = useState('')
  const [busy, act] = useAct(props)
  const loaded = useLoaded(getReviewers, 'reviewers')
  function submit(event: Event) {
    event.preventDefault()
    const name = loaded.value?.reviewers.find(({ reviewer }) => reviewer === chosen)?.name
    const done = name ? `The task is assigned to ${name}.` : 'The task is open to every reviewer.'
    act(assignTask(task.id, chosen), done)
  }
  return (
    <Dialog title={`Reassign ${shortId(task.image)}`} onClose={onClose}>
      <form onSubmit={submit} class="stack">
        <Ends task={task} />
        <WhenLoaded of={loaded} label="Loading the reviewers">
          {({ reviewers }) => (
            <Field
              label="Reviewer"
              hint="Everybody who has used the review desk. A claim that nobody works on expires, and the task is open to everybody again."
            >
              <select value={chosen} onChange={(event) => setChosen(event.currentTarget.value)}>
                <option value="">Any reviewer</option>
                {reviewers.map((known) => (
                  <option key={known.reviewer} value={known.reviewer}>
                    {distinctName(known, reviewers)}
                  </option>
                ))}
              </select>
            </Field>
          )}
        </WhenLoaded>
        <div class="dialog-actions">
          <Button onClick={onClose}>Cancel</Button>
          <Button kind="primary" type="submit" disabled={busy || loaded.value === null}>
            {chosen ? 'Reassign' : 'Release'}
          </Button>
        </div>
      </form>
    </Dialog>
  )
}

export function DeleteDialog(props: ActingDialogProps) {
  const { task, onClose } = props
  const [busy, act] = useAct(props)
  const actions = (
    <>
      <Button onClick={onClose}>Cancel</Button>
      <Button kind="danger" disabled={busy} onClick={() => act(deleteTask(task.id), 'The task is deleted.')}>
        Delete the task
      </Button>
    </>
  )
  return (
    <Dialog title={`Delete the task of ${shortId(task.image)}?`} onClose={onClose} actions={actions}>
      <div class="stack">
        <Ends task={task} />
        <p>
          The task is removed from the review desk. The image stays in the catalogue as it is; while it has no label, a
          new task may be opened for it later.
        </p>
      </div>
    </Dialog>
  )
}
