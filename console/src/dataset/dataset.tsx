/** The dataset: every image as a thumbnail, found by what is known of it; several are changed at once. */
import { useCallback, useEffect, useLayoutEffect, useMemo, useReducer, useRef, useState } from 'preact/hooks'
import { excludeImages, relabelImages, sendToReview, type ChangedImages, type ImageLine } from '../api'
import { refreshLabels } from '../desk/labels'
import * as desk from '../desk/state'
import { go, Link, search } from '../router'
import { problem } from '../runs/loaded'
import { isAdministrator } from '../session'
import { Button, Dialog, EmptyState, Field, number, PageHeader, Spinner, toast } from '../ui'
import { inParts, labelsOf, outcomeText, seen } from './changes'
import './dataset.css'
import { addressOf, captionOf, filtersOf, isFiltered, noFilters, type Filters } from './filters'
import { FilterBar } from './filterbar'
import { gridOf, isNearEnd, noRows, oneRowMore, placeAfter, rowAt, rowsInPage, shownOf } from './grid'
import * as wall from './wall'

export default function Dataset() {
  const filters = filtersOf(search.value)
  const address = addressOf(filters)
  useEffect(refreshLabels, [])
  useLayoutEffect(() => wall.show(filters), [address])
  return (
    <div class="page dataset">
      <PageHeader
        title="Dataset"
        lead={<Lead filters={filters} />}
        actions={
          <div class="row">
            <Link class="button button-plain" href="/dataset/report">
              Report
            </Link>
            {isAdministrator() && (
              <Link class="button button-primary" href="/dataset/upload">
                Upload images
              </Link>
            )}
          </div>
        }
      />
      <FilterBar filters={filters} />
      <Wall />
      <SelectionBar />
    </div>
  )
}

function Lead({ filters }: { filters: Filters }) {
  const { images, cursor } = wall.loaded.value
  const total = wall.total.value
  const what = isFiltered(filters) ? 'match' : 'in the dataset'
  if (cursor === null) return <>{`${number(images.length)} ${images.length === 1 ? 'image' : 'images'} ${what}`}</>
  if (total) return <>{`${total.more ? 'More than ' : ''}${number(total.count)} images ${what}`}</>
  return <>{`${number(images.length)} images so far`}</>
}

function Wall() {
  const holder = useRef<HTMLDivElement>(null)
  const [size, setSize] = useState({ width: 0, top: 0, height: window.innerHeight })
  const [focused, setFocused] = useState(0)
  const moving = useRef(false)
  /** The image that was clicked last. */
  const last = useRef('')
  const { images } = wall.loaded.value
  const grid = useMemo(() => gridOf(size.width), [size.width])
  const rows = useRef(noRows)
  const [, addRow] = useReducer((added: number) => added + 1, 0)
  rows.current = rowsInPage(grid, images.length, size.top, size.height, rows.current)
  const shown = shownOf(grid, images.length, rows.current)
  // The tab key leads to one thumbnail, which has to be in the page.
  const reached = focused >= shown.from && focused < shown.to ? focused : shown.from

  useLayoutEffect(() => {
    const measure = () => {
      const box = holder.current?.getBoundingClientRect()
      if (!box) return
      const next = { width: box.width, top: rowAt(gridOf(box.width), -box.top), height: window.innerHeight }
      setSize((before) => (isSame(before, next) ? before : next))
    }
    measure()
    if (wall.scrolledTo.y) requestAnimationFrame(() => window.scrollTo(0, wall.scrolledTo.y))
    const observer = new ResizeObserver(measure)
    if (holder.current) observer.observe(holder.current)
    window.addEventListener('scroll', measure, { passive: true })
    return () => {
      observer.disconnect()
      window.removeEventListener('scroll', measure)
    }
  }, [])
  useEffect(() => {
    if (size.width && !wall.error.value && isNearEnd(grid, images.length, size.top, size.height)) void wall.more()
  })
  // Once what is in view is painted, the rows around it come one a frame: what the next scrolling shows is there by then.
  useEffect(() => {
    const more = size.width ? oneRowMore(grid, images.length, size.top, size.height, rows.current) : null
    if (!more) return
    rows.current = more
    addRow(0)
  })
  // After a key has moved the focus to a row that was not in the page.
  useLayoutEffect(() => {
    if (!moving.current) return
    const target = holder.current?.querySelector<HTMLElement>(`[data-at="${focused}"]`)
    if (target) {
      moving.current = false
      target.focus()
      target.scrollIntoView({ block: 'nearest' })
    }
  })

  function onKeyDown(event: KeyboardEvent) {
    if (event.ctrlKey || event.metaKey || event.altKey) return
    const target = (event.target as HTMLElement).closest<HTMLElement>('[data-at]')
    if (!target) return
    const at = Number(target.dataset['at'])
    if (event.key === ' ') {
      event.preventDefault()
      toggle(at, event.shiftKey)
      return
    }
    const to = placeAfter(event.key, at, grid.columns, images.length)
    if (to === null) return
    event.preventDefault()
    moving.current = true
    setFocused(to)
    const row = Math.floor(to / grid.columns) * grid.rowHeight
    if (row < size.top || row + grid.rowHeight > size.top + size.height) window.scrollBy(0, row - size.top - size.height / 3)
  }
  // The same at each rendering, so that cells that stay are not rendered again.
  const toggle = useCallback((at: number, isRange: boolean) => {
    const { images } = wall.loaded.value
    wall.selected.value = wall.selectedAfter(wall.selected.value, images, at, isRange ? last.current : '')
    last.current = images[at]?.image ?? ''
  }, [])

  return (
    <>
      <div ref={holder} class="wall-holder" onKeyDown={onKeyDown}>
        <div style={{ height: `${shown.above}px` }} />
        <ul class="wall" aria-label="Images" style={{ gridTemplateColumns: `repeat(${grid.columns}, minmax(0, 1fr))` }}>
          {images.slice(shown.from, shown.to).map((image, i) => (
            <Cell
              key={image.image}
              image={image}
              at={shown.from + i}
              focused={reached === shown.from + i}
              onFocus={setFocused}
              onToggle={toggle}
            />
          ))}
        </ul>
        <div style={{ height: `${shown.below}px` }} />
      </div>
      <WallEnd />
    </>
  )
}

type View = { width: number; top: number; height: number }
const isSame = (one: View, other: View) =>
  one.width === other.width && one.top === other.top && one.height === other.height

interface CellProps {
  image: ImageLine
  at: number
  focused: boolean
  onFocus: (at: number) => void
  onToggle: (at: number, isRange: boolean) => void
}
function Cell({ image, at, focused, onFocus, onToggle }: CellProps) {
  const isSelected = wall.selected.value.has(image.image)
  const caption = captionOf(image)
  return (
    <li class={`cell cell-${image.status}${isSelected ? ' cell-selected' : ''}`}>
      <a
        href={`/dataset/${image.image}`}
        data-at={at}
        tabIndex={focused ? 0 : -1}
        aria-label={`${image.name}: ${caption}`}
        title={image.name}
        onFocus={() => onFocus(at)}
        onClick={(event) => {
          if (event.shiftKey || event.metaKey || event.ctrlKey) {
            event.preventDefault()
            onToggle(at, event.shiftKey)
            return
          }
          event.preventDefault()
          wall.scrolledTo.y = window.scrollY
          go(`/dataset/${image.image}`)
        }}
      >
        <Thumbnail image={image} />
      </a>
      <input
        type="checkbox"
        tabIndex={focused ? 0 : -1}
        checked={isSelected}
        aria-label={`Select ${image.name}`}
        onClick={(event) => onToggle(at, event.shiftKey)}
      />
      <span class="cell-caption" aria-hidden="true">
        {caption}
      </span>
    </li>
  )
}

/** A thumbnail with the boxes of its image. */
export function Thumbnail({ image }: { image: Pick<ImageLine, 'thumbnail' | 'width' | 'height' | 'boxes'> }) {
  const [missing, setMissing] = useState(false)
  return (
    <span class="thumbnail">
      {missing ? (
        <span class="thumbnail-missing">No thumbnail yet</span>
      ) : (
        <img src={image.thumbnail} alt="" decoding="async" draggable={false} onError={() => setMissing(true)} />
      )}
      {image.boxes.length > 0 && (
        <svg viewBox={`0 0 ${image.width} ${image.height}`} aria-hidden="true">
          {image.boxes.map(({ label, left, top, width, height }, i) => (
            <rect key={i} x={left} y={top} width={width} height={height} stroke={desk.colourOf(label)} />
          ))}
        </svg>
      )}
    </span>
  )
}

/** What comes after the last thumbnail: more, an end, or what went wrong. */
function WallEnd() {
  const { images, cursor, read, searched } = wall.loaded.value
  if (wall.error.value) {
    return (
      <EmptyState title="Loading failed" action={<Button onClick={() => void wall.more()}>Try again</Button>}>
        {wall.error.value}
      </EmptyState>
    )
  }
  if (wall.isPaused()) {
    return (
      <p class="wall-end row" role="status">
        {`${number(images.length)} of the ${number(read)} images read so far match: nothing finds these at once.`}
        <Button onClick={wall.searchOn}>Search on</Button>
      </p>
    )
  }
  if (cursor !== null) {
    const share = searched === null ? '' : `, ${Math.floor(searched * 100)} % searched`
    return <Spinner label={read > 2 * images.length + 500 ? `Searching: ${number(read)} images read${share}` : 'Loading images'} />
  }
  if (images.length > 0) return null
  const filters = filtersOf(search.value)
  if (isFiltered(filters)) {
    return (
      <EmptyState title="No image matches" action={<Button onClick={() => go(addressOf(noFilters))}>Show all images</Button>}>
        {filters.near ? 'Only images that were in a snapshot are compared.' : 'Another filter may find it.'}
      </EmptyState>
    )
  }
  return (
    <EmptyState title="No images yet" action={isAdministrator() ? <Link href="/dataset/upload">Upload images</Link> : undefined}>
      They appear here once they are uploaded, or imported by `labelloop import`.
    </EmptyState>
  )
}

function SelectionBar() {
  const images = [...wall.selected.value.values()]
  const [progress, setProgress] = useState('')
  const [dialog, setDialog] = useState<'' | 'exclude' | 'relabel'>('')
  if (images.length === 0) return null
  const clear = () => (wall.selected.value = new Map())

  function run(done: string, change: (part: ImageLine[]) => Promise<ChangedImages>, of = images) {
    setDialog('')
    setProgress(`0 of ${number(of.length)}`)
    inParts(of, change, (count) => setProgress(`${number(count)} of ${number(of.length)}`))
      .then((outcome) => {
        wall.update(outcome.images)
        // What was not changed, or was selected meanwhile, stays selected.
        const changed = new Set(outcome.images.map(({ image }) => image))
        wall.selected.value = new Map([...wall.selected.value].filter(([id]) => !changed.has(id)))
        const words = [outcomeText(outcome, done), ...(outcome.error ? [problem(outcome.error)] : [])]
        toast(words.join(' '), outcome.error || outcome.problems.length > 0 ? 'bad' : 'info')
      })
      .finally(() => setProgress(''))
  }
  const excluded = images.filter(({ status }) => status === 'excluded')
  const included = images.filter(({ status }) => status !== 'excluded')
  return (
    <div class="selection" role="region" aria-label="Selected images">
      <p role="status">{progress || `${number(images.length)} selected`}</p>
      <div class="row">
        <Button disabled={progress !== ''} onClick={() => run('sent to review', (part) => sendToReview(part.map(({ image }) => image)))}>
          Send to review
        </Button>
        {isAdministrator() && labelsOf(images).length > 0 && (
          <Button disabled={progress !== ''} onClick={() => setDialog('relabel')}>
            Change label
          </Button>
        )}
        {isAdministrator() && included.length > 0 && (
          <Button disabled={progress !== ''} onClick={() => setDialog('exclude')}>
            Exclude
          </Button>
        )}
        {isAdministrator() && excluded.length > 0 && (
          <Button disabled={progress !== ''} onClick={() => run('restored', (part) => excludeImages(seen(part), false), excluded)}>
            Restore
          </Button>
        )}
        <Button kind="quiet" disabled={progress !== ''} onClick={clear}>
          Clear selection
        </Button>
      </div>
      {dialog === 'exclude' && (
        <Dialog
          title={`Exclude ${number(included.length)} ${included.length === 1 ? 'image' : 'images'}?`}
          onClose={() => setDialog('')}
          actions={
            <>
              <Button onClick={() => setDialog('')}>Cancel</Button>
              <Button kind="danger" onClick={() => run('excluded', (part) => excludeImages(seen(part), true), included)}>
                Exclude
              </Button>
            </>
          }
        >
          <p>Later snapshots leave them out of training and test. They keep their labels, and can be restored.</p>
        </Dialog>
      )}
      {dialog === 'relabel' && (
        <RelabelDialog
          images={images}
          onClose={() => setDialog('')}
          onRelabel={(before, after) => {
            const having = images.filter(({ labels }) => labels.includes(before))
            run(`changed from ${before} to ${after}`, (part) => relabelImages(seen(part), before, after), having)
          }}
        />
      )}
    </div>
  )
}

interface RelabelProps {
  images: ImageLine[]
  onClose: () => void
  onRelabel: (before: string, after: string) => void
}
function RelabelDialog({ images, onClose, onRelabel }: RelabelProps) {
  const there = labelsOf(images)
  const [before, setBefore] = useState(there[0] ?? '')
  const [after, setAfter] = useState('')
  const having = images.filter(({ labels }) => labels.includes(before)).length
  const choices = desk.usable.value.map(({ label }) => label).filter((label) => label !== before)
  return (
    <Dialog
      title="Change a label"
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button kind="primary" disabled={!after || after === before} onClick={() => onRelabel(before, after)}>
            {`Change on ${number(having)} ${having === 1 ? 'image' : 'images'}`}
          </Button>
        </>
      }
    >
      <div class="stack">
        <Field label="Label that they have">
          <select value={before} onChange={(event) => setBefore(event.currentTarget.value)}>
            {there.map((label) => (
              <option key={label}>{label}</option>
            ))}
          </select>
        </Field>
        <Field label="Label that they get" hint="Boxes stay where they are.">
          <select value={after} onChange={(event) => setAfter(event.currentTarget.value)}>
            <option value="">Choose a label</option>
            {choices.map((label) => (
              <option key={label}>{label}</option>
            ))}
          </select>
        </Field>
      </div>
    </Dialog>
  )
}
