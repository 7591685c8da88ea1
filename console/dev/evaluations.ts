/** What versions were evaluated to: mistakes on the mock's pictures. */
import { failure, ok, type Answer } from './answers.ts'

const names = ['barrel', 'cone', 'crate', 'forklift', 'pallet', 'a label with a rather long name']
const SIZE = { width: 1280, height: 853 }

interface Box {
  left: number
  top: number
  width: number
  height: number
}
const box = (n: number): Box => ({ left: 100 + ((n * 137) % 800), top: 80 + ((n * 71) % 500), width: 90 + (n % 5) * 40, height: 80 + (n % 4) * 40 })
const truth = (label: string, at: Box) => ({ label, box: at })
const seen = (label: string, confidence: number, at: Box) => ({ label, confidence, box: at })
const nameOf = (n: number) => names[n % names.length] ?? ''

const makers = [
  (n: number) => ({ kind: 'confusion', judged: { judgement: 'confusion', truth: truth(nameOf(n), box(n)), detection: seen(nameOf(n + 1), 94 - n, box(n)), overlap: 0.91 } }),
  (n: number) => ({ kind: 'false_positive', judged: { judgement: 'background', truth: null, detection: seen(nameOf(n), 90 - n, box(n)), overlap: 0 } }),
  (n: number) => ({ kind: 'missed', judged: { judgement: 'missed', truth: truth(nameOf(n), box(n)), detection: null, overlap: 0 } }),
  (n: number) => ({
    kind: 'loose',
    judged: { judgement: 'loose', truth: truth(nameOf(n), box(n)), detection: seen(nameOf(n), 88 - n, { ...box(n), width: box(n).width * 2.5 }), overlap: 0.4 },
  }),
]

const image = (n: number) => ({
  image: String(n).padStart(64, '0'),
  url: `/mock/pictures/${n + 1}`,
  ...SIZE,
  state: n === 3 ? 'withdrawn' : n === 4 ? 'relabelled' : '',
})
const mistakes = Array.from({ length: 30 }, (_, n) => ({ size: n % 3 === 0 ? 'small' : 'medium', image: image(n), ...makers[n % makers.length]!(n) }))

const curve = Array.from({ length: 12 }, (_, n) => ({ threshold: 42 + n * 5, right: 40 - n * 2, wrong: Math.max(0, 11 - n), missed: 3 + n * 2 }))
const labelOf = (label: string, n: number, threshold: number) => {
  const point = curve.filter((each) => each.threshold <= threshold).at(-1) ?? curve[0]!
  const { right, wrong, missed } = { ...point, wrong: point.wrong + n }
  return {
    label,
    renamed_to: label === 'pallet' ? 'euro pallet' : '',
    threshold,
    floor: 42,
    own_threshold: 46.5,
    deployment_threshold: label === 'cone' ? 60 : null,
    objects: 43,
    right,
    wrong,
    missed,
    f1: (2 * right) / (2 * right + wrong + missed),
    curve: curve.map((each) => ({ ...each, wrong: each.wrong + n })),
  }
}

const matrix = [
  ...names.map((name) => ({ truth: name, detected: name, count: 36 })),
  { truth: 'cone', detected: 'crate', count: 5 },
  { truth: 'barrel', detected: 'cone', count: 2 },
  { truth: 'crate', detected: '', count: 4 },
  { truth: '', detected: 'forklift', count: 7 },
]

function evaluation(version: string, query: URLSearchParams): Answer {
  if (version.startsWith('v4')) return failure(404, 'no_evaluation', 'the engine has this version no more, and its evaluation is not kept here')
  const chosen = new Map(query.getAll('threshold').map((text) => [text.slice(0, text.lastIndexOf(':')), Number(text.split(':').at(-1))]))
  const labels = names.map((label, n) => labelOf(label, n, chosen.get(label) ?? (label === 'cone' ? 60 : 46.5)))
  return ok({
    version,
    source: 'training',
    kind: 'detection',
    images: 120,
    has_more: false,
    unread_lines: version.startsWith('v6') ? 2 : 0,
    f1: labels.reduce((sum, { f1 }) => sum + f1, 0) / labels.length,
    own_f1: 0.897,
    labels,
    matrix,
    sizes: [
      { size: 'small', right: 40, wrong: 22, missed: 31, f1: 0.601 },
      { size: 'medium', right: 120, wrong: 9, missed: 8, f1: 0.934 },
      { size: 'large', right: 0, wrong: 0, missed: 0, f1: null },
    ],
  })
}

function mistakesOf(query: URLSearchParams): Answer {
  const [kinds, label, size] = [query.getAll('kind'), query.get('label'), query.get('size')]
  const [cell, detected] = [query.get('truth'), query.get('detected')]
  const chosen = mistakes.filter(
    ({ kind, size: its, judged }) =>
      (kinds.length === 0 || kinds.includes(kind)) &&
      (!size || size === its) &&
      (!label || judged.truth?.label === label || judged.detection?.label === label) &&
      (cell === null || ((judged.truth?.label ?? '') === cell && (judged.detection?.label ?? '') === detected)),
  )
  const offset = Number(query.get('offset') ?? 0)
  const next = offset + 24 < chosen.length ? offset + 24 : null
  return ok({ mistakes: chosen.slice(offset, offset + 24), total: chosen.length, next })
}

function comparison(version: string, query: URLSearchParams): Answer {
  const right = (n: number) => ({ judgement: 'right', truth: truth(nameOf(n), box(n)), detection: seen(nameOf(n), 91, box(n)), overlap: 0.9 })
  const better = query.get('change') === 'better'
  const changes = mistakes.slice(0, 3).map(({ image: its, judged }, n) => ({
    image: its,
    mistakes: better ? 0 : 1,
    other_mistakes: better ? 1 : 0,
    judged: [better ? right(n) : judged],
    other_judged: [better ? judged : right(n)],
  }))
  const totals = { images: 118, relabelled: 2, f1: 0.912, other_f1: 0.897, better: 3, worse: 3 }
  return ok({ version, other: query.get('other') ?? '', ...totals, changes, next: null })
}

/** The response of a route below a version; null for other routes. */
export function evaluationAnswer(url: URL): Answer | null {
  const [, , , version = '', what, id = ''] = url.pathname.split('/').map(decodeURIComponent)
  if (what === 'evaluation') return evaluation(version, url.searchParams)
  if (what === 'mistakes') return mistakesOf(url.searchParams)
  if (what === 'comparison') return comparison(version, url.searchParams)
  if (what !== 'images') return null
  return ok({ image: image(Number(id)), judged: mistakes.filter((one) => one.image.image === id).map((one) => one.judged) })
}

const issueTypes = ['wrong_label', 'missing', 'spurious', 'loose'] as const
const issues = mistakes.slice(0, 8).map(({ image: its, judged }, n) => ({
  id: String(n).padStart(24, '0'),
  issue_type: issueTypes[n % 4],
  mistakenness: 0.93 - n * 0.08,
  dataset: n % 2 ? 'TEST' : 'TRAIN',
  seen_by: (['version', 'version', 'champion', 'near_duplicate'] as const)[n % 4],
  twin: n % 4 === 3 ? { ...its, state: '' } : null,
  kept: null,
  image: { ...its, state: '' },
  before: judged.truth,
  after: judged.detection,
  others: [truth('pallet', { left: 900, top: 600, width: 120, height: 100 })],
}))
const answeredIssues = new Set<string>()
export const forgetAnswers = () => answeredIssues.clear()

/** The response of a route of label issues; null for other routes. */
export function labelIssuesAnswer(method: string, url: URL): Answer | null {
  const [, , first, id = ''] = url.pathname.split('/')
  if (first !== 'label-issues') return null
  if (method === 'DELETE') {
    answeredIssues.delete(id)
    return { status: 204 }
  }
  if (method === 'PUT') {
    answeredIssues.add(id)
    return ok({ issue: id, image: '', verdict: 'accepted', by: 'Rosa', at: new Date().toISOString() })
  }
  const open = issues.filter((one) => !answeredIssues.has(one.id))
  return ok({ version: 'v7-0123456789ab', issues: open, total: open.length, answered: answeredIssues.size, kept: 0, training_images: 480, test_images: 120, next: null })
}
