/** One image that somebody tries: its progress, and its detections. */
import type { Detections } from '../api'

/** `id` is there once the image is uploaded. */
export interface Attempt {
  file: File
  preview: string
  step: 'uploading' | 'detecting' | 'done' | 'failed'
  progress: number
  id: string
  detection: Detections | null
  error: string
  code: string
}
