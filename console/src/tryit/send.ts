/** Uploads a file to a presigned address and reports its progress, which `fetch` cannot do. */
import { ApiError, OfflineError, type TryUpload } from '../api'

export const CONTENT_TYPES = ['image/jpeg', 'image/png']
/** Rekognition's limit for an image in S3: https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/limits.html */
export const MAX_BYTES = 15 * 1024 * 1024

/** Why a file cannot be tried, and what to do; empty when it can. */
export function fileProblem(file: { type: string; size: number }): string {
  if (!CONTENT_TYPES.includes(file.type)) return 'This file is not a JPEG or PNG image. Save it in one of these formats, then choose it again.'
  if (file.size === 0) return 'This file is empty. Choose another one.'
  if (file.size > MAX_BYTES) return 'This image is larger than 15 MiB. Make it smaller, then choose it again.'
  return ''
}

/** Calls `progress` with the part that has been sent, 0 to 1. */
export function sendFile(
  target: TryUpload['upload'],
  file: Blob,
  progress: (fraction: number) => void,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest()
    request.open(target.method, target.url)
    for (const [name, value] of Object.entries(target.headers)) request.setRequestHeader(name, value)
    request.upload.onprogress = ({ loaded, total }) => progress(total > 0 ? loaded / total : 0)
    request.onerror = () => reject(new OfflineError())
    request.onabort = () => reject(new DOMException('The upload was stopped.', 'AbortError'))
    request.onload = () => {
      if (request.status >= 200 && request.status < 300) resolve()
      else
        reject(
          new ApiError(request.status, 'upload', `The image could not be stored (status ${request.status}). Choose it again.`),
        )
    }
    signal.addEventListener('abort', () => request.abort())
    request.send(file)
  })
}
