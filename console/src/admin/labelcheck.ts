/** A label's definition as it is typed, and its validation. The API validates the same again. */
import type { Label, LabelChange } from '../api'
import { RESERVED_KEYS } from '../desk/keys'

export interface LabelFields {
  label: string
  colour: string
  key: string
  instruction: string
  /** Ids of images, one per line. */
  examples: string
}
export type Problems = Partial<Record<keyof LabelFields, string>>

/** The limit of the shape DatasetLabel in Rekognition's API model. */
const MAX_NAME = 255
export const MAX_INSTRUCTION = 300
export const MAX_EXAMPLES = 6

/** Dark enough to be seen on any image. The API uses the same for labels without a colour. */
const colours = ['#b3261e', '#00629b', '#1b7f3b', '#8a4b08', '#6f3fb5', '#a1206b', '#006e6e', '#5c6b00', '#3d4fc4', '#7a3e2c']

/** The first colour that no label has; if all are used, the one that the fewest labels have. */
export function freeColour(labels: Pick<Label, 'colour'>[]): string {
  const uses = (colour: string) => labels.filter((label) => label.colour === colour).length
  return colours.reduce((best, colour) => (uses(colour) < uses(best) ? colour : best))
}

export function fieldsOf(label: Label): LabelFields {
  const examples = label.examples.map(({ image }) => image).join('\n')
  return { label: label.label, colour: label.colour, key: label.key, instruction: label.instruction, examples }
}

export const newFields = (labels: Label[]): LabelFields => ({
  label: '',
  colour: freeColour(labels),
  key: '',
  instruction: '',
  examples: '',
})

/** A label's name as it is stored in the catalogue. */
export const cleanName = (name: string): string => name.normalize('NFC').trim()

/** The request to the API. Whether the label is retired does not change. */
export function changeOf(fields: LabelFields): Required<Omit<LabelChange, 'retired'>> {
  return {
    colour: fields.colour.toLowerCase(),
    key: fields.key.trim().toLowerCase(),
    instruction: fields.instruction.trim(),
    examples: fields.examples.split(/\s+/).filter(Boolean),
  }
}

/** The request that changes a label, with what was changed in the form alone: what others changed meanwhile stays. */
export function changedOf(fields: LabelFields, before: Label | null): LabelChange {
  const change = changeOf(fields)
  if (!before) return change
  const was: LabelChange = changeOf(fieldsOf(before))
  const members = Object.entries(change).filter(
    ([member, value]) => JSON.stringify(value) !== JSON.stringify(was[member as keyof LabelChange]),
  )
  return Object.fromEntries(members)
}

/** What is wrong with the form's fields, by member; `before` is the label that it changes, if any. */
export function problemsOf(fields: LabelFields, labels: Label[], before: Label | null): Problems {
  const others = labels.filter(({ label }) => label !== before?.label)
  const change = changeOf(fields)
  const problems: [keyof LabelFields, string][] = [
    ['label', before ? '' : nameProblem(cleanName(fields.label), others)],
    ['colour', /^#[0-9a-f]{6}$/.test(change.colour) ? '' : 'Write the colour as #rrggbb.'],
    ['key', keyProblem(change.key, others)],
    ['instruction', instructionProblem(change.instruction)],
    ['examples', examplesProblem(change.examples)],
  ]
  return Object.fromEntries(problems.filter(([, problem]) => problem !== ''))
}

function nameProblem(name: string, others: Label[]): string {
  if (name === '') return 'Give the label a name.'
  if ([...name].length > MAX_NAME) return `A name can have up to ${MAX_NAME} characters.`
  if (/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/u.test(name)) return 'A name cannot have control characters or line breaks.'
  const same = others.find(({ label }) => label === name)
  if (!same) return ''
  return same.retired ? 'This label exists but is retired: restore it.' : 'This label already exists: edit it.'
}

function keyProblem(key: string, others: Label[]): string {
  if (key === '') return ''
  if ([...key].length > 1) return 'A key has only one character.'
  if (RESERVED_KEYS.includes(key)) return `${key.toUpperCase()} is a shortcut of the review desk: choose another key.`
  if (!/^[a-z1-9]$/.test(key)) return 'A key is a letter from A to Z or a digit from 1 to 9.'
  const owner = others.find((label) => label.key === key)
  return owner ? `${key.toUpperCase()} is the key of ${owner.label}: choose another key, or change that one first.` : ''
}

function instructionProblem(instruction: string): string {
  if ([...instruction].length > MAX_INSTRUCTION) return `An instruction can have up to ${MAX_INSTRUCTION} characters.`
  return /[\p{Cc}\p{Zl}\p{Zp}]/u.test(instruction) ? 'An instruction has only one line.' : ''
}

function examplesProblem(examples: string[]): string {
  const wrong = examples.find((image) => !/^[0-9a-f]{64}$/.test(image))
  if (wrong) return `${wrong.slice(0, 20)} is not an image ID: an ID has 64 characters, 0 to 9 and a to f.`
  if (new Set(examples).size < examples.length) return 'List each image only once.'
  return examples.length > MAX_EXAMPLES ? `List up to ${MAX_EXAMPLES} images.` : ''
}

/** The requested example images that the catalogue does not have: the API's response omits them. */
export const missingExamples = (requested: string[], saved: Label): string[] =>
  requested.filter((image) => !saved.examples.some((example) => example.image === image))

/** The labels after one was saved, retired ones last. The API's own list is some seconds behind. */
export function withLabel(labels: Label[], kept: Label): Label[] {
  const known = labels.some(({ label }) => label === kept.label)
  const all = known ? labels.map((other) => (other.label === kept.label ? kept : other)) : [...labels, kept]
  return [...all.filter(({ retired }) => !retired), ...all.filter(({ retired }) => retired)]
}
