/** The review desk: one image at a time, the next ones already loaded. */
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import { getLabels, getQueue, type AnswerBody, type Verdict } from '../api'
import { me } from '../session'
import { Button, EmptyState, sentence, Spinner, toast } from '../ui'
import { Canvas } from './canvas'
import { claimed, Claims, supply, supplyError, type Ready } from './claims'
import './desk.css'
import { HelpDialog, ReasonDialog, skipReasons, unusableReasons } from './dialogs'
import { actionOf, isCharacter, type Command } from './keys'
import { waiting, type Delivery, type Outbox } from './outbox'
import { BoxList, LabelPanel } from './panel'
import { deliveries, outboxOf } from './post'
import * as desk from './state'

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

function refreshLabels(): void {
  getLabels().then(
    (answer) => {
      desk.labels.value = answer.labels
      desk.labelsLoaded.value = true
    },
    (error: unknown) => {
      if (!desk.labelsLoaded.value) toast(error instanceof Error ? error.message : String(error), 'bad')
    },
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
      desk.show(null, '')
    }
  }, [sub])
  useEffect(refreshQueue, [deliveries.value])
  if (!services) return <Spinner label="Opening the review desk" />
  return <DeskBody services={services} />
}

function DeskBody({ services }: { services: Services }) {
  const first = claimed.value[0] ?? null
  const firstId = first?.task.id
  // Before painting, so that no frame shows the new image with the boxes of the previous one.
  if (desk.task.peek()?.id !== firstId) desk.show(first?.task ?? null, me.value?.sub ?? '')
  const body = useRef<HTMLDivElement>(null)
  const focusImage = () => body.current?.querySelector<HTMLElement>('.canvas')?.focus({ preventScroll: true })

  function finish(entry: Omit<Delivery, 'task' | 'sub'>) {
    const id = desk.task.value?.id
    if (!id) return
    services.outbox.put({ task: id, sub: me.value?.sub ?? '', ...entry } as Delivery)
    services.claims.next()
    focusImage()
  }
  function answer(verdict: Verdict, reason = '') {
    const body: AnswerBody | string = desk.answer(verdict, reason)
    if (typeof body === 'string') toast(body)
    else finish({ answer: body })
  }
  const acts: Record<Command, () => void> = {
    confirm: () => desk.labelsLoaded.value && answer('labelled'),
    nothing: () => answer('nothing'),
    unusable: () => (desk.overlay.value = 'unusable'),
    skip: () => (desk.overlay.value = 'skip'),
    undo: desk.undo,
    redo: desk.redo,
    delete: desk.removeSelected,
    place: desk.placeBox,
    deselect: () => desk.select(''),
    help: () => (desk.overlay.value = 'help'),
    'zoom-in': () => desk.zoomBy(1.4),
    'zoom-out': () => desk.zoomBy(1 / 1.4),
    'zoom-whole': desk.showWhole,
  }
  const latest = useRef(acts)
  latest.current = acts
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => onKeyDown(event, (command) => latest.current[command]())
    window.addEventListener('keydown', onKey)
    return () => window.removeEventListener('keydown', onKey)
  }, [])
  // The image gets the focus, also after the link to this page was followed.
  useLayoutEffect(() => {
    if (firstId && document.activeElement?.matches('body, [aria-current]')) focusImage()
  }, [firstId])

  return (
    <div class="desk" ref={body}>
      <h1 class="visually-hidden">Review</h1>
      <TopBar />
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

/** Whether a key belongs to the control that has the focus. */
function belongsToControl(event: KeyboardEvent): boolean {
  const target = event.target
  if (!(target instanceof HTMLElement)) return false
  if (target.closest('dialog, input, select, textarea')) return true
  return (event.key === 'Enter' || event.key === ' ') && target.closest('button, a') !== null
}

function onKeyDown(event: KeyboardEvent, act: (command: Command) => void): void {
  if (!desk.task.value || desk.overlay.value || belongsToControl(event)) return
  if (isCharacter(event) && !desk.characterKeys.value) return
  if (event.key === 'Tab') {
    if (event.target instanceof HTMLElement && event.target.classList.contains('canvas')) {
      if (desk.cycle(event.shiftKey ? -1 : 1)) event.preventDefault()
    }
    return
  }
  const action = actionOf(event, desk.keys.value)
  if (!action) return
  // A key that is held down repeats arrow steps, never an answer.
  if (event.repeat && !('step' in action)) return
  event.preventDefault()
  if ('command' in action) act(action.command)
  else if ('label' in action) desk.chooseLabel(action.label)
  else desk.step(action.step.dx, action.step.dy, action.step.resize)
}

function TopBar() {
  const queue = desk.queue.value
  const task = desk.task.value
  return (
    <div class="topbar">
      <p class="why">{task?.why ?? ''}</p>
      <p class="figures">
        {waiting.value > 0 && <span class="unsent">{waiting.value} to send</span>}
        {queue && (
          <>
            <span>
              <b>{queue.open}</b> left
            </span>
            <span>
              <b>{queue.answered_today}</b> today
            </span>
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

/** What the desk shows when there is no image. */
const NO_IMAGE: Partial<Record<typeof supply.value, { title: string; action: string; text?: string }>> = {
  empty: {
    title: 'Nothing to review',
    action: 'Refresh',
    text: 'Every image has been answered or is claimed by another reviewer. New images appear here automatically.',
  },
  failed: { title: 'The next image could not be loaded', action: 'Try again' },
}

function NoTask({ claims }: { claims: Claims }) {
  const fill = () => void claims.fill()
  useEffect(() => {
    const timer = setInterval(fill, 30_000)
    return () => clearInterval(timer)
  }, [])
  const none = NO_IMAGE[supply.value]
  useEffect(() => {
    desk.announcement.value = none ? `${none.title}.` : ''
  }, [none])
  return (
    <div class="no-task">
      {none ? (
        <EmptyState title={none.title} action={<Button onClick={fill}>{none.action}</Button>}>
          {none.text ?? supplyError.value}
        </EmptyState>
      ) : (
        <Spinner label="Loading the next image" />
      )}
    </div>
  )
}

function Actions({ acts, focusImage }: { acts: Record<Command, () => void>; focusImage: () => void }) {
  const detection = desk.task.value?.kind === 'detection'
  const key = (name: string) => (desk.characterKeys.value ? name : undefined)
  const actAndFocus = (command: Command) => () => {
    acts[command]()
    focusImage()
  }
  return (
    <div class="actions" role="group" aria-label="Answer">
      <div class="tools">
        <Button kind="quiet" disabled={!desk.canUndo.value} onClick={actAndFocus('undo')} aria-label="Undo" title="Undo (Z)">
          {'\u21b6'}
        </Button>
        <Button kind="quiet" disabled={!desk.canRedo.value} onClick={actAndFocus('redo')} aria-label="Redo" title="Redo (Shift Z)">
          {'\u21b7'}
        </Button>
        <Button kind="quiet" onClick={actAndFocus('zoom-out')} aria-label="Zoom out" title="Zoom out (-)">
          {'\u2212'}
        </Button>
        <Button kind="quiet" onClick={actAndFocus('zoom-in')} aria-label="Zoom in" title="Zoom in (+)">
          +
        </Button>
        <Button kind="quiet" onClick={actAndFocus('zoom-whole')} aria-label="Whole image" title="Whole image (0)">
          {'\u2922'}
        </Button>
        {detection && (
          <Button kind="quiet" onClick={actAndFocus('place')} aria-label="New box" title="New box in the middle (B)">
            {'\u229e'}
          </Button>
        )}
        {detection && (
          <Button
            kind="quiet"
            disabled={!desk.selected.value}
            onClick={actAndFocus('delete')}
            aria-label="Delete box"
            title="Delete"
          >
            {'\u2715'}
          </Button>
        )}
        <Button kind="quiet" onClick={acts.help} aria-label="Keyboard shortcuts and help" title="Keyboard shortcuts (?)">
          ?
        </Button>
      </div>
      <div class="answers">
        <Button onClick={acts.skip} shortcut={key('S')}>
          Skip
        </Button>
        <Button onClick={acts.unusable} shortcut={key('U')}>
          Unusable
        </Button>
        <Button onClick={acts.nothing} shortcut={key('N')}>
          No objects
        </Button>
        <Button kind="primary" disabled={!desk.labelsLoaded.value} onClick={acts.confirm} shortcut={'\u21b5'}>
          Confirm
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
