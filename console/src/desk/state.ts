/** The task on the desk: its boxes or labels with their history, the selection, and the view. */
import { batch, computed, signal } from '@preact/signals'
import type { AnswerBody, Label, Queue, Task, Verdict } from '../api'
import * as answers from './answers'
import * as boxes from './boxes'
import type { DeskBox, Point, Size } from './boxes'
import { loadUnsent, saveUnsent, type Unsent } from './unsent'
import * as histories from './history'
import { labelKeys } from './keys'
import * as views from './view'

const noColour = '#888888'
export const labels = signal<Label[]>([])
/** Whether the labels are loaded: before that, nothing can be drawn or confirmed. */
export const labelsLoaded = signal(false)
export const queue = signal<Queue | null>(null)
export const task = signal<Task | null>(null)
/** The id of the person at the desk. */
let owner = ''
let isCorrection = false
const history = signal(histories.begin<Unsent>({ boxes: [], labels: [] }))
export const selectedId = signal('')
/** The label to draw with. */
export const activeLabel = signal('')
export const view = signal<views.View>({ scale: 1, x: 0, y: 0 })
export const screen = signal<Size>({ width: 1, height: 1 })
/** What screen readers announce. */
export const announcement = signal('')
export const overlay = signal<'' | 'help' | 'skip' | 'unusable' | 'answers'>('')

export const unsent = computed(() => history.value.present)
export const selected = computed(() => unsent.value.boxes.find(({ id }) => id === selectedId.value) ?? null)
export const canUndo = computed(() => history.value.past.length > 0)
export const canRedo = computed(() => history.value.future.length > 0)
export const usable = computed(() => labels.value.filter(({ retired }) => !retired))
/** The labels to choose from, and those in use that are not defined: nothing may be confirmed unseen. */
export const choices = computed(() => {
  const defined = new Set(usable.value.map(({ label }) => label))
  const used = new Set([...unsent.value.labels, ...unsent.value.boxes.map(({ label }) => label)])
  const undefinedLabels = [...used].filter((label) => !defined.has(label))
  return [...usable.value, ...undefinedLabels.map(withoutDefinition)]
})
const characterSlot = 'labelloop.characterKeys'
/** Whether keys that type a character are shortcuts: https://www.w3.org/TR/WCAG22/#character-key-shortcuts */
export const characterKeys = signal(localStorage.getItem(characterSlot) !== 'off')
export function switchCharacterKeys(on: boolean): void {
  characterKeys.value = on
  localStorage.setItem(characterSlot, on ? 'on' : 'off')
}
/** The key of each label; none while they are switched off. */
export const keys = computed(() => (characterKeys.value ? labelKeys(usable.value) : new Map<string, string>()))

function withoutDefinition(label: string): Label {
  return { label, colour: noColour, key: '', instruction: '', examples: [], retired: false, renamed_to: '' }
}

let shownAt = 0
let hiddenFor = 0
let hiddenSince = 0
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'hidden') hiddenSince = performance.now()
  else hiddenFor += performance.now() - hiddenSince
})

/** Seconds for which the task was visible. */
const seconds = () => Math.max(0.1, Math.round((performance.now() - shownAt - hiddenFor) / 100) / 10)

/** The boxes and labels of an answer that was given. */
function unsentOf({ boxes: given = [], labels = [] }: AnswerBody): Unsent {
  return { boxes: given.map((box) => ({ ...box, id: boxes.newId() })), labels }
}

function proposal(next: Task): Unsent {
  if (next.kind === 'detection') return { boxes: boxes.fromSuggestions(next.suggestions, next, next.suggested_by !== null), labels: [] }
  return { boxes: [], labels: (next.suggestions.labels ?? []).map(({ label }) => label) }
}

/** What was kept, with new ids: the stored ones may be those of other boxes by now. */
function restored(stored: Unsent): Unsent {
  return { ...stored, boxes: stored.boxes.map((box) => ({ ...box, id: boxes.newId() })) }
}

/** Shows a task; with the answer that was given to it, to correct that. */
export function show(next: Task | null, sub: string, given: AnswerBody | null = null): void {
  batch(() => {
    task.value = next
    isCorrection = given !== null
    owner = sub
    selectedId.value = ''
    overlay.value = ''
    if (!next) return
    const stored = given ? null : loadUnsent(sub, next.id)
    history.value = histories.begin(given ? unsentOf(given) : stored ? restored(stored) : proposal(next))
    shownAt = performance.now()
    hiddenFor = 0
    showWhole()
    const about = given ? 'Your answer, to be corrected.' : stored ? 'Your unsent changes were restored.' : ''
    announcement.value = `${describe(next)} ${about}`
  })
}

function describe(next: Task): string {
  const { boxes, labels } = unsent.value
  const contents = next.kind === 'detection' ? `Boxes: ${boxes.length}` : `Labels chosen: ${labels.length}`
  return `${isCorrection ? 'Previous image' : 'New image'}. ${contents}. ${next.why}`
}

/** A correction is not kept: its task is not claimed, and cannot be after a reload. */
function keep(): void {
  if (task.value && !isCorrection) saveUnsent(owner, task.value.id, unsent.value)
}

function changeTo(present: Unsent): void {
  history.value = histories.change(history.value, present)
  keep()
}

export function undo(): void {
  if (!canUndo.value) return
  const before = unsent.value
  history.value = histories.undo(history.value)
  afterStep('Undone.', before)
}
export function redo(): void {
  if (!canRedo.value) return
  const before = unsent.value
  history.value = histories.redo(history.value)
  afterStep('Redone.', before)
}
/** Selects the box that came back or changed, so that it can be worked on at once; else the selection stays. */
function afterStep(action: string, before: Unsent): void {
  const changed = unsent.value.boxes.find((box) => !before.boxes.includes(box))
  if (changed) selectedId.value = changed.id
  else if (!selected.value) selectedId.value = ''
  announcement.value = `${action} ${unsent.value.boxes.length + unsent.value.labels.length} in total.`
  keep()
}

export function colourOf(label: string): string {
  return labels.value.find((other) => other.label === label)?.colour ?? noColour
}

// Boxes ---------------------------------------------------------------------------------------------

export const nameOf = (box: DeskBox): string =>
  box.confidence === undefined ? box.label : `${box.label} ${Math.round(box.confidence)} %`

function place(box: DeskBox): string {
  const proposed = box.confidence === undefined ? '' : ', suggested'
  return `${nameOf(box)}, ${box.width} by ${box.height} at ${box.left}, ${box.top}${proposed}`
}

export function select(id: string): void {
  selectedId.value = id
  if (selected.value) announcement.value = `Selected ${place(selected.value)}.`
}

/** Selects the next box (`by` 1) or the one before (-1); false past the last one. */
export function cycle(by: 1 | -1): boolean {
  const all = unsent.value.boxes
  const at = all.findIndex(({ id }) => id === selectedId.value)
  const next = at === -1 ? (by === 1 ? 0 : all.length - 1) : at + by
  const box = all[next]
  select(box?.id ?? '')
  return box !== undefined
}

const exchanged = (box: DeskBox): Unsent => ({
  ...unsent.value,
  boxes: unsent.value.boxes.map((other) => (other.id === box.id ? box : other)),
})

export function replaceBox(box: DeskBox): void {
  changeTo(exchanged(box))
}

let beforeDrag: Unsent | null = null
/** Shows a frame of a drag; the drag is one step of the history when it ends. */
export function dragBox(box: DeskBox): void {
  beforeDrag ??= unsent.value
  history.value = histories.amend(history.value, exchanged(box))
}
export function endDrag(cancelled = false): void {
  if (!beforeDrag) return
  const after = unsent.value
  history.value = histories.amend(history.value, beforeDrag)
  beforeDrag = null
  if (!cancelled) changeTo(after)
}

export function addBox(box: DeskBox): void {
  changeTo({ ...unsent.value, boxes: [...unsent.value.boxes, box] })
  select(box.id)
}

export function drawn(a: Point, b: Point): void {
  const current = task.value
  if (!current) return
  const box = boxes.boxBetween(a, b, drawLabel(), current, Math.max(1, 4 / view.value.scale))
  if (box) addBox(box)
}

/** The chosen label, unless it was retired since. */
export function drawLabel(): string {
  const names = usable.value.map(({ label }) => label)
  return names.includes(activeLabel.value) ? activeLabel.value : (names[0] ?? '')
}

export function placeBox(): void {
  const current = task.value
  if (!current) return
  if (!drawLabel()) {
    announcement.value = 'There is no label to draw with.'
    return
  }
  const box = { ...views.middle(view.value, current, screen.value), id: boxes.newId(), label: drawLabel() }
  addBox(boxes.fit(box, current))
}

export function step(dx: number, dy: number, resize: boolean): void {
  const current = task.value
  const box = selected.value
  if (!current) return
  if (!box) {
    panBy(-dx * 40, -dy * 40)
    return
  }
  const changed = resize ? boxes.resize(box, 'se', dx, dy, current) : boxes.move(box, dx, dy, current)
  replaceBox(changed)
  announcement.value = place(changed)
}

export function removeSelected(): void {
  const box = selected.value
  if (!box) return
  changeTo({ ...unsent.value, boxes: unsent.value.boxes.filter(({ id }) => id !== box.id) })
  selectedId.value = ''
  announcement.value = `Removed ${box.label}. ${unsent.value.boxes.length} left.`
}

// Labels --------------------------------------------------------------------------------------------

/** Chooses a label: for the whole image, for the selected box, or to draw with. */
export function chooseLabel(label: string): void {
  if (task.value?.kind === 'classification') {
    toggleLabel(label)
    return
  }
  activeLabel.value = label
  // What changes nothing leaves nothing to be undone, or to be lost.
  if (selected.value && selected.value.label !== label) replaceBox(boxes.relabel(selected.value, label))
  announcement.value = selected.value ? `Labelled ${label}.` : `Draw with ${label}.`
}

function toggleLabel(label: string): void {
  const chosen = unsent.value.labels
  const on = !chosen.includes(label)
  changeTo({ ...unsent.value, labels: on ? [...chosen, label] : chosen.filter((other) => other !== label) })
  announcement.value = `${label} ${on ? 'chosen' : 'not chosen'}.`
}

// View ----------------------------------------------------------------------------------------------

/** True until somebody zooms or pans: then a window of another size does not change the view. */
let fitted = true

export function showWhole(): void {
  fitted = true
  if (task.value) view.value = views.whole(task.value, screen.value)
}
export function screenChanged(size: Size): void {
  screen.value = size
  if (fitted) showWhole()
}
export function zoomBy(factor: number, at?: Point): void {
  const point = at ?? { x: screen.value.width / 2, y: screen.value.height / 2 }
  fitted = false
  if (task.value) view.value = views.zoom(view.value, factor, point, task.value, screen.value)
}
export function panBy(dx: number, dy: number): void {
  fitted = false
  if (task.value) view.value = views.pan(view.value, dx, dy, task.value, screen.value)
}

// Answering -----------------------------------------------------------------------------------------

/** The answer as it stands, or the sentence that says what is missing. */
export function answer(verdict: Verdict, reason = ''): AnswerBody | string {
  const body: AnswerBody = { verdict, seconds: seconds() }
  if (isCorrection) body.correction = true
  if (reason) body.reason = reason
  const current = task.value
  if (verdict !== 'labelled' || !current) return body
  const problem = answers.problemOf(current.kind, unsent.value, new Set(usable.value.map(({ label }) => label)))
  if (problem) return problem
  if (current.kind === 'classification') return { ...body, labels: unsent.value.labels }
  return { ...body, boxes: answers.boxesToSend(unsent.value.boxes) }
}
