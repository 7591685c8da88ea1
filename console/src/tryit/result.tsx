/** The image with its detections, as a list, as JSON and as code, and the button that sends it to review. */
import { signal } from '@preact/signals'
import { useState } from 'preact/hooks'
import { reviewTry, type Detections } from '../api'
import { Bar } from '../charts/bars'
import { problem } from '../runs/loaded'
import { Button, Choices, number, Swatch, toast } from '../ui'
import type { Attempt } from './attempt'
import {
  colourOf,
  confidenceText,
  confidentLabels,
  place,
  shownWidth,
  sliderValue,
  tagClass,
  thresholdRange,
  type DetectedLabel,
  type MinConfidence,
} from './detection'
import { AsCode, AsJson } from './code'

/** What is not shown. It stays for the next image. */
const minConfidence = signal<MinConfidence>('model')
/** The detection under the pointer in the list. */
const highlighted = signal<DetectedLabel | null>(null)

const visibleLabels = ({ labels, thresholds }: Detections) => confidentLabels(labels, minConfidence.value, thresholds)

export function TriedImage({ attempt, colours }: { attempt: Attempt; colours: Map<string, string> }) {
  const [natural, setNatural] = useState<{ width: number; height: number } | null>(null)
  const { detection } = attempt
  const labels = detection ? visibleLabels(detection) : []
  return (
    <figure class="try-image" style={natural ? { width: shownWidth(natural) } : {}}>
      <img
        src={attempt.preview}
        alt={`Your image, ${attempt.file.name}`}
        onLoad={({ currentTarget: { naturalWidth, naturalHeight } }) =>
          setNatural({ width: naturalWidth, height: naturalHeight })
        }
      />
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

/** The room that a mark's figure needs, in percent of the slider. */
const MARK_WIDTH = 14

type View = 'list' | 'json' | 'code'
const views: [View, string][] = [
  ['list', 'Detections'],
  ['json', 'JSON'],
  ['code', 'Code'],
]

export function Results({ attempt, colours }: { attempt: Attempt; colours: Map<string, string> }) {
  const { detection } = attempt
  const [view, setView] = useState<View>('list')
  return (
    <>
      {detection && (
        <section class="stack" aria-labelledby="try-detections">
          <h2 id="try-detections" class="visually-hidden">
            Detections
          </h2>
          <Choices label="Show as" choices={views} chosen={view} onChoose={setView} />
          {view !== 'code' && <Confidence detection={detection} />}
          {view === 'list' && <DetectionList detection={detection} colours={colours} />}
          {view === 'json' && <AsJson detection={detection} labels={visibleLabels(detection)} />}
          {view === 'code' && <AsCode detection={detection} file={attempt.file.name} min={minConfidence.value} />}
          <p class="muted runs-name">Model version {detection.model_version}</p>
        </section>
      )}
      {attempt.step !== 'detecting' && <SendToReview id={attempt.id} hasDetections={detection !== null} />}
    </>
  )
}

/** The slider begins at the model's thresholds, which are marked below it. */
function Confidence({ detection: { thresholds } }: { detection: Detections }) {
  const min = minConfidence.value
  const value = sliderValue(min, thresholds)
  const range = thresholdRange(thresholds)
  return (
    <div class="stack try-confidence">
      <label class="field">
        <span class="field-label">
          Minimum confidence: {min === 'model' ? (range ? "the model's threshold" : "the model's own") : `${value} %`}
        </span>
        <input
          type="range"
          class="try-range"
          min="0"
          max="100"
          value={value}
          aria-valuetext={min === 'model' ? "the model's own thresholds" : `${value} percent`}
          onInput={(event) => (minConfidence.value = Number(event.currentTarget.value))}
        />
      </label>
      {range && (
        <div class="try-marks" aria-hidden="true">
          {[...new Set(range)].map((mark) => (
            <span key={mark} class="try-mark" style={{ left: `${mark}%` }}>
              {(mark === range[0] || mark - range[0] >= MARK_WIDTH) && `${mark} %`}
            </span>
          ))}
        </div>
      )}
      <p class="muted">{confidenceText(min, thresholds)}</p>
      {min !== 'model' && (
        <div>
          <Button onClick={() => (minConfidence.value = 'model')}>
            {range ? "Back to the model's thresholds" : 'Show everything that it returned'}
          </Button>
        </div>
      )}
    </div>
  )
}

function DetectionList({ detection, colours }: { detection: Detections; colours: Map<string, string> }) {
  const { labels } = detection
  const visible = visibleLabels(detection)
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

function SendToReview({ id, hasDetections }: { id: string; hasDetections: boolean }) {
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
      <p class="muted">
        {hasDetections ? 'Is something wrong or missing? A reviewer can correct it' : 'A reviewer can label it meanwhile'};
        the image is then added to the catalogue.
      </p>
      <Button disabled={state === 'sending'} onClick={send}>
        {state === 'sending' ? 'Sending' : 'Send to review'}
      </Button>
    </div>
  )
}
