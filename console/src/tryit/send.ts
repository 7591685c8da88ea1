/** Sends a file to where its address permits, and tells how far it is: `fetch` cannot tell. */
import { ApiError, Offline, type TryUpload } from '../api'

export const CONTENT_TYPES = ['image/jpeg', 'image/png']
/** Of Rekognition's for an image in S3: https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/limits.html */
export const MAX_BYTES = 15 * 1024 * 1024

/** Why a file cannot be tried, and what to do; empty when it can. */
export function unusable(file: { type: string; size: number }): string {
  if (!CONTENT_TYPES.includes(file.type)) return 'This is no JPEG or PNG picture. Save it as one of these, and choose it again.'
  if (file.size === 0) return 'This file is empty. Choose another.'
  if (file.size > MAX_BYTES) return 'This picture is larger than 15 MiB. Make it smaller, and choose it again.'
  return ''
}

/** `progress` gets the share that has gone, 0 to 1. */
export function sendFile(
  target: TryUpload['upload'],
  file: Blob,
  progress: (share: number) => void,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest()
    request.open(target.method, target.url)
    for (const [name, value] of Object.entries(target.headers)) request.setRequestHeader(name, value)
    request.upload.onprogress = ({ loaded, total }) => progress(total > 0 ? loaded / total : 0)
    request.onerror = () => reject(new Offline())
    request.onabort = () => reject(new DOMException('The upload was stopped.', 'AbortError'))
    request.onload = () => {
      if (request.status >= 200 && request.status < 300) resolve()
      else
        reject(
          new ApiError(request.status, 'upload', `The picture could not be stored (${request.status}). Choose it again.`),
        )
    }
    signal.addEventListener('abort', () => request.abort())
    request.send(file)
  })
}
