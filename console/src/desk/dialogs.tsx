import { useState } from 'preact/hooks'
import { useLoaded, WhenLoaded } from '../runs/loaded'
import { ago, Button, Dialog, Field, when } from '../ui'
import { help } from './keys'
import { correct, loadOwn, own } from './own'
import { characterKeys, switchCharacterKeys, task } from './state'
import { answerText, nothingText } from './wording'

export function HelpDialog({ onClose }: { onClose: () => void }) {
  const close = (
    <Button autofocus onClick={onClose}>
      Close
    </Button>
  )
  return (
    <Dialog title="Keyboard shortcuts and touch" onClose={onClose} actions={close}>
      <p class="muted">
        Drag to draw a box, even on top of another one. Click or tap a box to select it, then drag it or its handles.
        Use two fingers to pan and zoom. A dashed box is a suggestion of the model: confirming accepts it as it is, and
        changing it makes it your own.
      </p>
      <p class="muted">{nothingText(task.value?.kind ?? 'detection')}</p>
      <dl class="help">
        {help.map(([keys, action]) => (
          <div key={keys}>
            <dt>
              <kbd>{keys}</kbd>
            </dt>
            <dd>{action}</dd>
          </div>
        ))}
      </dl>
      <label class="switch">
        <input
          type="checkbox"
          role="switch"
          checked={characterKeys.value}
          onChange={(event) => switchCharacterKeys(event.currentTarget.checked)}
        />
        Use letters, digits and symbols as shortcuts
      </label>
    </Dialog>
  )
}

/** The person's own answers, the newest first: choosing one puts it on the desk to be corrected. */
export function AnswersDialog({ onClose }: { onClose: () => void }) {
  const loaded = useLoaded(async () => {
    await loadOwn()
    return true
  }, 'answers')
  function choose(answer: (typeof own.value)[number]) {
    onClose()
    void correct(answer)
  }
  const close = (
    <Button autofocus onClick={onClose}>
      Close
    </Button>
  )
  return (
    <Dialog title="Your answers" onClose={onClose} actions={close}>
      <WhenLoaded of={loaded} label="Loading your answers">
        {() =>
          own.value.length === 0 ? (
            <p class="muted">You have not answered any image yet.</p>
          ) : (
            <ul class="own-answers">
              {own.value.map((answer) => (
                <li key={answer.task.id}>
                  <button type="button" class="own-answer" onClick={() => choose(answer)}>
                    <img src={answer.task.url} alt="" loading="lazy" />
                    <span>
                      <strong>{answerText(answer.answer)}</strong>
                      <span class="muted" title={when(answer.at)}>
                        {ago(answer.at)}
                        {answer.corrected && ', corrected'}
                      </span>
                    </span>
                    <span class="own-act">Correct</span>
                  </button>
                </li>
              ))}
            </ul>
          )
        }
      </WhenLoaded>
    </Dialog>
  )
}

interface ReasonDialogProps {
  title: string
  reasons: string[]
  act: string
  onClose: () => void
  onReason: (reason: string) => void
}

/** Asks for a reason: one of the list, or another one in free text. */
export function ReasonDialog({ title, reasons, act, onClose, onReason }: ReasonDialogProps) {
  const [chosen, setChosen] = useState(reasons[0] ?? '')
  const [otherReason, setOtherReason] = useState('')
  const reason = otherReason.trim() || chosen
  function submit(event: Event) {
    event.preventDefault()
    onReason(reason)
  }
  return (
    <Dialog title={title} onClose={onClose}>
      <form onSubmit={submit} class="stack">
        <fieldset class="reasons">
          <legend class="visually-hidden">Reason</legend>
          {reasons.map((text) => (
            <label key={text}>
              <input type="radio" name="reason" checked={chosen === text} onChange={() => setChosen(text)} />
              {text}
            </label>
          ))}
        </fieldset>
        <Field label="Other reason" hint="If filled in, it is sent instead of the reason chosen above">
          <input
            type="text"
            maxLength={300}
            value={otherReason}
            onInput={(event) => setOtherReason(event.currentTarget.value)}
          />
        </Field>
        <div class="dialog-actions">
          <Button onClick={onClose}>Cancel</Button>
          <Button kind="primary" type="submit">
            {act}
          </Button>
        </div>
      </form>
    </Dialog>
  )
}

export const skipReasons = [
  'I am not sure which label is right',
  'Too many objects for me to draw',
  'It needs an expert on the subject',
  'The labels do not fit this image',
]
export const unusableReasons = [
  'Blurred or too dark',
  'Damaged, or not one of our images',
  'Shows a person or other private detail',
]
