import type { ComponentChildren } from 'preact'
import { useEffect, useId, useRef } from 'preact/hooks'

interface DialogProps {
  title: string
  onClose: () => void
  children: ComponentChildren
  /** The buttons at the foot. */
  actions?: ComponentChildren
  /** As wide as the window: for pictures. */
  wide?: boolean
}

/** A modal dialog: the browser's own, so focus stays inside, Escape closes, and focus returns. */
export function Dialog({ title, onClose, children, actions, wide = false }: DialogProps) {
  const element = useRef<HTMLDialogElement>(null)
  const heading = useId()
  useEffect(() => {
    const dialog = element.current
    const opener = document.activeElement
    dialog?.showModal()
    // Scrolled to the top, also where a button at the foot has the focus.
    if (dialog) dialog.scrollTop = 0
    return () => {
      dialog?.close()
      // The dialog is no longer in the page, and the browser returns the focus only from one that is.
      if (opener instanceof HTMLElement) opener.focus({ preventScroll: true })
    }
  }, [])
  return (
    <dialog ref={element} class={wide ? 'dialog dialog-wide' : 'dialog'} aria-labelledby={heading} onCancel={onClose}>
      <h2 id={heading}>{title}</h2>
      <div class="dialog-body">{children}</div>
      {actions && <div class="dialog-actions">{actions}</div>}
    </dialog>
  )
}
