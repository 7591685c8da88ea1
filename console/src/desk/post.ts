/** The outbox of who is signed in: it goes on sending whatever page is open. */
import { signal } from '@preact/signals'
import { sentence, toast } from '../ui'
import { dropDraft, loadDraft } from './drafts'
import { Outbox } from './outbox'

/** Counts the answers that have left, so that figures can be asked for anew. */
export const departed = signal(0)
let post: { sub: string; outbox: Outbox } | null = null

export function outboxOf(sub: string): Outbox {
  if (post?.sub === sub) return post.outbox
  post?.outbox.stop()
  const outbox = new Outbox(sub, {
    sent: ({ task }) => {
      dropDraft(sub, task)
      departed.value += 1
    },
    refused: ({ task }, error) => {
      departed.value += 1
      toast(`An answer was not taken: ${sentence(error.message)}`, 'bad')
      // What is wrong with the answer alone can be mended: the image comes back with what was drawn.
      if (error.status !== 422) dropDraft(sub, task)
      else if (loadDraft(sub, task)) toast('Load this page again: the image comes back as you left it.', 'bad')
    },
  })
  post = { sub, outbox }
  outbox.start()
  return outbox
}
