import type { ComponentChildren } from 'preact'
import { textParts } from './format'

export type Tone = 'neutral' | 'good' | 'warn' | 'bad' | 'info'
const marks: Record<Tone, string> = { neutral: '', good: '\u2713 ', warn: '! ', bad: '\u00d7 ', info: '' }

/** A short state. Its tone is shown by a mark as well as by colour. */
export function Badge({ tone = 'neutral', children }: { tone?: Tone; children: ComponentChildren }) {
  return (
    <span class={`badge badge-${tone}`}>
      {marks[tone] && <span aria-hidden="true">{marks[tone]}</span>}
      {children}
    </span>
  )
}

/** A text of the API: what stands between backticks is shown as code. */
export function Prose({ of }: { of: string }) {
  return <>{textParts(of).map(({ text, isCode }) => (isCode ? <code>{text}</code> : text))}</>
}

export function Spinner({ label = 'Loading' }: { label?: string }) {
  return (
    <div class="spinner" role="status">
      <span class="spinner-ring" aria-hidden="true" />
      <span>{label}</span>
    </div>
  )
}

interface EmptyStateProps {
  title: string
  /** Nothing else is on the page, so its title is the heading of the page. */
  alone?: boolean
  children?: ComponentChildren
  action?: ComponentChildren
}
export function EmptyState({ title, alone = false, children, action }: EmptyStateProps) {
  const Heading = alone ? 'h1' : 'h2'
  return (
    <section class="empty">
      <Heading>{title}</Heading>
      {children && <p>{children}</p>}
      {action}
    </section>
  )
}

interface PageHeaderProps {
  title: string
  lead?: ComponentChildren
  actions?: ComponentChildren
}
export function PageHeader({ title, lead, actions }: PageHeaderProps) {
  return (
    <div class="page-header">
      <div>
        <h1>{title}</h1>
        {lead && <p class="lead">{lead}</p>}
      </div>
      {actions && <div class="page-actions">{actions}</div>}
    </div>
  )
}
