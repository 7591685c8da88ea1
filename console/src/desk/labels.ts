/** Loads the labels to draw with. */
import { getLabels } from '../api'
import { toast } from '../ui'
import * as desk from './state'

export function refreshLabels(): void {
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
