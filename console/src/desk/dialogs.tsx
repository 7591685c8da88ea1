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
    <Dialog title="Keyboard shortcuts and touch" onClose={onClose} actions={close}>
      <p class="muted">
        Drag to draw a box, even on top of another one. Click or tap a box to select it, then drag it or its handles.
        Use two fingers to pan and zoom. A dashed box is a suggestion of the model: confirming accepts it as it is, and
        changing it makes it your own.
      </p>
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
