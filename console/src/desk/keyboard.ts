/** The commands of the box editor and their keys, wherever it is on a page. */
import { useLayoutEffect, useRef } from 'preact/hooks'
import { actionOf, isCharacter, type Command } from './keys'
import * as desk from './state'

/** Whether a key belongs to the control that has the focus. */
function belongsToControl(event: KeyboardEvent): boolean {
  const target = event.target
  if (!(target instanceof HTMLElement)) return false
  if (target.closest('dialog, input, select, textarea')) return true
  return (event.key === 'Enter' || event.key === ' ') && target.closest('button, a') !== null
}

export type Acts = Record<Command, () => void>

/** What commands do on every page. */
export const edits = {
  redo: desk.redo,
  delete: desk.removeSelected,
  place: desk.placeBox,
  help: () => (desk.overlay.value = 'help'),
  'zoom-in': () => desk.zoomBy(1.4),
  'zoom-out': () => desk.zoomBy(1 / 1.4),
  'zoom-whole': desk.showWhole,
}

/** Does what keys say, as long as the page shows. */
export function useKeyboard(acts: Acts): void {
  const latest = useRef(acts)
  latest.current = acts
  // Before anything is seen: a key that is pressed at once would be lost.
  useLayoutEffect(() => {
    const onKey = (event: KeyboardEvent) => onKeyDown(event, (command) => latest.current[command]())
    window.addEventListener('keydown', onKey)
    return () => window.removeEventListener('keydown', onKey)
  }, [])
}

/** Does what a key says, unless a control or a dialog has it. */
function onKeyDown(event: KeyboardEvent, act: (command: Command) => void): void {
  if (desk.overlay.value || belongsToControl(event)) return
  if (isCharacter(event) && !desk.characterKeys.value) return
  if (event.key === 'Tab') {
    if (event.target instanceof HTMLElement && event.target.classList.contains('canvas')) {
      if (desk.cycle(event.shiftKey ? -1 : 1)) event.preventDefault()
    }
    return
  }
  const action = actionOf(event, desk.keys.value)
  if (!action) return
  // Without an image there is nothing to act on but the answers given before.
  if (!desk.task.value && !('command' in action && ['previous', 'undo'].includes(action.command))) return
  // A key that is held down repeats arrow steps, never an answer.
  if (event.repeat && !('step' in action)) return
  event.preventDefault()
  if ('command' in action) act(action.command)
  else if ('label' in action) desk.chooseLabel(action.label)
  else desk.step(action.step.dx, action.step.dy, action.step.resize)
}
