import type { GateVerdict } from '../api'
import { Badge, Prose } from '../ui'
import { gateTitle } from './wording'

/** What each gate decided, and why. */
export function Gates({ verdicts }: { verdicts: GateVerdict[] }) {
  if (verdicts.length === 0) return <p class="muted">No gate has decided about it.</p>
  return (
    <ul class="runs-gates">
      {verdicts.map(({ gate, passed, reasons }) => (
        <li key={gate}>
          <Badge tone={passed ? 'good' : 'bad'}>{passed ? 'Passed' : 'Not passed'}</Badge>
          <div>
            <strong>{gateTitle(gate)}</strong>
            {reasons.map((reason) => (
              <p key={reason} class="muted">
                <Prose of={reason} />
              </p>
            ))}
          </div>
        </li>
      ))}
    </ul>
  )
}
