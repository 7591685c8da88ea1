/** The dialogs that show, reassign and delete a task. */
import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import { assignTask, deleteTask, getReviewers, getTask, type AdminTask } from '../api'
import { problem, useLoaded, WhenLoaded } from '../runs/loaded'
import { Button, Dialog, Field, toast, when } from '../ui'
import { reasonText, shortId, distinctName } from './wording'

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

/** Shows a task. `children` are the buttons of its actions. */
export function TaskDialog({ task, onClose, children }: TaskDialogProps & { children: ComponentChildren }) {
  const loaded = useLoaded(() => getTask(task.id), task.id)
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
          {({ url, width, height }) => (
            <img class="admin-image" src={url} width={width} height={height} alt="The image to label" />
          )}
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
          <dt>Reason</dt>
          <dd>
            {reasonText(task.reason)}. {task.why}
          </dd>
          <dt>Answers</dt>
          <dd>
            {task.answers} of {task.wanted}
          </dd>
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
