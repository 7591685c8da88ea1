/** The panel beside the image: the labels to choose from, and the boxes. */
import { signal } from '@preact/signals'
import type { Label } from '../api'
import { Link } from '../router'
import { isAdministrator } from '../session'
import { Swatch } from '../ui'
import type { DeskBox } from './boxes'
import * as desk from './state'
import { draftText } from './wording'

const explainedLabel = signal('')

export function LabelPanel({ focusImage }: { focusImage: () => void }) {
  const classification = desk.task.value?.kind === 'classification'
  const choices = desk.choices.value
  return (
    <section class="panel" aria-labelledby="labels-title">
      <h2 id="labels-title">{classification ? 'What is in the image?' : 'Labels'}</h2>
      {desk.task.value && desk.task.value.drafted_from > 0 && (
        <p class="muted">{draftText(desk.task.value.drafted_from)}</p>
      )}
      {desk.usable.value.length === 0 && <NoLabels />}
      <ul class={classification ? 'labels labels-large' : 'labels'}>
        {choices.map((label) => (
          <LabelRow key={label.label} label={label} focusImage={focusImage} />
        ))}
      </ul>
    </section>
  )
}

function NoLabels() {
  if (!desk.labelsLoaded.value) return <p class="muted">Loading the labels</p>
  if (!isAdministrator())
    return <p class="muted">There are no labels yet. Ask an administrator to define them: they appear here by themselves.</p>
  return (
    <p class="muted">
      There are no labels yet. <Link href="/admin/labels">Define labels</Link> first, then choose one here.
    </p>
  )
}

function isOn(label: string): boolean {
  if (desk.task.value?.kind === 'classification') return desk.unsent.value.labels.includes(label)
  return (desk.selected.value?.label ?? desk.drawLabel()) === label
}

function suggestedAs(label: string): number | undefined {
  const task = desk.task.value
  // Labels that nothing suggests are those that the image has already.
  if (!task?.suggested_by && !task?.drafted_from) return undefined
  return task.suggestions.labels?.find((other) => other.label === label)?.confidence
}

function suggestionText(confidence: number): string {
  const word = desk.task.value?.drafted_from ? 'draft' : 'suggested'
  return `${word} ${Math.round(confidence)} %`
}

function LabelRow({ label, focusImage }: { label: Label; focusImage: () => void }) {
  const name = label.label
  const key = desk.keys.value.get(name) ?? ''
  const on = isOn(name)
  const confidence = suggestedAs(name)
  const open = explainedLabel.value === name
  const hasMore = label.instruction !== '' || label.examples.length > 0
  function choose() {
    desk.chooseLabel(name)
    focusImage()
  }
  return (
    <li>
      <div class="label-row">
        <button type="button" class="label" aria-pressed={on} aria-keyshortcuts={key || undefined} onClick={choose}>
          <Swatch colour={label.colour} />
          <span class="label-text">
            <span class="label-name">{name}</span>
            {confidence !== undefined && <span class="muted">{suggestionText(confidence)}</span>}
          </span>
          {on && <span aria-hidden="true">{'\u2713'}</span>}
          {key && <kbd aria-hidden="true">{key.toUpperCase()}</kbd>}
        </button>
        {hasMore && (
          <button
            type="button"
            class="label-more"
            aria-expanded={open}
            aria-label={`How to label ${name}`}
            onClick={() => {
              explainedLabel.value = open ? '' : name
            }}
          >
            i
          </button>
        )}
      </div>
      {open && <Explanation label={label} />}
    </li>
  )
}

function Explanation({ label }: { label: Label }) {
  return (
    <div class="explanation">
      <p>{label.instruction}</p>
      {label.examples.map(({ image, url }, i) => (
        <img key={image} src={url} alt={`Example ${i + 1} of ${label.label}`} loading="lazy" />
      ))}
    </div>
  )
}

export function BoxList({ focusImage }: { focusImage: () => void }) {
  const all = desk.unsent.value.boxes
  const details = ({ confidence, width, height }: DeskBox) =>
    confidence === undefined ? `${width} \u00d7 ${height} px` : suggestionText(confidence)
  return (
    <section class="panel" aria-labelledby="boxes-title">
      <h2 id="boxes-title">
        Boxes <span class="muted">{all.length}</span>
      </h2>
      <ul class="box-list">
        {all.map((box) => (
          <li key={box.id}>
            <button
              type="button"
              class="label"
              aria-pressed={box.id === desk.selectedId.value}
              onClick={() => {
                desk.select(box.id)
                focusImage()
              }}
            >
              <Swatch colour={desk.colourOf(box.label)} />
              <span class="label-text">
                <span class="label-name">{box.label}</span>
                <span class="muted">{details(box)}</span>
              </span>
            </button>
          </li>
        ))}
      </ul>
    </section>
  )
}
