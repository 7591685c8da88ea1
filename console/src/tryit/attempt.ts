/** One image that somebody tries: how far it is, and what came of it. */
import type { Detection } from '../api'

/** `id` is there once the image is uploaded. */
export interface Attempt {
  file: File
  preview: string
  step: 'sending' | 'looking' | 'shown' | 'failed'
  progress: number
  id: string
  detection: Detection | null
  error: string
  code: string
}
