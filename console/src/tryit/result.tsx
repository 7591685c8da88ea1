/** The image with its detections, and the button that sends it to review. */
import { signal } from '@preact/signals'
import { useState } from 'preact/hooks'
import { reviewTry } from '../api'
import { Bar } from '../charts/bars'
import { problem } from '../runs/loaded'
import { Button, number, Swatch, toast } from '../ui'
import type { Attempt } from './attempt'
import { colourOf, place, confidentLabels, tagClass, type DetectedLabel } from './detection'

/** In percent; detections below it are not shown. It stays for the next image. */
const minConfidence = signal(50)
/** The detection under the pointer in the list. */
const highlighted = signal<DetectedLabel | null>(null)

export function TriedImage({ attempt, colours }: { attempt: Attempt; colours: Map<string, string> }) {
  const { detection } = attempt
  const labels = detection ? confidentLabels(detection.labels, minConfidence.value) : []
  return (
    <figure class="try-image">
      <img src={attempt.preview} alt={`Your image, ${attempt.file.name}`} />
      {detection &&
        labels.map(
          (label, i) =>
            label.box && (
              <div
                key={i}
                aria-hidden="true"
                class={highlighted.value === label ? 'try-box try-box-pointed' : 'try-box'}
                style={{ ...place(label.box, detection), borderColor: colourOf(label.name, colours) }}
              >
                <span class={tagClass(label.box, detection)}>
                  {label.name} {number(label.confidence)} %
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
        <section class="stack" aria-labelledby="try-detections">
          <h2 id="try-detections">Detections</h2>
          <label class="field">
            <span class="field-label">Minimum confidence: {minConfidence.value} %</span>
            <input
              type="range"
              class="try-range"
              min="0"
              max="100"
              value={minConfidence.value}
              aria-valuetext={`${minConfidence.value} percent`}
              onInput={(event) => (minConfidence.value = Number(event.currentTarget.value))}
            />
          </label>
          <DetectionList labels={detection.labels} colours={colours} />
          <p class="muted runs-name">Model version {detection.model_version}</p>
        </section>
      )}
      {attempt.step !== 'detecting' && <SendToReview id={attempt.id} />}
    </>
  )
}

function DetectionList({ labels, colours }: { labels: DetectedLabel[]; colours: Map<string, string> }) {
  const visible = confidentLabels(labels, minConfidence.value)
  const hidden = labels.length - visible.length
  return (
    <>
      <p role="status">
        {visible.length === 0 ? 'No' : visible.length} {visible.length === 1 ? 'detection' : 'detections'}
        {hidden > 0 && <span class="muted">, {hidden} below the minimum confidence: move the slider to see them</span>}
        {labels.length === 0 && <span class="muted">: the champion detects none of its labels in this image</span>}
      </p>
      <ul class="try-detections">
        {visible.map((label, i) => (
          <li
            key={i}
            onPointerEnter={() => (highlighted.value = label)}
            onPointerLeave={() => (highlighted.value = null)}
          >
            <Swatch colour={colourOf(label.name, colours)} />
            <span class="try-name">{label.name}</span>
            <span>{number(label.confidence, 1)} %</span>
            <Bar value={label.confidence / 100} />
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
        Sent to review. The next model is trained with the answer.
      </p>
    )
  }
  return (
    <div class="stack">
      <p class="muted">Is something wrong or missing? A reviewer can correct it; the image is then added to the catalogue.</p>
      <Button disabled={state === 'sending'} onClick={send}>
        {state === 'sending' ? 'Sending' : 'Send to review'}
      </Button>
    </div>
  )
}
