import { useState } from 'preact/hooks'
import { Button, Dialog, Field } from '../ui'
import { help } from './keys'
import { characterKeys, switchCharacterKeys } from './state'

export function HelpDialog({ onClose }: { onClose: () => void }) {
  const close = (
    <Button autofocus onClick={onClose}>
      Close
    </Button>
  )
  return (
    <Dialog title="Keys and touch" onClose={onClose} actions={close}>
      <p class="muted">
        Drag to draw, also on top of another box; click or tap a box to select it, then drag it or its handles. Two
        fingers pan and zoom. A dashed box is the model{'\u2019'}s suggestion: it counts as it stands when you confirm,
        and becomes yours when you touch it.
      </p>
      <dl class="help">
        {help.map(([keys, what]) => (
          <div key={keys}>
            <dt>
              <kbd>{keys}</kbd>
            </dt>
            <dd>{what}</dd>
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
        Letters, digits and signs are shortcuts
      </label>
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

/** Asks for a reason: one of the list, or one's own words. */
export function ReasonDialog({ title, reasons, act, onClose, onReason }: ReasonDialogProps) {
  const [chosen, setChosen] = useState(reasons[0] ?? '')
  const [words, setWords] = useState('')
  const reason = words.trim() || chosen
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
        <Field label="In other words" hint="Sent instead of the above, when filled in">
          <input
            type="text"
            maxLength={300}
            value={words}
            onInput={(event) => setWords(event.currentTarget.value)}
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
  'It needs somebody who knows the subject',
  'The labels do not fit this image',
]
export const unusableReasons = [
  'Blurred or too dark',
  'Damaged or not an image of ours',
  'Shows a person or other private detail',
]
