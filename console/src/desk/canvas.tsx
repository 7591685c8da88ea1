/**
 * The box editor: the image with its boxes, drawn, moved and resized by mouse, pen and touch, zoomed and panned.
 * It is the project's own: Annotorious writes style attributes, which the Content-Security-Policy blocks, and has
 * no keys to move or resize a box (docs/review.md).
 */
import { effect, signal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import { boxAt, handleAt, handlePoint, handles, move, resize, type DeskBox, type Handle, type Point } from './boxes'
import type { Ready } from './claims'
import * as desk from './state'
import { toImage } from './view'

type Gesture =
  | { kind: 'pan'; last: Point }
  | { kind: 'pinch'; last: Point; distance: number }
  | { kind: 'press' | 'draw'; from: Point; start: Point }
  | { kind: 'move'; from: Point; box: DeskBox }
  | { kind: 'resize'; from: Point; box: DeskBox; handle: Handle }

const rubber = signal<{ a: Point; b: Point } | null>(null)
/** A press that moves less than so many screen pixels is a click. */
const CLICK_DISTANCE = 4

/** How far from a handle a press still takes it, in screen pixels: 44 across for a finger, 16 for a mouse. */
const reach = (event: PointerEvent) => (event.pointerType === 'mouse' ? 8 : 22)

class Gestures {
  private readonly pointers = new Map<number, Point>()
  private gesture: Gesture | null = null
  spaceHeld = false

  constructor(private readonly element: HTMLElement) {}

  private at(event: PointerEvent | WheelEvent): Point {
    const { left, top } = this.element.getBoundingClientRect()
    return { x: event.clientX - left, y: event.clientY - top }
  }

  readonly down = (event: PointerEvent): void => {
    if (event.pointerType === 'mouse' && event.button > 1) return
    event.preventDefault()
    this.element.focus({ preventScroll: true })
    this.element.setPointerCapture(event.pointerId)
    const at = this.at(event)
    this.pointers.set(event.pointerId, at)
    if (this.pointers.size === 2) this.startPinch()
    else if (this.pointers.size === 1) this.gesture = this.begin(event, at)
  }

  private startPinch(): void {
    desk.endDrag(true)
    rubber.value = null
    const [a, b] = this.two()
    this.gesture = { kind: 'pinch', last: centre(a, b), distance: distance(a, b) }
  }

  private two(): [Point, Point] {
    const [a, b] = [...this.pointers.values()]
    const origin = { x: 0, y: 0 }
    return [a ?? origin, b ?? origin]
  }

  private begin(event: PointerEvent, at: Point): Gesture {
    if (event.button === 1 || this.spaceHeld || desk.task.value?.kind === 'classification') return { kind: 'pan', last: at }
    const from = toImage(desk.view.value, at)
    const box = desk.selected.value
    if (box) {
      const handle = handleAt(box, from, reach(event) / desk.view.value.scale)
      if (handle) return { kind: 'resize', from, box, handle }
      if (boxAt([box], from)) return { kind: 'move', from, box }
    }
    return { kind: 'press', from, start: at }
  }

  /** Shows by the cursor what a press would do. */
  private hover(event: PointerEvent): void {
    const box = desk.selected.value
    const at = toImage(desk.view.value, this.at(event))
    const handle = box && handleAt(box, at, reach(event) / desk.view.value.scale)
    this.element.dataset['over'] = handle ?? (box && boxAt([box], at) ? 'box' : '')
  }

  readonly moveTo = (event: PointerEvent): void => {
    if (!this.pointers.has(event.pointerId)) return this.hover(event)
    const at = this.at(event)
    this.pointers.set(event.pointerId, at)
    const { gesture } = this
    const task = desk.task.value
    if (!gesture || !task) return
    const here = toImage(desk.view.value, at)
    if (gesture.kind === 'pinch') this.pinch(gesture)
    else if (gesture.kind === 'pan') {
      desk.panBy(at.x - gesture.last.x, at.y - gesture.last.y)
      gesture.last = at
    } else if (gesture.kind === 'move') {
      desk.dragBox(move(gesture.box, here.x - gesture.from.x, here.y - gesture.from.y, task))
    } else if (gesture.kind === 'resize') {
      const { box, handle, from } = gesture
      desk.dragBox(resize(box, handle, here.x - from.x, here.y - from.y, task))
    } else {
      if (gesture.kind === 'press' && distance(at, gesture.start) < CLICK_DISTANCE) return
      gesture.kind = 'draw'
      rubber.value = { a: gesture.from, b: here }
    }
  }

  private pinch(gesture: Extract<Gesture, { kind: 'pinch' }>): void {
    const [a, b] = this.two()
    const middle = centre(a, b)
    const apart = distance(a, b)
    desk.panBy(middle.x - gesture.last.x, middle.y - gesture.last.y)
    desk.zoomBy(apart / Math.max(gesture.distance, 1), middle)
    gesture.last = middle
    gesture.distance = apart
  }

  readonly up = (event: PointerEvent): void => {
    if (!this.pointers.delete(event.pointerId)) return
    const { gesture } = this
    const cancelled = event.type === 'pointercancel'
    // After a pinch the second finger does nothing until it is lifted: it would draw by mistake.
    this.gesture = null
    if (!gesture) return
    if (gesture.kind === 'press' && !cancelled) desk.select(boxAt(desk.unsent.value.boxes, gesture.from)?.id ?? '')
    if (gesture.kind === 'draw' && rubber.value && !cancelled) desk.drawn(rubber.value.a, rubber.value.b)
    rubber.value = null
    desk.endDrag(cancelled)
  }

  readonly wheel = (event: WheelEvent): void => {
    event.preventDefault()
    // A pinch on a trackpad is a wheel event with ctrl, in finer steps.
    desk.zoomBy(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0015)), this.at(event))
  }
}

const centre = (a: Point, b: Point): Point => ({ x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 })
const distance = (a: Point, b: Point): number => Math.hypot(a.x - b.x, a.y - b.y)

function listen(element: HTMLElement): () => void {
  const gestures = new Gestures(element)
  const space = (event: KeyboardEvent) => {
    if (event.key !== ' ') return
    if (event.target === element && event.type === 'keydown') event.preventDefault()
    gestures.spaceHeld = event.type === 'keydown'
    element.classList.toggle('panning', gestures.spaceHeld)
  }
  const size = new ResizeObserver(() => {
    desk.screenChanged({ width: element.clientWidth, height: element.clientHeight })
  })
  size.observe(element)
  element.addEventListener('pointerdown', gestures.down)
  element.addEventListener('pointermove', gestures.moveTo)
  element.addEventListener('pointerup', gestures.up)
  element.addEventListener('pointercancel', gestures.up)
  element.addEventListener('wheel', gestures.wheel, { passive: false })
  window.addEventListener('keydown', space)
  window.addEventListener('keyup', space)
  return () => {
    size.disconnect()
    window.removeEventListener('keydown', space)
    window.removeEventListener('keyup', space)
  }
}

/** The image with its boxes. `ready.image` is the preloaded element: decoded, so painted in the next frame. */
export function Canvas({ ready }: { ready: Ready }) {
  const frame = useRef<HTMLDivElement>(null)
  const holder = useRef<HTMLDivElement>(null)
  useEffect(() => (frame.current ? listen(frame.current) : undefined), [])
  useEffect(() => {
    const { image, task } = ready
    image.style.width = `${task.width}px`
    image.style.height = `${task.height}px`
    holder.current?.replaceChildren(image)
    return effect(() => {
      const { scale, x, y } = desk.view.value
      image.style.transform = `translate(${x}px, ${y}px) scale(${scale})`
      image.style.imageRendering = scale > 4 ? 'pixelated' : 'auto'
    })
  }, [ready])
  const count = desk.unsent.value.boxes.length
  const about = ready.task.kind === 'detection' ? `Image with ${count} ${count === 1 ? 'box' : 'boxes'}` : 'Image'
  return (
    <div
      ref={frame}
      class="canvas"
      role="application"
      tabIndex={0}
      aria-label={`${about}. The button Keyboard shortcuts and help lists the keys.`}
      data-task={ready.task.id}
    >
      <div ref={holder} class="canvas-image" />
      <Boxes />
    </div>
  )
}

function Boxes() {
  const { width, height } = desk.screen.value
  const all = desk.unsent.value.boxes
  const chosen = desk.selectedId.value
  return (
    <svg class="boxes" width={width} height={height} aria-hidden="true">
      {all.map((box) => box.id !== chosen && <BoxShape key={box.id} box={box} />)}
      {desk.selected.value && <SelectedShape box={desk.selected.value} />}
      <Rubber />
    </svg>
  )
}

function onScreen(box: { left: number; top: number; width: number; height: number }) {
  const { scale, x, y } = desk.view.value
  return { x: box.left * scale + x, y: box.top * scale + y, width: box.width * scale, height: box.height * scale }
}

/** A box with its name. A proposal is dashed and shows its confidence until somebody changes it. */
function BoxShape({ box, chosen = false }: { box: DeskBox; chosen?: boolean }) {
  const at = onScreen(box)
  const colour = desk.colourOf(box.label)
  const name = desk.nameOf(box)
  const tag = name.length * 7.6 + 14
  const top = at.y > 20 ? at.y - 20 : at.y
  const state = `${box.confidence === undefined ? '' : ' proposed'}${chosen ? ' chosen' : ''}`
  return (
    <g class={`box${state}`}>
      <rect class="box-halo" {...at} />
      <rect class="box-line" {...at} stroke={colour} fill={colour} />
      <rect x={at.x} y={top} width={tag} height={20} fill="#101413" />
      <rect x={at.x} y={top} width={5} height={20} fill={colour} />
      <text x={at.x + 10} y={top + 14}>
        {name}
      </text>
    </g>
  )
}

function SelectedShape({ box }: { box: DeskBox }) {
  const { scale, x, y } = desk.view.value
  return (
    <g>
      <BoxShape box={box} chosen />
      {handles.map((handle) => {
        const at = handlePoint(box, handle)
        return <circle key={handle} class="box-handle" cx={at.x * scale + x} cy={at.y * scale + y} r={6} />
      })}
    </g>
  )
}

function Rubber() {
  if (!rubber.value) return null
  const { a, b } = rubber.value
  const at = onScreen({
    left: Math.min(a.x, b.x),
    top: Math.min(a.y, b.y),
    width: Math.abs(a.x - b.x),
    height: Math.abs(a.y - b.y),
  })
  const colour = desk.colourOf(desk.drawLabel())
  return (
    <g class="box">
      <rect class="box-halo" {...at} />
      <rect class="box-line" {...at} stroke={colour} fill={colour} />
    </g>
  )
}
