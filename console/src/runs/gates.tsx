import type { Run } from '../api'
import { Badge } from '../ui'
import { gatesOf } from './wording'

/** What each gate decided, and why. */
export function Gates({ verdicts }: { verdicts: Run['verdicts'] }) {
  const gates = gatesOf(verdicts)
  if (gates.length === 0) return <p class="muted">No gate has decided yet.</p>
  return (
    <ul class="runs-gates">
      {gates.map(({ gate, title, passed, reasons }) => (
        <li key={gate}>
          <Badge tone={passed ? 'good' : 'bad'}>{passed ? 'Passed' : 'Not passed'}</Badge>
          <div>
            <strong>{title}</strong>
            {reasons.map((reason) => (
              <p key={reason} class="muted">
                {reason}
              </p>
            ))}
          </div>
        </li>
      ))}
    </ul>
  )
}
