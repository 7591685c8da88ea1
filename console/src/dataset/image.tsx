/** One image of the dataset: what is on it, drawn and corrected as on the review desk, and all that is known of it. */
import type { ComponentChildren } from 'preact'
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import { ApiError, excludeImages, getImage, putImageLabels, sendToReview, undoImage, type DatasetImage, type PastImage } from '../api'
import { problemOf, boxesToSend } from '../desk/answers'
import { Canvas } from '../desk/canvas'
import { preload, type Ready } from '../desk/claims'
import '../desk/desk.css'
import { HelpDialog } from '../desk/dialogs'
import { edits, useKeyboard, type Acts } from '../desk/keyboard'
import { refreshLabels } from '../desk/labels'
import { BoxList, LabelPanel } from '../desk/panel'
import * as desk from '../desk/state'
import { Tools } from '../desk/tools'
import { go, Link, type PageProps } from '../router'
import { Moment, problem } from '../runs/loaded'
import { isAdministrator, me } from '../session'
import { Button, Dialog, EmptyState, number, Prose, Spinner, toast } from '../ui'
import './dataset.css'
import { addressOf, captionOf, datasetTexts, noFilters, setByTexts, statusTexts } from './filters'
import { contentOf, taskOf } from './opened'
import * as wall from './wall'

export default function OpenedImage({ params }: PageProps) {
  const id = params['image'] ?? ''
  const [image, setImage] = useState<DatasetImage | null>(null)
  const [failed, setFailed] = useState('')
  useEffect(refreshLabels, [])
  function load() {
    setFailed('')
    getImage(id).then(setImage, (error: unknown) => setFailed(problem(error)))
  }
  useEffect(load, [id])
  if (failed) {
    return (
      <EmptyState alone title="The image could not be loaded" action={<Button onClick={load}>Try again</Button>}>
        <Prose of={failed} /> <Link href="/dataset">Back to the dataset</Link>
      </EmptyState>
    )
  }
  if (image?.image !== id) return <Spinner label="Loading the image" />
  const changed = (next: DatasetImage) => {
    wall.update([next])
    setImage(next)
  }
  return <Editor key={`${image.image} ${image.changed_at}`} image={image} onChange={changed} onReload={load} />
}

interface EditorProps {
  image: DatasetImage
  onChange: (image: DatasetImage) => void
  onReload: () => void
}
function Editor({ image, onChange, onReload }: EditorProps) {
  const [ready] = useState<Ready>(() => preload(taskOf(image)))
  const [busy, setBusy] = useState(false)
  const [stale, setStale] = useState('')
  const [leavingTo, setLeavingTo] = useState('')
  const body = useRef<HTMLDivElement>(null)
  const isEditable = image.status !== 'original' && image.status !== 'uncut'
  const { before, after } = wall.besides(image.image)
  const focusImage = () => body.current?.querySelector<HTMLElement>('.canvas')?.focus({ preventScroll: true })

  if (desk.task.peek()?.id !== ready.task.id) {
    desk.show(ready.task, me.value?.sub ?? '', contentOf(image))
    desk.announcement.value = `${image.name}: ${captionOf(image)}.`
  }
  // Unless another image has taken its place by now.
  useEffect(() => () => {
    if (desk.task.peek()?.id === ready.task.id) desk.show(null, '')
  }, [])
  useEffect(() => wall.loadAhead(image.image), [image.image, wall.loaded.value])
  useEffect(() => {
    const warn = (event: BeforeUnloadEvent) => {
      if (desk.canUndo.value) event.preventDefault()
    }
    window.addEventListener('beforeunload', warn)
    return () => window.removeEventListener('beforeunload', warn)
  }, [])

  function act(change: () => Promise<DatasetImage>, done: string) {
    if (busy) return
    setBusy(true)
    change()
      .then(
        (next) => {
          onChange(next)
          toast(done)
        },
        (error: unknown) => {
          if (error instanceof ApiError && error.code === 'changed') setStale(error.message)
          else toast(problem(error), 'bad')
        },
      )
      .finally(() => setBusy(false))
  }
  function save(empty = false) {
    if (!isEditable) return
    const { kind } = ready.task
    const wrong = problemOf(kind, desk.unsent.value, new Set(desk.choices.value.map(({ label }) => label)))
    if (!empty && wrong) return toast(wrong)
    const { boxes, labels } = desk.unsent.value
    const content = empty ? {} : kind === 'detection' ? { boxes: boxesToSend(boxes) } : { labels }
    act(() => putImageLabels(image.image, { kind, changed_at: image.changed_at, ...content }), 'Saved.')
  }
  function leaveTo(address: string) {
    if (!address) return
    if (desk.canUndo.value) setLeavingTo(address)
    else go(address)
  }
  const addressBeside = (other: string) => other && `/dataset/${other}`
  const acts: Acts = {
    ...edits,
    confirm: () => save(),
    nothing: () => save(true),
    unusable: () => undefined,
    skip: () => undefined,
    previous: () => leaveTo(addressBeside(before)),
    undo: desk.undo,
    deselect: () => desk.select(''),
  }
  useKeyboard(acts)
  useLayoutEffect(focusImage, [])

  return (
    <div class="desk opened" ref={body}>
      <div class="topbar">
        <Button kind="quiet" class="previous" onClick={() => leaveTo(lastWall())}>
          <span aria-hidden="true">{'\u2039'} </span>Dataset
        </Button>
        <h1 class="why" title={image.name}>
          {image.name}
        </h1>
        <p class="figures">
          <Button kind="quiet" disabled={!before} onClick={() => leaveTo(addressBeside(before))} aria-label="Previous image" title="Previous image (P)">
            {'\u2039'}
          </Button>
          <Button kind="quiet" disabled={!after} onClick={() => leaveTo(addressBeside(after))} aria-label="Next image">
            {'\u203a'}
          </Button>
        </p>
      </div>
      <Picture ready={ready} onReload={onReload} />
      <aside class="side" aria-label="Labels and facts">
        {stale && (
          <div class="panel opened-stale" role="alert">
            <p>
              <Prose of={stale} />. What you drew is still here.
            </p>
            <Button onClick={onReload}>Load it again</Button>
          </div>
        )}
        {isEditable ? <LabelPanel focusImage={focusImage} /> : <Tiles image={image} />}
        {isEditable && ready.task.kind === 'detection' && <BoxList focusImage={focusImage} />}
        <Facts image={image} />
        <History
          image={image}
          onBackTo={({ revision }) => act(() => undoImage(image.image, image.changed_at, revision), 'These labels are back.')}
        />
      </aside>
      <div class="actions" role="group" aria-label="Actions">
        <Tools acts={acts} focusImage={focusImage} />
        <div class="answers">
          <OtherActions image={image} busy={busy} act={act} />
          <Button disabled={busy || !isEditable} onClick={() => save(true)} title="Nothing on the image has a label">
            No objects
          </Button>
          <Button kind="primary" disabled={busy || !isEditable || !desk.canUndo.value || !desk.labelsLoaded.value} onClick={() => save()} shortcut={'\u21b5'}>
            Save
          </Button>
        </div>
      </div>
      {desk.overlay.value === 'help' && <HelpDialog onClose={() => (desk.overlay.value = '')} />}
      {leavingTo && (
        <Dialog
          title="Leave without saving?"
          onClose={() => setLeavingTo('')}
          actions={
            <>
              <Button onClick={() => setLeavingTo('')}>Stay</Button>
              <Button kind="danger" onClick={() => go(leavingTo)}>
                Discard changes
              </Button>
            </>
          }
        >
          <p>What you changed on this image is not saved.</p>
        </Dialog>
      )}
      <div class="visually-hidden" aria-live="polite">
        {desk.announcement.value}
      </div>
    </div>
  )
}

/** The wall as it was left; all images, if the image was opened by a link. */
const lastWall = () => wall.address() || addressOf(noFilters)

function Picture({ ready, onReload }: { ready: Ready; onReload: () => void }) {
  const [unreadable, setUnreadable] = useState(false)
  useEffect(() => {
    let current = true
    ready.decoded.catch(() => current && setUnreadable(true))
    return () => {
      current = false
    }
  }, [ready])
  if (!unreadable) return <Canvas ready={ready} />
  return (
    <div class="no-task">
      <EmptyState title="The image did not load" action={<Button onClick={onReload}>Reload</Button>}>
        Its link may have expired, or the connection was lost.
      </EmptyState>
    </div>
  )
}

interface OtherActionsProps {
  image: DatasetImage
  busy: boolean
  act: (change: () => Promise<DatasetImage>, done: string) => void
}
function OtherActions({ image, busy, act }: OtherActionsProps) {
  const seen = [{ image: image.image, changed_at: image.changed_at }]
  const excluded = image.status === 'excluded'
  async function changed(change: Promise<{ problems: { message: string }[] }>): Promise<DatasetImage> {
    const refused = (await change).problems[0]
    if (refused) throw new ApiError(409, 'changed', refused.message)
    return getImage(image.image)
  }
  return (
    <>
      {!excluded && (
        <Button
          disabled={busy || image.task !== null}
          onClick={() => act(() => changed(sendToReview([image.image])), 'Sent to review.')}
        >
          {image.task ? 'In review' : 'Send to review'}
        </Button>
      )}
      {isAdministrator() && (
        <Button
          disabled={busy}
          onClick={() => act(() => changed(excludeImages(seen, !excluded)), excluded ? 'Restored.' : 'Excluded from later snapshots.')}
        >
          {excluded ? 'Restore' : 'Exclude'}
        </Button>
      )}
    </>
  )
}

function Tiles({ image }: { image: DatasetImage }) {
  return (
    <section class="panel">
      <h2>Tiles</h2>
      <p class="muted">
        {image.tiles.length > 0
          ? 'This image is too large to be trained with. Its tiles are, and are corrected one by one.'
          : 'This image is too large to be trained with, and is cut into tiles once it has labels.'}
      </p>
      <ul class="opened-tiles">
        {image.tiles.map((tile) => (
          <li key={tile}>
            <Link href={`/dataset/${tile}`}>{tile.slice(0, 12)}</Link>
          </li>
        ))}
      </ul>
    </section>
  )
}

function Facts({ image }: { image: DatasetImage }) {
  const dataset = image.dataset ? datasetTexts[image.dataset] : 'Assigned by the next snapshot'
  const rows: [string, ComponentChildren][] = [
    ['Status', image.conflict_reason ? `In conflict: ${image.conflict_reason}` : (statusTexts[image.status] ?? image.status)],
    ['Dataset', image.requested_dataset && image.dataset !== image.requested_dataset ? `${dataset ?? ''} (asked for: ${datasetTexts[image.requested_dataset] ?? ''})` : dataset],
    ['Labels from', setByTexts[image.set_by] ?? '\u2013'],
    ['Last change', <Moment of={image.changed_at} />],
    ...(image.changed_by ? ([['Changed by', image.changed_by]] as [string, ComponentChildren][]) : []),
    ['Registered', <Moment of={image.registered_at} />],
    ['Size', `${image.width} \u00d7 ${image.height} px, ${number(image.bytes / 1024)} KiB, ${image.format}`],
    ['SHA-256', <code class="opened-key">{image.image}</code>],
    ['Keys', image.sources.map((key) => <code key={key} class="opened-key">{key}</code>)],
  ]
  return (
    <section class="panel">
      <h2>About</h2>
      <dl class="facts">
        {rows.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <p class="stack opened-links">
        <Link href={addressOf({ ...noFilters, near: image.image })}>Near-duplicates</Link>
        {image.original && <Link href={`/dataset/${image.original}`}>The image that this is a tile of</Link>}
      </p>
    </section>
  )
}

function History({ image, onBackTo }: { image: DatasetImage; onBackTo: (past: PastImage) => void }) {
  if (image.history.length === 0) return null
  return (
    <section class="panel">
      <h2>Labels before</h2>
      <ol class="opened-history">
        {image.history.map((past) => (
          <li key={past.revision}>
            <span>{captionOf(past)}</span>
            <span class="muted">
              {past.changed_by || (setByTexts[past.set_by]?.toLowerCase() ?? 'as registered')}
              {past.changed_at && (
                <>
                  , <Moment of={past.changed_at} />
                </>
              )}
            </span>
            <Button kind="quiet" onClick={() => onBackTo(past)}>
              Back to this<span class="visually-hidden">{`: ${captionOf(past)}`}</span>
            </Button>
          </li>
        ))}
      </ol>
    </section>
  )
}
