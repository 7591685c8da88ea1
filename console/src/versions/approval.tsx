/** What was asked and decided about a version that had passed the gates, and for administrators: deciding. */
import { useState } from 'preact/hooks'
import { decideAboutVersion, type ModelVersion } from '../api'
import { ConfirmDialog } from '../runs/confirm'
import { Time } from '../runs/loaded'
import { isAdministrator } from '../session'
import { Button, Field } from '../ui'
import { decisionText } from './compare'

type Decision = 'approved' | 'declined'

export function ApprovalSection({ version }: { version: ModelVersion }) {
  const { approval, name } = version
  if (!approval) return null
  return (
    <section>
      <h3>Approval</h3>
      {approval.decision ? (
        <p>
          {decisionText(approval)}
          {approval.at && (
            <span class="muted">
              {', '}
              <Time of={approval.at} />
            </span>
          )}
        </p>
      ) : (
        <>
          <p>
            {isAdministrator() ? 'It waits for you, or another administrator. ' : 'It waits for an administrator. '}
            {approval.deadline && (
              <span class="muted">
                Until <Time of={approval.deadline} /> it does not run and costs nothing.
              </span>
            )}
          </p>
          {isAdministrator() && <Decide name={name} />}
        </>
      )}
    </section>
  )
}

function Decide({ name }: { name: string }) {
  const [decision, setDecision] = useState<Decision | null>(null)
  const [why, setWhy] = useState('')
  const approves = decision === 'approved'
  return (
    <div class="row">
      <Button kind="primary" aria-label={`Approve ${name}`} onClick={() => setDecision('approved')}>
        Approve
      </Button>
      <Button aria-label={`Decline ${name}`} onClick={() => setDecision('declined')}>
        Decline
      </Button>
      {decision && (
        <ConfirmDialog
          title={approves ? `Approve ${name}?` : `Decline ${name}?`}
          act={approves ? 'Approve' : 'Decline'}
          kind={approves ? 'primary' : 'danger'}
          ready={approves || why.trim() !== ''}
          onAct={() => decideAboutVersion(name, decision, why)}
          done={approves ? 'Approved: it is started, and becomes the champion once it runs.' : 'Declined: the champion stays.'}
          onClose={() => setDecision(null)}
        >
          {approves
            ? 'It is started again, which takes 10 to 20 minutes, and becomes the champion as soon as it runs.'
            : 'The champion stays. A rollback can still make this version serve.'}
          <Field label={approves ? 'Reason, if you like' : 'Reason'} hint="On the version's record, with your name.">
            <input type="text" maxLength={500} value={why} onInput={(event) => setWhy(event.currentTarget.value)} />
          </Field>
        </ConfirmDialog>
      )}
    </div>
  )
}
