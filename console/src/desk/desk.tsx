/** The review desk: one image at a time, the next ones already loaded. */
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import { getQueue, takeBackSkips, type AnswerBody, type Verdict } from '../api'
import { Link } from '../router'
import { isAdministrator, me } from '../session'
import { problem } from '../runs/loaded'
import { Button, EmptyState, number, sentence, Spinner, timeOfDay, toast } from '../ui'
import { Canvas } from './canvas'
import { claimed, Claims, supply, supplyError, type Ready } from './claims'
import './desk.css'
import { AnswersDialog, HelpDialog, ReasonDialog, skipReasons, unusableReasons } from './dialogs'
import { edits, useKeyboard, type Acts } from './keyboard'
import { refreshLabels } from './labels'
import { waiting, type Delivery, type Outbox } from './outbox'
import { correcting, goBack, leave, ownBy, remember } from './own'
import { BoxList, LabelPanel } from './panel'
import { deliveries, outboxOf } from './post'
import * as desk from './state'
import { Tools } from './tools'
import { answerText, nothingText, reasonText } from './wording'

interface Services {
  claims: Claims
  outbox: Outbox
}

function refreshQueue(): void {
  getQueue().then(
    (answer) => {
      desk.queue.value = answer
    },
    () => undefined,
  )
}

/** Loads again what other people may have changed; the links of the example images expire, too. */
function refresh(): void {
  if (document.visibilityState !== 'visible') return
  refreshQueue()
  refreshLabels()
}

function openDesk(sub: string): Services {
  const outbox = outboxOf(sub)
  const onLost = (why: string, begun: boolean) => {
    const unsent = begun ? ' What you drew on it was not sent.' : ''
    toast(`An image was removed from your desk: ${sentence(why)}${unsent}`, 'bad')
  }
  ownBy(sub)
  const claims = new Claims(sub, onLost, () => outbox.tasks())
  void claims.open()
  refreshLabels()
  return { claims, outbox }
}

export default function Desk() {
  const sub = me.value?.sub ?? ''
  const [services, setServices] = useState<Services | null>(null)
  useEffect(() => {
    const opened = openDesk(sub)
    setServices(opened)
    const timer = setInterval(refresh, 30_000)
    return () => {
      clearInterval(timer)
      opened.claims.close()
      leave()
      desk.show(null, '')
    }
  }, [sub])
  useEffect(refreshQueue, [deliveries.value])
  if (!services) return <Spinner label="Opening the review desk" />
  return <DeskBody services={services} />
}

function DeskBody({ services }: { services: Services }) {
  const correction = correcting.value
  const first = correction?.ready ?? claimed.value[0] ?? null
  const firstId = first?.task.id
  // Before painting, so that no frame shows the new image with the boxes of the previous one.
  if (desk.task.peek()?.id !== firstId) desk.show(first?.task ?? null, me.value?.sub ?? '', correction?.answer)
  const body = useRef<HTMLDivElement>(null)
  const focusImage = () => body.current?.querySelector<HTMLElement>('.canvas')?.focus({ preventScroll: true })

  function finish(entry: Omit<Delivery, 'task' | 'sub'>) {
    const id = desk.task.value?.id
    if (!id) return
    services.outbox.put({ task: id, sub: me.value?.sub ?? '', ...entry } as Delivery)
    if (first && 'answer' in entry) remember(first, entry.answer as AnswerBody)
    if (correction) {
      leave()
      toast('Your correction is on its way.')
    } else services.claims.next()
    focusImage()
  }
  function answer(verdict: Verdict, reason = '') {
    const body: AnswerBody | string = desk.answer(verdict, reason)
    if (typeof body === 'string') toast(body)
    else finish({ answer: body })
  }
  function previous() {
    goBack().then(
      (isThere) => {
        if (isThere) focusImage()
        else toast(correction ? 'This is the oldest of your answers that is kept here.' : 'You have not answered any image yet.')
      },
      (error: unknown) => toast(problem(error), 'bad'),
    )
  }
  const acts: Acts = {
    ...edits,
    confirm: () => desk.labelsLoaded.value && answer('labelled'),
    nothing: () => answer('nothing'),
    unusable: () => (desk.overlay.value = 'unusable'),
    skip: () => !correction && (desk.overlay.value = 'skip'),
    previous,
    undo: () => (desk.canUndo.value ? desk.undo() : previous()),
    deselect: () => (desk.selected.value ? desk.select('') : leave()),
  }
  useKeyboard(acts)
  // The image gets the focus, also after the link to this page was followed.
  useLayoutEffect(() => {
    if (firstId && document.activeElement?.matches('body, [aria-current]')) focusImage()
  }, [firstId])

  return (
    <div class="desk" ref={body}>
      <h1 class="visually-hidden">Review</h1>
      <TopBar onPrevious={previous} focusImage={focusImage} />
      {first ? <DeskImage ready={first} claims={services.claims} /> : <NoTask claims={services.claims} />}
      {first && (
        <aside class="side" aria-label="Labels and boxes">
          <LabelPanel focusImage={focusImage} />
          {first.task.kind === 'detection' && <BoxList focusImage={focusImage} />}
        </aside>
      )}
      {first && <Actions acts={acts} focusImage={focusImage} />}
      <Overlays finish={finish} answer={answer} />
      <div class="visually-hidden" aria-live="polite">
        {desk.announcement.value}
      </div>
    </div>
  )
}

function TopBar({ onPrevious, focusImage }: { onPrevious: () => void; focusImage: () => void }) {
  const queue = desk.queue.value
  const task = desk.task.value
  const correction = correcting.value
  return (
    <div class={correction ? 'topbar topbar-correction' : 'topbar'}>
      <Button kind="quiet" class="previous" onClick={onPrevious} aria-label="Previous image" title="Previous image (P)">
        {'\u2039'} Previous
      </Button>
      {correction ? (
        <p class="why">
          <strong>Correcting your answer</strong>{' '}
          <span>
            of {timeOfDay(correction.at)}: {answerText(correction.answer)}
          </span>
        </p>
      ) : (
        <p class="why">
          {task && <strong>{reasonText(task.reason)}</strong>} <span>{task?.why ?? ''}</span>
        </p>
      )}
      {correction && (
        <Button
          onClick={() => {
            leave()
            focusImage()
          }}
        >
          Next image
        </Button>
      )}
      <p class="figures">
        {waiting.value > 0 && <span class="unsent">{waiting.value} to send</span>}
        {queue && (
          <>
            <span title={`${number(queue.open)} images wait for answers, of all reviewers`}>
              <b>{queue.left}</b> left<span class="for-you"> for you</span>
            </span>
            <button type="button" class="today" onClick={() => (desk.overlay.value = 'answers')} title="Your answers">
              <b>{queue.answered_today}</b> today
            </button>
          </>
        )}
      </p>
    </div>
  )
}

function DeskImage({ ready, claims }: { ready: Ready; claims: Claims }) {
  const [unreadable, setUnreadable] = useState('')
  const { id } = ready.task
  useEffect(() => {
    let current = true
    ready.decoded.catch(() => current && setUnreadable(id))
    return () => {
      current = false
    }
  }, [ready])
  async function retry() {
    try {
      await claims.retry(id)
      setUnreadable('')
    } catch (error) {
      toast(error instanceof Error ? error.message : String(error), 'bad')
    }
  }
  if (unreadable !== id) return <Canvas ready={ready} />
  return (
    <div class="no-task">
      <EmptyState title="The image did not load" action={<Button onClick={() => void retry()}>Reload</Button>}>
        Its link may have expired, or the connection was lost. You can also skip the image or mark it as unusable.
      </EmptyState>
    </div>
  )
}

/** Why there is no image for this reviewer, where others may have some. */
function noneText(skipped: number, elsewhere: number): string {
  if (skipped + elsewhere === 0)
    return 'No image waits for an answer. What is uploaded without labels comes here, and what the model is not sure of.'
  const parts = [
    elsewhere > 0 && `${number(elsewhere)} ${elsewhere === 1 ? 'is' : 'are'} with other reviewers`,
    skipped > 0 && `you skipped ${number(skipped)}`,
  ].filter(Boolean)
  return `Of the images that wait, ${parts.join(', and ')}. New images appear here automatically.`
}

/** Where what the desk needs comes from. */
function FirstSteps() {
  return (
    <>
      <Link class="button button-plain" href="/dataset/upload">
        Upload images
      </Link>
      {desk.labelsLoaded.value && desk.usable.value.length === 0 && (
        <Link class="button button-plain" href="/admin/labels">
          Define labels
        </Link>
      )}
    </>
  )
}

function NoTask({ claims }: { claims: Claims }) {
  const fill = () => void claims.fill()
  useEffect(() => {
    const timer = setInterval(fill, 30_000)
    return () => clearInterval(timer)
  }, [])
  const { skipped = 0, open = 0 } = desk.queue.value ?? {}
  const title = { empty: 'Nothing to review', failed: 'The next image could not be loaded', loading: '', ready: '' }[supply.value]
  useEffect(() => {
    desk.announcement.value = title ? `${title}.` : ''
  }, [title])
  function takeBack() {
    takeBackSkips().then(
      () => {
        refreshQueue()
        void claims.fillWithSkipped()
      },
      (error: unknown) => toast(problem(error), 'bad'),
    )
  }
  const retry = <Button onClick={fill}>{supply.value === 'failed' ? 'Try again' : 'Refresh'}</Button>
  const actions = (
    <div class="row">
      {skipped > 0 && (
        <Button kind="primary" onClick={takeBack}>
          Review what you skipped
        </Button>
      )}
      {supply.value === 'empty' && isAdministrator() && <FirstSteps />}
      {retry}
    </div>
  )
  return (
    <div class="no-task">
      {title ? (
        <EmptyState title={title} action={actions}>
          {supply.value === 'failed' ? supplyError.value : noneText(skipped, Math.max(0, open - skipped))}
        </EmptyState>
      ) : (
        <Spinner label="Loading the next image" />
      )}
    </div>
  )
}

function Actions({ acts, focusImage }: { acts: Acts; focusImage: () => void }) {
  const detection = desk.task.value?.kind === 'detection'
  const key = (name: string) => (desk.characterKeys.value ? name : undefined)
  return (
    <div class="actions" role="group" aria-label="Answer">
      <Tools acts={acts} focusImage={focusImage} />
      <div class="answers">
        {!correcting.value && (
          <Button onClick={acts.skip} shortcut={key('S')}>
            Skip
          </Button>
        )}
        <Button onClick={acts.unusable} shortcut={key('U')}>
          Unusable
        </Button>
        <Button onClick={acts.nothing} shortcut={key('N')} title={nothingText(detection ? 'detection' : 'classification')}>
          No objects
        </Button>
        <Button kind="primary" disabled={!desk.labelsLoaded.value} onClick={acts.confirm} shortcut={'\u21b5'}>
          {correcting.value ? 'Correct' : 'Confirm'}
        </Button>
      </div>
    </div>
  )
}

interface OverlaysProps {
  finish: (entry: { skip: string }) => void
  answer: (verdict: Verdict, reason: string) => void
}
function Overlays({ finish, answer }: OverlaysProps) {
  const close = () => {
    desk.overlay.value = ''
  }
  if (desk.overlay.value === 'answers') return <AnswersDialog onClose={close} />
  if (desk.overlay.value === 'help') return <HelpDialog onClose={close} />
  if (desk.overlay.value === 'skip') {
    const skip = (reason: string) => {
      close()
      finish({ skip: reason })
    }
    return <ReasonDialog title="Skip this image" reasons={skipReasons} act="Skip" onClose={close} onReason={skip} />
  }
  if (desk.overlay.value === 'unusable') {
    const markUnusable = (reason: string) => {
      close()
      answer('unusable', reason)
    }
    const title = 'This image is unusable'
    return <ReasonDialog title={title} reasons={unusableReasons} act="Unusable" onClose={close} onReason={markUnusable} />
  }
  return null
}
