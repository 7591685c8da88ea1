/** What was asked and decided about a version that had passed the gates, and for administrators: deciding. */
import { useState } from 'preact/hooks'
import { signal } from '@preact/signals'
import { decideAboutVersion, type ModelVersion } from '../api'
import { ConfirmDialog } from '../runs/confirm'
import { Moment } from '../runs/loaded'
import { isAdministrator } from '../session'
import { Button, Field, Prose } from '../ui'
import { answerText, decisionText, isOverdue, waitsForApproval } from './compare'

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
  /** Reads anew how it stands: something that the page does not show has happened. */
  reload: () => void
}
export function ApprovalSection({ name, approval, heading: Heading, reload }: ApprovalProps) {
  const [deciding, setDeciding] = useState<Decision | null>(null)
  const [refused, setRefused] = useState(false)
  const answer = answerAbout(name, approval)
  const decide = async (decision: Decision, why: string) => {
    try {
      await decideAboutVersion(name, decision, why)
      answers.value = { ...answers.value, [answerKey(name, approval)]: decision }
    } catch (error) {
      setRefused(true)
      throw error
    }
  }
  const close = () => {
    setDeciding(null)
    // Not before: of a version that is gone, the dialog would go with it, and what it says.
    if (refused) reload()
    setRefused(false)
  }
  return (
    <section>
      <Heading>Approval</Heading>
      <Standing name={name} approval={approval} answer={answer} onDecide={setDeciding} />
      {/* Also if somebody else decides meanwhile: the API says so, and what was written stays. */}
      {deciding && <DecisionDialog name={name} decision={deciding} decide={decide} onClose={close} />}
    </section>
  )
}

interface StandingProps {
  name: string
  approval: Approval
  answer: Decision | null
  onDecide: (decision: Decision) => void
}
function Standing({ name, approval, answer, onDecide }: StandingProps) {
  if (approval.decision)
    return (
      <p>
        <Prose of={decisionText(approval)} />
        {approval.at && (
          <span class="muted">
            {', '}
            <Moment of={approval.at} />
          </span>
        )}
      </p>
    )
  if (answer) return <p role="status">{answerText(answer)}</p>
  if (isOverdue(approval, Date.now()))
    return (
      <p>
        The time to decide ended on <Moment of={approval.deadline ?? ''} />. What follows is shown here once it is on record.
      </p>
    )
  return (
    <>
      <p>
        {isAdministrator() ? 'It waits for you, or another administrator. ' : 'It waits for an administrator. '}
        {approval.deadline && (
          <span class="muted">
            Until <Moment of={approval.deadline} /> it does not run and costs nothing.
          </span>
        )}
      </p>
      {isAdministrator() && (
        <div class="row">
          <Button kind="primary" aria-label={`Approve ${name}`} onClick={() => onDecide('approved')}>
            Approve
          </Button>
          <Button aria-label={`Decline ${name}`} onClick={() => onDecide('declined')}>
            Decline
          </Button>
        </div>
      )}
    </>
  )
}

interface DecisionProps {
  name: string
  decision: Decision
  decide: (decision: Decision, why: string) => Promise<void>
  onClose: () => void
}
function DecisionDialog({ name, decision, decide, onClose }: DecisionProps) {
  const [why, setWhy] = useState('')
  const approves = decision === 'approved'
  return (
    <ConfirmDialog
      title={approves ? `Approve ${name}?` : `Decline ${name}?`}
      act={approves ? 'Approve' : 'Decline'}
      kind={approves ? 'primary' : 'danger'}
      ready={approves || why.trim() !== ''}
      onAct={() => decide(decision, why)}
      done={approves ? 'Approved: it is started, and becomes the champion once it runs.' : 'Declined: the champion stays.'}
      onClose={onClose}
    >
      {approves
        ? 'It is started again, which takes 10 to 20 minutes, and becomes the champion as soon as it runs.'
        : 'The champion stays. A rollback can still make this version serve.'}
      <Field
        label={approves ? 'Reason, if you like' : 'Reason'}
        hint={approves ? 'On the version\u2019s record, with your name.' : 'It has to be given: whoever trained the version will ask. It is on its record, with your name.'}
      >
        <input type="text" maxLength={500} value={why} onInput={(event) => setWhy(event.currentTarget.value)} />
      </Field>
    </ConfirmDialog>
  )
}
