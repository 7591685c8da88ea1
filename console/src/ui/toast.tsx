import { signal } from '@preact/signals'
import { Prose } from './display'

interface Toast {
  id: number
  text: string
  tone: 'info' | 'bad'
}
const toasts = signal<Toast[]>([])
let last = 0

function dismiss(id: number): void {
  toasts.value = toasts.value.filter((toast) => toast.id !== id)
}

/** Shows a short message at the edge of the screen. An error stays until it is dismissed. */
export function toast(text: string, tone: Toast['tone'] = 'info'): void {
  last += 1
  const id = last
  toasts.value = [...toasts.value.filter((other) => other.text !== text).slice(-3), { id, text, tone }]
  if (tone === 'info') setTimeout(() => dismiss(id), 5000)
}

/** The place of all toasts; rendered once, by the app. */
export function ToastRegion() {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.value.map((item) => (
        <div key={item.id} class={`toast toast-${item.tone}`}>
          <span>
            <Prose of={item.text} />
          </span>
          <button type="button" class="toast-close" aria-label="Dismiss" onClick={() => dismiss(item.id)}>
            {'\u00d7'}
          </button>
        </div>
      ))}
    </div>
  )
}
