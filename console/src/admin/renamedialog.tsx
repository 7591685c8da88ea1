/** The dialog that renames a label, or merges it into another one. */
import { useRef, useState } from 'preact/hooks'
import { renameLabel, type Label } from '../api'
import { problem } from '../runs/loaded'
import { Button, Dialog, Field, number, toast } from '../ui'
import { cleanName } from './labelcheck'
import { renameAll, renameText, type RenamingProgress } from './renaming'

interface RenameDialogProps {
  label: Label
  labels: Label[]
  /** Called also after a failure: the definitions change first. */
  onClose: (hasActed: boolean) => void
}
export function RenameDialog({ label: { label: old, renamed_to }, labels, onClose }: RenameDialogProps) {
  const [name, setName] = useState(renamed_to)
  const [so, setSo] = useState<RenamingProgress | null>(null)
  const [failure, setFailure] = useState('')
  const stopped = useRef(false)
  const wanted = cleanName(name)
  const text = renameText(old, wanted, labels)
  const busy = so !== null && failure === ''
  function submit(event: Event) {
    event.preventDefault()
    if (!text) return
    setFailure('')
    setSo({ searched: 0, relabelled: 0 })
    let last: RenamingProgress = { searched: 0, relabelled: 0 }
    const progress = (now: RenamingProgress) => {
      last = now
      setSo(now)
    }
    const take = (cursor: string) =>
      stopped.current ? Promise.reject(new Error('Stopped.')) : renameLabel(old, wanted, cursor)
    renameAll(take, progress).then(
      () => {
        toast(`${old} is called ${wanted} now, on ${number(last.relabelled)} images.`)
        onClose(true)
      },
      (error: unknown) => {
        if (!stopped.current) setFailure(problem(error))
      },
    )
  }
  /** What was begun goes no further; what was done stays. */
  function close() {
    stopped.current = true
    onClose(so !== null)
  }
  return (
    <Dialog title={`Rename or merge ${old}`} onClose={close}>
      <form class="stack" noValidate onSubmit={submit}>
        <Field label="New name" hint="The name of another label merges the two." error={failure}>
          <input
            type="text"
            autocomplete="off"
            list="admin-label-names"
            value={name}
            disabled={busy}
            onInput={(event) => setName(event.currentTarget.value)}
          />
        </Field>
        <datalist id="admin-label-names">
          {labels.filter(({ label }) => label !== old).map(({ label }) => (
            <option key={label} value={label} />
          ))}
        </datalist>
        {text && <p>{text}</p>}
        <p class="muted">
          {old} itself can no longer be chosen. Suggestions have it until a model was trained with the new name, and images
          that are uploaded with it still get it: then rename it again.
        </p>
        {so && (
          <p role="status">
            {number(so.searched)} images searched, {number(so.relabelled)} relabelled.
            {failure && ' What was done stays; rename again to go on.'}
          </p>
        )}
        <div class="dialog-actions">
          <Button onClick={close}>{busy ? 'Stop' : 'Cancel'}</Button>
          <Button kind="primary" type="submit" disabled={busy || !text}>
            {busy ? 'Renaming' : labels.some(({ label }) => label === wanted && label !== old) ? 'Merge' : 'Rename'}
          </Button>
        </div>
      </form>
    </Dialog>
  )
}
