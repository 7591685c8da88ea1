import type { ComponentChildren, JSX } from 'preact'

interface ButtonProps extends Omit<JSX.IntrinsicElements['button'], 'type'> {
  kind?: 'primary' | 'plain' | 'quiet' | 'danger'
  type?: 'button' | 'submit'
  /** The key that does the same, shown on the button. */
  shortcut?: string
}
export function Button({ kind = 'plain', type = 'button', shortcut, children, ...rest }: ButtonProps) {
  const className = `button button-${kind}${rest.class ? ` ${String(rest.class)}` : ''}`
  return (
    <button {...rest} type={type} class={className}>
      {children}
      {shortcut && <kbd aria-hidden="true">{shortcut}</kbd>}
    </button>
  )
}

interface FieldProps {
  label: string
  hint?: string
  /** What is wrong with the value. */
  error?: string
  children: ComponentChildren
}
/** A form's row: the control is inside the label, so it needs no id. */
export function Field({ label, hint, error, children }: FieldProps) {
  return (
    <label class="field">
      <span class="field-label">{label}</span>
      {children}
      {hint && <span class="field-hint">{hint}</span>}
      {error && (
        <span class="field-error" role="alert">
          {error}
        </span>
      )}
    </label>
  )
}
