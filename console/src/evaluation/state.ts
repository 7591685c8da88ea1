/** What the evaluation page shows, as its address says: a link leads to just that. */
import type { Mistake } from '../api'

export type View = 'figures' | 'mistakes' | 'beside'
export type MistakeKind = Mistake['kind']
export type Size = NonNullable<Mistake['size']>

export interface Shown {
  view: View
  /** Percent by label: those that were chosen here, in place of the deployment's and the model's own. */
  thresholds: Record<string, number>
  /** The label whose curve is shown, or whose mistakes are. */
  label: string
  kind: MistakeKind | ''
  /** A cell of the confusion matrix; an empty label stands for nothing there. */
  cell: { truth: string; detected: string } | null
  size: Size | ''
  /** Percent. */
  confidence: [number, number]
  /** The version to compare with. */
  other: string
  change: 'better' | 'worse'
}

const views: View[] = ['figures', 'mistakes', 'beside']
const kinds: MistakeKind[] = ['false_positive', 'missed', 'confusion', 'loose', 'right']
const sizes: Size[] = ['small', 'medium', 'large']

function oneOf<Name extends string>(names: readonly Name[], text: string | null): Name | null {
  return names.find((name) => name === text) ?? null
}

/** A whole percentage; `otherwise` if the text is none. */
function percentage(text: string | null, otherwise: number): number {
  const value = Number(text ?? Number.NaN)
  return text !== null && text !== '' && value >= 0 && value <= 100 ? value : otherwise
}

function readThresholds(texts: string[]): Record<string, number> {
  const thresholds: Record<string, number> = {}
  for (const text of texts) {
    const at = text.lastIndexOf(':')
    const value = percentage(text.slice(at + 1), -1)
    if (at > 0 && value >= 0) thresholds[text.slice(0, at)] = value
  }
  return thresholds
}

export function readShown(search: string): Shown {
  const query = new URLSearchParams(search)
  const truth = query.get('truth')
  const detected = query.get('detected')
  return {
    view: oneOf(views, query.get('view')) ?? 'figures',
    thresholds: readThresholds(query.getAll('threshold')),
    label: query.get('label') ?? '',
    kind: oneOf(kinds, query.get('kind')) ?? '',
    cell: truth === null || detected === null ? null : { truth, detected },
    size: oneOf(sizes, query.get('size')) ?? '',
    confidence: [percentage(query.get('min'), 0), percentage(query.get('max'), 100)],
    other: query.get('other') ?? '',
    change: query.get('change') === 'better' ? 'better' : 'worse',
  }
}

/** The query string of what is shown, with its question mark; what is as it is to begin with is left out. */
export function searchOf(shown: Shown): string {
  const query = thresholdQuery(shown)
  if (shown.view !== 'figures') query.set('view', shown.view)
  if (shown.label) query.set('label', shown.label)
  if (shown.kind) query.set('kind', shown.kind)
  if (shown.cell) {
    query.set('truth', shown.cell.truth)
    query.set('detected', shown.cell.detected)
  }
  if (shown.size) query.set('size', shown.size)
  if (shown.confidence[0] > 0) query.set('min', String(shown.confidence[0]))
  if (shown.confidence[1] < 100) query.set('max', String(shown.confidence[1]))
  if (shown.other) query.set('other', shown.other)
  if (shown.change === 'better') query.set('change', 'better')
  const text = query.toString()
  return text && `?${text}`
}

/** The chosen thresholds as the API takes them. */
export function thresholdQuery({ thresholds }: Pick<Shown, 'thresholds'>): URLSearchParams {
  return new URLSearchParams(Object.entries(thresholds).map(([label, percent]) => ['threshold', `${label}:${percent}`]))
}

/** The wanted mistakes as the API takes them. */
export function mistakeQuery(shown: Shown, offset: number): URLSearchParams {
  const query = thresholdQuery(shown)
  if (shown.cell) {
    // A cell of the diagonal has what is right.
    for (const kind of kinds) query.append('kind', kind)
    query.set('truth', shown.cell.truth)
    query.set('detected', shown.cell.detected)
  } else if (shown.kind) query.set('kind', shown.kind)
  if (shown.label) query.set('label', shown.label)
  if (shown.size) query.set('size', shown.size)
  if (shown.confidence[0] > 0) query.set('min_confidence', String(shown.confidence[0]))
  if (shown.confidence[1] < 100) query.set('max_confidence', String(shown.confidence[1]))
  if (offset > 0) query.set('offset', String(offset))
  return query
}
