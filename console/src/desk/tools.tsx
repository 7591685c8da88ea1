/** The buttons of the box editor: what its keys do. */
import { Button } from '../ui'
import type { Command } from './keys'
import * as desk from './state'

type ToolCommand = Extract<Command, 'undo' | 'redo' | 'zoom-out' | 'zoom-in' | 'zoom-whole' | 'place' | 'delete' | 'help'>
interface ToolsProps {
  acts: Record<ToolCommand, () => void>
  focusImage: () => void
}
export function Tools({ acts, focusImage }: ToolsProps) {
  const detection = desk.task.value?.kind === 'detection'
  const actAndFocus = (command: ToolCommand) => () => {
    acts[command]()
    focusImage()
  }
  return (
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
  )
}
