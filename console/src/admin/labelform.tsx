/** The dialog that adds or edits a label. */
import type { TargetedEvent } from 'preact'
import { useRef, useState } from 'preact/hooks'
import { ApiError, putLabel, type Label } from '../api'
import { problem } from '../runs/loaded'
import { Button, Dialog, Field } from '../ui'
import { ExamplePicker } from './examples'
import {
  changedOf,
  changeOf,
  cleanName,
  fieldsOf,
  MAX_INSTRUCTION,
  missingExamples,
  newFields,
  problemsOf,
  type LabelFields,
  type Problems,
} from './labelcheck'

interface LabelFormProps {
  labels: Label[]
  /** The label to change; null to define another. */
  label: Label | null
  onClose: () => void
  onKept: (label: Label) => void
}

export function LabelForm({ labels, label, onClose, onKept }: LabelFormProps) {
  /** The label as the API has it; null while it has none. */
  const [before, setBefore] = useState(label)
  const [fields, setFields] = useState<LabelFields>(() => (label ? fieldsOf(label) : newFields(labels)))
  const [problems, setProblems] = useState<Problems>({})
  const [saveError, setSaveError] = useState('')
  const [busy, setBusy] = useState(false)
  const form = useRef<HTMLFormElement>(null)
  const member = (name: keyof LabelFields) => ({
    name,
    value: fields[name],
    'aria-invalid': name in problems,
    onInput: (event: TargetedEvent<HTMLInputElement | HTMLTextAreaElement>) =>
      setFields({ ...fields, [name]: event.currentTarget.value }),
  })
  function show(shown: Problems) {
    setProblems(shown)
    const first = Object.keys(shown)[0]
    if (first) form.current?.querySelector<HTMLElement>(`[name="${first}"]`)?.focus()
  }
  async function save() {
    const change = changeOf(fields)
    const kept = await putLabel(before?.label ?? cleanName(fields.label), changedOf(fields, before))
    setBefore(kept)
    onKept(kept)
    const [missing] = missingExamples(change.examples, kept)
    if (missing) show({ examples: `Everything else was saved, but the catalogue has no image ${missing}.` })
    else onClose()
  }
  function submit(event: Event) {
    event.preventDefault()
    const invalid = problemsOf(fields, labels, before)
    show(invalid)
    setSaveError('')
    if (Object.keys(invalid).length > 0) return
    setBusy(true)
    save()
      .catch((error: unknown) => {
        if (error instanceof ApiError && error.field && error.field in fields) show({ [error.field]: problem(error) })
        else setSaveError(problem(error))
      })
      .finally(() => setBusy(false))
  }
  return (
    <Dialog title={before ? `Edit ${before.label}` : 'Add a label'} onClose={onClose}>
      <form ref={form} class="stack" noValidate onSubmit={submit}>
        {!before && (
          <Field label="Name" hint="The name in the catalogue." error={problems.label}>
            <input type="text" autocomplete="off" {...member('label')} />
          </Field>
        )}
        <Field label="Colour" hint="The colour of its boxes on the review desk." error={problems.colour}>
          <input type="color" class="admin-colour" {...member('colour')} />
        </Field>
        <Field
          label="Key"
          hint="The letter or digit that chooses the label on the review desk. If empty, the next free digit."
          error={problems.key}
        >
          <input type="text" class="admin-key" autocomplete="off" autocapitalize="off" {...member('key')} />
        </Field>
        <Field
          label="Instruction"
          hint={`One line that explains when to use the label, up to ${MAX_INSTRUCTION} characters.`}
          error={problems.instruction}
        >
          <input type="text" autocomplete="off" {...member('instruction')} />
        </Field>
        {before ? (
          <ExamplePicker
            label={before}
            chosen={changeOf(fields).examples}
            onChange={(examples) => setFields({ ...fields, examples: examples.join('\n') })}
          />
        ) : (
          <p class="muted">Example images are chosen from the images that have the label, once there are some.</p>
        )}
        {problems.examples && (
          <p class="field-error" role="alert">
            {problems.examples}
          </p>
        )}
        {saveError && (
          <p class="field-error" role="alert">
            {saveError}
          </p>
        )}
        <div class="dialog-actions">
          <Button onClick={onClose}>Cancel</Button>
          <Button kind="primary" type="submit" disabled={busy}>
            Save
          </Button>
        </div>
      </form>
    </Dialog>
  )
}
