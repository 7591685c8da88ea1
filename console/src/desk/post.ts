/** The outbox of the person who is signed in; it goes on sending whichever page is open. */
import { signal } from '@preact/signals'
import { sentence, toast } from '../ui'
import { dropUnsent, loadUnsent } from './unsent'
import { Outbox } from './outbox'
import { forget } from './own'

/** Counts the answers that were accepted or rejected, so that the queue's figures are loaded again. */
export const deliveries = signal(0)
let current: { sub: string; outbox: Outbox } | null = null

export function outboxOf(sub: string): Outbox {
  if (current?.sub === sub) return current.outbox
  current?.outbox.stop()
  const outbox = new Outbox(sub, {
    sent: ({ task }) => {
      dropUnsent(sub, task)
      deliveries.value += 1
    },
    rejected: ({ task }, error) => {
      deliveries.value += 1
      forget(task)
      toast(`An answer was not accepted: ${sentence(error.message)}`, 'bad')
      // An answer that is only invalid can be corrected: it is kept, and the task comes again with it.
      if (error.status !== 422) dropUnsent(sub, task)
      else if (loadUnsent(sub, task)) toast('Reload this page to correct it: the image comes back as you left it.', 'bad')
    },
  })
  current = { sub, outbox }
  outbox.start()
  return outbox
}
