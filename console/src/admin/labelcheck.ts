/** A label's definition as it is typed, and what is wrong with it. The API checks the same once more. */
import type { Label, LabelChange } from '../api'
import { RESERVED_KEYS } from '../desk/keys'

export interface LabelDraft {
  label: string
  colour: string
  key: string
  instruction: string
  /** Ids of images, one a line. */
  examples: string
}
export type Problems = Partial<Record<keyof LabelDraft, string>>

/** Of Rekognition's API model, shape DatasetLabel. */
const MAX_NAME = 255
export const MAX_INSTRUCTION = 300
export const MAX_EXAMPLES = 6

/** Dark enough to be seen on any image; the API gives labels without a colour the same. */
const colours = ['#b3261e', '#00629b', '#1b7f3b', '#8a4b08', '#6f3fb5', '#a1206b', '#006e6e', '#5c6b00', '#3d4fc4', '#7a3e2c']

/** The first colour that no label has, else one that the fewest have. */
export function freeColour(labels: Pick<Label, 'colour'>[]): string {
  const uses = (colour: string) => labels.filter((label) => label.colour === colour).length
  return colours.reduce((best, colour) => (uses(colour) < uses(best) ? colour : best))
}

export function draftOf(label: Label): LabelDraft {
  const examples = label.examples.map(({ image }) => image).join('\n')
  return { label: label.label, colour: label.colour, key: label.key, instruction: label.instruction, examples }
}

export const newDraft = (labels: Label[]): LabelDraft => ({
  label: '',
  colour: freeColour(labels),
  key: '',
  instruction: '',
  examples: '',
})

/** A label's name as the catalogue knows it. */
export const cleanName = (name: string): string => name.normalize('NFC').trim()

/** What the draft asks of the API. Whether it is retired stays as it was. */
export function changeOf(draft: LabelDraft): Omit<LabelChange, 'retired'> {
  return {
    colour: draft.colour.toLowerCase(),
    key: draft.key.trim().toLowerCase(),
    instruction: draft.instruction.trim(),
    examples: draft.examples.split(/\s+/).filter(Boolean),
  }
}

/** What is wrong with the draft of a label, by member; `before`: the label that it changes, if any. */
export function problemsOf(draft: LabelDraft, labels: Label[], before: Label | null): Problems {
  const others = labels.filter(({ label }) => label !== before?.label)
  const change = changeOf(draft)
  const found: [keyof LabelDraft, string][] = [
    ['label', before ? '' : nameProblem(cleanName(draft.label), others)],
    ['colour', /^#[0-9a-f]{6}$/.test(change.colour) ? '' : 'A colour is written #rrggbb.'],
    ['key', keyProblem(change.key, others)],
    ['instruction', instructionProblem(change.instruction)],
    ['examples', examplesProblem(change.examples)],
  ]
  return Object.fromEntries(found.filter(([, problem]) => problem !== ''))
}

function nameProblem(name: string, others: Label[]): string {
  if (name === '') return 'Give the label a name.'
  if ([...name].length > MAX_NAME) return `A name has up to ${MAX_NAME} characters.`
  if (/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/u.test(name)) return 'A name has no control characters and no line breaks.'
  const same = others.find(({ label }) => label === name)
  if (!same) return ''
  return same.retired ? 'This label is there, but retired: restore it.' : 'This label is there already: edit it.'
}

function keyProblem(key: string, others: Label[]): string {
  if (key === '') return ''
  if ([...key].length > 1) return 'A key is one character.'
  if (RESERVED_KEYS.includes(key)) return `The review desk uses ${key.toUpperCase()} itself: take another key.`
  if (!/^[a-z1-9]$/.test(key)) return 'A key is a letter from A to Z or a digit from 1 to 9.'
  const owner = others.find((label) => label.key === key)
  return owner ? `${key.toUpperCase()} is the key of ${owner.label}: take another, or change that one first.` : ''
}

function instructionProblem(instruction: string): string {
  if ([...instruction].length > MAX_INSTRUCTION) return `An instruction has up to ${MAX_INSTRUCTION} characters.`
  return /[\p{Cc}\p{Zl}\p{Zp}]/u.test(instruction) ? 'An instruction is one line.' : ''
}

function examplesProblem(examples: string[]): string {
  const wrong = examples.find((image) => !/^[0-9a-f]{64}$/.test(image))
  if (wrong) return `${wrong.slice(0, 20)} is no image id: these are 64 characters of 0 to 9 and a to f.`
  if (new Set(examples).size < examples.length) return 'Each image is named once.'
  return examples.length > MAX_EXAMPLES ? `Up to ${MAX_EXAMPLES} images are shown.` : ''
}

/** Of the images asked for, those that the catalogue does not have: the API's answer leaves them out. */
export const missingExamples = (asked: string[], kept: Label): string[] =>
  asked.filter((image) => !kept.examples.some((example) => example.image === image))

/** The labels after one was defined anew, the retired ones last: the API's own list is some seconds behind. */
export function withLabel(labels: Label[], kept: Label): Label[] {
  const known = labels.some(({ label }) => label === kept.label)
  const all = known ? labels.map((other) => (other.label === kept.label ? kept : other)) : [...labels, kept]
  return [...all.filter(({ retired }) => !retired), ...all.filter(({ retired }) => retired)]
}
