/** What was asked and decided about a version that had passed the gates, and for administrators: deciding. */
import { useState } from 'preact/hooks'
import { signal } from '@preact/signals'
import { decideAboutVersion, type ModelVersion } from '../api'
import { ConfirmDialog } from '../runs/confirm'
import { Moment } from '../runs/loaded'
import { isAdministrator } from '../session'
import { Button, Field, Prose } from '../ui'
import { answerText, decisionText, waitsForApproval } from './compare'

type Decision = 'approved' | 'declined'

type Approval = NonNullable<ModelVersion['approval']>

/** What was decided on this page, by version and when it was asked: the record has it once the promotion goes on. */
const answers = signal<Record<string, Decision>>({})
const answerKey = (name: string, approval: Approval) => `${name} ${approval.asked_at}`

/** What was decided here about a version that still waits by its record; null if nothing was. */
export function answerAbout(name: string, approval: Approval | null): Decision | null {
  return approval && waitsForApproval(approval) ? (answers.value[answerKey(name, approval)] ?? null) : null
}

interface ApprovalProps {
  name: string
  approval: Approval
  heading: 'h2' | 'h3'
}
export function ApprovalSection({ name, approval, heading: Heading }: ApprovalProps) {
  const answer = answerAbout(name, approval)
  const decided = (decision: Decision) => {
    answers.value = { ...answers.value, [answerKey(name, approval)]: decision }
  }
  return (
    <section>
      <Heading>Approval</Heading>
      {approval.decision ? (
        <p>
          <Prose of={decisionText(approval)} />
          {approval.at && (
            <span class="muted">
              {', '}
              <Moment of={approval.at} />
            </span>
          )}
        </p>
      ) : answer ? (
        <p role="status">{answerText(answer)}</p>
      ) : (
        <>
          <p>
            {isAdministrator() ? 'It waits for you, or another administrator. ' : 'It waits for an administrator. '}
            {approval.deadline && (
              <span class="muted">
                Until <Moment of={approval.deadline} /> it does not run and costs nothing.
              </span>
            )}
          </p>
          {isAdministrator() && <Decide name={name} onDecided={decided} />}
        </>
      )}
    </section>
  )
}

function Decide({ name, onDecided }: { name: string; onDecided: (decision: Decision) => void }) {
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
          onAct={() => decideAboutVersion(name, decision, why).then(() => onDecided(decision))}
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
