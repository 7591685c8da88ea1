/** Asks before something is done that others notice. */
import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import { Button, Dialog, Prose, toast } from '../ui'
import { problem } from './loaded'

interface ConfirmDialogProps {
  title: string
  /** The button that does it, and the one that does not. */
  act: string
  back?: string
  /** Of the button: `danger` where something is lost by it. */
  kind?: 'danger' | 'primary'
  /** Whether all is said that it needs. */
  ready?: boolean
  onAct: () => Promise<unknown>
  /** Said once the API has accepted it. */
  done: string
  onClose: (hasActed: boolean) => void
  children: ComponentChildren
}
export function ConfirmDialog({ title, act, back = 'Cancel', kind = 'danger', ready = true, onAct, done, onClose, children }: ConfirmDialogProps) {
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState('')
  function run() {
    setBusy(true)
    setError('')
    onAct().then(
      () => {
        toast(done)
        onClose(true)
      },
      // The dialog stays, with what was written in it: much that is refused can be put right.
      (refused: unknown) => {
        setBusy(false)
        setError(problem(refused))
      },
    )
  }
  const actions = (
    <>
      <Button onClick={() => onClose(false)}>{back}</Button>
      <Button kind={kind} disabled={busy || !ready} onClick={run}>
        {act}
      </Button>
    </>
  )
  return (
    <Dialog title={title} onClose={() => onClose(false)} actions={actions}>
      <p>{children}</p>
      {error && (
        <p class="field-error" role="alert">
          <Prose of={error} />
        </p>
      )}
    </Dialog>
  )
}
