/** The keyboard shortcuts of the review desk. */
export type Command =
  | 'confirm'
  | 'nothing'
  | 'unusable'
  | 'skip'
  | 'undo'
  | 'redo'
  | 'delete'
  | 'place'
  | 'deselect'
  | 'help'
  | 'previous'
  | 'zoom-in'
  | 'zoom-out'
  | 'zoom-whole'
export type Step = { dx: number; dy: number; resize: boolean }
export type KeyAction = { command: Command } | { step: Step } | { label: string }

/** The list of the help dialog: keys, and what they do. */
export const help: [string, string][] = [
  ['Enter', 'Confirm and go to the next image'],
  ['N', 'No objects: nothing here has one of the labels'],
  ['U', 'Unusable image'],
  ['S', 'Skip, with a reason'],
  ['P', 'Previous image: see your answer and correct it'],
  ['Z', 'Undo; with nothing to undo, the previous image'],
  ['Shift Z', 'Redo'],
  ['B', 'Place a new box in the middle of the view'],
  ['Tab', 'Next box (Shift Tab: previous box), while the image has the focus'],
  ['Arrows', 'Move the selected box by 1 pixel; with none selected, pan'],
  ['Shift Arrows', 'Resize the selected box by 1 pixel'],
  ['Alt Arrows', 'Move (with Shift: resize) by 10 pixels'],
  ['Delete', 'Remove the selected box'],
  ['Escape', 'Deselect; leave a correction'],
  ['+ \u2212 0', 'Zoom in, zoom out, whole image'],
  ['Space drag', 'Pan; two fingers pan and zoom'],
  ['Label key', 'Label the selected box, or draw with the label: the key is shown beside it'],
  ['?', 'Show this list'],
]

const commands: Record<string, Command> = {
  Enter: 'confirm',
  n: 'nothing',
  u: 'unusable',
  s: 'skip',
  z: 'undo',
  p: 'previous',
  b: 'place',
  Delete: 'delete',
  Backspace: 'delete',
  Escape: 'deselect',
  '?': 'help',
  '+': 'zoom-in',
  '=': 'zoom-in',
  '-': 'zoom-out',
  '0': 'zoom-whole',
}
const arrows: Record<string, [number, number]> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
}

/** Keys that no label can have. */
export const RESERVED_KEYS: readonly string[] = Object.keys(commands).filter((key) => key.length === 1)

/** The key of each label: its own, or the next free digit; empty when the digits are used up. */
export function labelKeys(labels: { label: string; key: string }[]): Map<string, string> {
  const own = (key: string) => key.length === 1 && !RESERVED_KEYS.includes(key.toLowerCase())
  const used = new Set(labels.filter(({ key }) => own(key)).map(({ key }) => key.toLowerCase()))
  const digits = [...'123456789'].filter((digit) => !used.has(digit))
  const taken = new Set<string>()
  const keys = new Map<string, string>()
  for (const { label, key } of labels) {
    const wanted = key.toLowerCase()
    const chosen = own(key) && !taken.has(wanted) ? wanted : (digits.shift() ?? '')
    taken.add(chosen)
    keys.set(label, chosen)
  }
  return keys
}

interface Pressed {
  key: string
  shiftKey: boolean
  altKey: boolean
  ctrlKey: boolean
  metaKey: boolean
}

/** Whether a key types a character: speech input triggers such shortcuts by accident, so they can be switched off. */
export const isCharacter = ({ key, ctrlKey, metaKey }: Pressed): boolean =>
  key.length === 1 && key !== ' ' && !ctrlKey && !metaKey

/** The action of a key press, or null if it has none on the desk. */
export function actionOf(pressed: Pressed, keys: Map<string, string>): KeyAction | null {
  const { key, shiftKey, altKey } = pressed
  const lower = key.length === 1 ? key.toLowerCase() : key
  if (pressed.ctrlKey || pressed.metaKey) {
    if (lower === 'z') return { command: shiftKey ? 'redo' : 'undo' }
    return lower === 'y' ? { command: 'redo' } : null
  }
  const arrow = arrows[key]
  if (arrow) {
    const by = altKey ? 10 : 1
    return { step: { dx: arrow[0] * by, dy: arrow[1] * by, resize: shiftKey } }
  }
  if (altKey) return null
  if (lower === 'z' && shiftKey) return { command: 'redo' }
  const command = commands[lower]
  if (command) return { command }
  for (const [label, own] of keys) {
    if (own !== '' && own === lower) return { label }
  }
  return null
}
