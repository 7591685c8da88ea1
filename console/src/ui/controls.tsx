import type { ComponentChildren, JSX } from 'preact'
import { Prose } from './display'

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

interface ChoicesProps<Name extends string> {
  /** What is chosen, for screen readers. */
  label: string
  choices: readonly (readonly [Name, ComponentChildren])[]
  chosen: Name
  onChoose: (name: Name) => void
}
/** A row of buttons, of which one is pressed. */
export function Choices<Name extends string>({ label, choices, chosen, onChoose }: ChoicesProps<Name>) {
  return (
    <div class="choices" role="group" aria-label={label}>
      {choices.map(([name, text]) => (
        <button key={name} type="button" class="choice" aria-pressed={name === chosen} onClick={() => onChoose(name)}>
          {text}
        </button>
      ))}
    </div>
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
          <Prose of={error} />
        </span>
      )}
    </label>
  )
}
