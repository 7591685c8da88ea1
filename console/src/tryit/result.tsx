/** The picture with what was found in it, and what can be done with that. */
import { signal } from '@preact/signals'
import { useState } from 'preact/hooks'
import { reviewTry } from '../api'
import { Bar } from '../charts/bars'
import { problem } from '../runs/loaded'
import { Button, number, Swatch, toast } from '../ui'
import type { Attempt } from './attempt'
import { colourOf, place, shown, tagClass, type Found } from './found'

/** Detections below this are not shown; in percent. It outlives the picture. */
const confidence = signal(50)
/** The detection that is pointed at in the list. */
const pointedAt = signal<Found | null>(null)

export function Picture({ attempt, colours }: { attempt: Attempt; colours: Map<string, string> }) {
  const { detection } = attempt
  const found = detection ? shown(detection.labels, confidence.value) : []
  return (
    <figure class="try-picture">
      <img src={attempt.preview} alt={`Your picture, ${attempt.file.name}`} />
      {detection &&
        found.map(
          (one, i) =>
            one.box && (
              <div
                key={i}
                aria-hidden="true"
                class={pointedAt.value === one ? 'try-box try-box-pointed' : 'try-box'}
                style={{ ...place(one.box, detection), borderColor: colourOf(one.name, colours) }}
              >
                <span class={tagClass(one.box, detection)}>
                  {one.name} {number(one.confidence)} %
                </span>
              </div>
            ),
        )}
    </figure>
  )
}

export function Results({ attempt, colours }: { attempt: Attempt; colours: Map<string, string> }) {
  const { detection } = attempt
  return (
    <>
      {detection && (
        <section class="stack" aria-labelledby="try-found">
          <h2 id="try-found">What it finds</h2>
          <label class="field">
            <span class="field-label">Show what it is at least {confidence.value} % sure of</span>
            <input
              type="range"
              class="try-range"
              min="0"
              max="100"
              value={confidence.value}
              aria-valuetext={`${confidence.value} percent`}
              onInput={(event) => (confidence.value = Number(event.currentTarget.value))}
            />
          </label>
          <FoundList labels={detection.labels} colours={colours} />
          <p class="muted runs-name">By model version {detection.model_version}</p>
        </section>
      )}
      {attempt.step !== 'looking' && <SendToReview id={attempt.id} />}
    </>
  )
}

function FoundList({ labels, colours }: { labels: Found[]; colours: Map<string, string> }) {
  const found = shown(labels, confidence.value)
  const hidden = labels.length - found.length
  return (
    <>
      <p role="status">
        {found.length === 0 ? 'Nothing' : found.length}
        {found.length === 1 ? ' detection' : found.length > 1 ? ' detections' : ''}
        {hidden > 0 && <span class="muted">, {hidden} less sure and hidden: move the slider to see them</span>}
        {labels.length === 0 && <span class="muted">: the champion finds none of its labels here</span>}
      </p>
      <ul class="try-found">
        {found.map((one, i) => (
          <li
            key={i}
            onPointerEnter={() => (pointedAt.value = one)}
            onPointerLeave={() => (pointedAt.value = null)}
          >
            <Swatch colour={colourOf(one.name, colours)} />
            <span class="try-name">{one.name}</span>
            <span>{number(one.confidence, 1)} %</span>
            <Bar value={one.confidence / 100} />
          </li>
        ))}
      </ul>
    </>
  )
}

function SendToReview({ id }: { id: string }) {
  const [state, setState] = useState<'ready' | 'sending' | 'sent'>('ready')
  function send() {
    setState('sending')
    reviewTry(id).then(
      () => setState('sent'),
      (error: unknown) => {
        setState('ready')
        toast(problem(error), 'bad')
      },
    )
  }
  if (state === 'sent') {
    return (
      <p role="status" class="try-sent">
        Sent: it waits at the review desk, and a model learns from the answer.
      </p>
    )
  }
  return (
    <div class="stack">
      <p class="muted">Is something wrong or missing? A reviewer can correct it; the picture then becomes part of the catalogue.</p>
      <Button disabled={state === 'sending'} onClick={send}>
        {state === 'sending' ? 'Sending to review' : 'Send to review'}
      </Button>
    </div>
  )
}
