/** Tasks and reviewers, for the administration's pages. */
import { ago, ok, failure, type Answer } from './answers.ts'
import { labelImages, putLabel, renameLabel } from './labels.ts'

const PAGE = 50
const names = ['Rosa', 'Ben', 'Chiara']
const whys: Record<string, string> = {
  unlabelled: 'it has no labels yet',
  low_confidence: 'the model is not sure of what it detects',
  sample: 'a random sample of what the model is sure of',
  requested: 'somebody asked for a review',
}
const reasons = Object.keys(whys)

interface MockTask {
  id: string
  state: string
  claims: { reviewer: string; name: string; until: string; kind: string }[]
  [member: string]: unknown
}

const claimOf = (name: string) => ({ reviewer: `sub-${name}`, name, until: ago(-9), kind: 'claimed' })

function task(n: number, state: string): MockTask {
  const reason = reasons[n % 4] ?? 'unlabelled'
  const gone = { given_back: 'Nobody answered it within 7 days.', deleted: 'deleted by Rosa' }[state]
  return {
    id: `task-${n}`,
    image: `${(n * 2654435761) % 4294967296}`.padStart(10, 'a').repeat(7).slice(0, 64),
    width: 1280,
    height: 853,
    kind: 'detection',
    reason,
    why: gone ?? whys[reason],
    created_at: ago(7 + n * 37),
    suggestions: { boxes: [], labels: [] },
    suggested_by: n % 3 ? 'labelloop-7' : null,
    drafted_from: n % 3 ? 0 : 12,
    wanted: n % 5 ? 1 : 2,
    answers: state === 'done' ? (n % 5 ? 1 : 2) : 0,
    state,
    age_seconds: (7 + n * 37) * 60,
    claims: state === 'open' && n % 9 === 1 ? [claimOf(names[n % 3] ?? '')] : [],
    outcome: state === 'done' ? (['labelled', 'labelled', 'nothing', 'unusable'][n % 4] ?? '') : '',
  }
}

const first = (): MockTask[] => [
  ...Array.from({ length: 120 }, (_, n) => task(n, 'open')),
  ...Array.from({ length: 34 }, (_, n) => task(200 + n, 'done')),
  ...Array.from({ length: 3 }, (_, n) => task(300 + n, 'given_back')),
]
let tasks = first()
export function forgetTasks(): void {
  tasks = first()
}

function inState(state: string): MockTask[] {
  if (state === 'claimed') return tasks.filter(({ claims }) => claims.length > 0)
  return tasks.filter((listed) => listed.state === state)
}

function list(query: URLSearchParams): Answer {
  const matching = inState(query.get('state') || 'open')
  const from = Number(query.get('cursor') ?? 0)
  const states = ['open', 'claimed', 'done', 'given_back', 'deleted']
  return ok({
    tasks: matching.slice(from, from + PAGE),
    counts: Object.fromEntries(states.map((state) => [state, inState(state).length])),
    cursor: from + PAGE < matching.length ? `${from + PAGE}` : null,
  })
}

const boxOf = (label: string, left: number) => ({ label, left, top: 300, width: 260, height: 220 })
const answerOf = (name: string, verdict: string, minutes: number, label: string) => ({
  reviewer: `sub-${name}`,
  name,
  verdict,
  boxes: verdict === 'labelled' ? [boxOf('crate', 120), boxOf(label, 700)] : [],
  labels: [],
  reason: verdict === 'unusable' ? 'Blurred or too dark' : '',
  at: ago(minutes),
})

/** A task with its answers; one of those that are done was corrected. */
function detail(id: string): Answer {
  const known = tasks.find((listed) => listed.id === id)
  if (!known) return failure(404, 'not_found', `there is no review task ${id}`)
  const n = Number(id.slice(5))
  const verdict = String(known['outcome'])
  const given = known.state === 'done' ? ['Rosa', 'Ben'].slice(0, Number(known['answers'])) : []
  return ok({
    ...known,
    url: `/mock/pictures/${n}`,
    finished_at: known.state === 'open' ? '' : ago(n),
    given: given.map((name, i) => answerOf(name, verdict, 30 - i, 'cone')),
    superseded: known.state === 'done' && n % 2 ? [answerOf('Rosa', 'labelled', 90, 'barrel')] : [],
  })
}

function reopen(id: string): Answer {
  const known = tasks.find((listed) => listed.id === id)
  if (!known) return failure(404, 'not_found', `there is no review task ${id}`)
  const reopened = { ...task(900, 'open'), image: known['image'], reason: 'requested', why: 'reopened by Rosa' }
  tasks = [reopened, ...tasks]
  return ok(reopened)
}

function change(method: string, id: string, body: Record<string, unknown>): Answer {
  const changed = tasks.find((listed) => listed.id === id)
  if (!changed) return failure(404, 'not_found', `there is no review task ${id}`)
  if (changed.state !== 'open') return failure(409, 'already_done', 'this task is done; go on to the next')
  if (method === 'DELETE') {
    Object.assign(changed, { state: 'deleted', why: 'deleted by Rosa', claims: [] })
    return { status: 204 }
  }
  const wanted = String(body['reviewer'])
  const reviewer = reviewers.find((known) => known.reviewer === wanted)
  if (wanted && !reviewer) return failure(422, 'unknown_reviewer', 'no such reviewer has used the review desk yet')
  changed.claims = reviewer ? [{ ...claimOf(reviewer.name), reviewer: wanted }] : []
  return ok(changed)
}

const application = (name: string, members: Record<string, unknown>) => ({
  name,
  kind: 'application',
  rate: 600,
  created_at: new Date(Date.now() - 20 * 86_400_000).toISOString(),
  asked_at: new Date(Date.now() - 40_000).toISOString(),
  requests_last_hour: 0,
  requests_last_day: 0,
  full_minutes: 0,
  ...members,
})
const applications = () => [
  application('shop-cameras', { rate: 1200, requests_last_hour: 61_200, requests_last_day: 912_345, full_minutes: 31 }),
  application('aws:123456789012:role/a-role-with-a-long-name-that-is-assumed-by-a-line', {
    kind: 'aws',
    created_at: '',
    requests_last_hour: 12,
    requests_last_day: 288,
  }),
  application('robots', { asked_at: '' }),
  application('a-name-of-forty-letters-that-was-removed', {
    kind: 'removed',
    rate: 0,
    created_at: '',
    asked_at: new Date(Date.now() - 3 * 86_400_000).toISOString(),
  }),
]
const reviewers = [
  { reviewer: 'sub-Ben', name: 'Ben', answered: 214, corrected: 4, skipped: 3, agreement: 0.934, compared: 61, seconds_per_answer: 6.2 },
  { reviewer: 'sub-Chiara', name: 'Chiara', answered: 1208, corrected: 31, skipped: 40, agreement: 0.71, compared: 1, seconds_per_answer: 74 },
  { reviewer: 'another-Ben', name: 'Ben', answered: 7, corrected: 0, skipped: 0, agreement: null, compared: 0, seconds_per_answer: 9.5 },
  { reviewer: 'sub-Rosa', name: 'Rosa', answered: 0, corrected: 0, skipped: 0, agreement: null, compared: 0, seconds_per_answer: null },
]

/** The response of a route of the administration; null for other routes. */
const drafts = {
  trunk: true,
  images: 164,
  order_by: 'embeddings',
  random_share: 0.2,
  labels: [
    { label: 'crate', right: 58, wrong: 3, low: 0.865, high: 0.983 },
    { label: 'pallet', right: 9, wrong: 4, low: 0.419, high: 0.872 },
  ],
  curve: {
    points: [
      { labels: 5, f1: 0.52, f1_random: 0.41 },
      { labels: 10, f1: 0.71, f1_random: 0.58 },
      { labels: 20, f1: 0.86, f1_random: 0.8 },
      { labels: 40, f1: 0.93, f1_random: null },
      { labels: 80, f1: 0.95, f1_random: null },
      { labels: 157, f1: 0.95, f1_random: null },
    ],
    gain: { labels: 157, before: 0.949, after: 0.952, low: -0.008, high: 0.014 },
    images: 164,
    random_images: 34,
    margin: 0.02,
    will_not_help: true,
    drawn_at: '2026-03-04T12:00:00Z',
  },
}

export function administrationAnswer(method: string, url: URL, body: Record<string, unknown>): Answer | null {
  const path = url.pathname
  if (path === '/api/admin/tasks') return list(url.searchParams)
  if (path === '/api/admin/drafts') return ok(drafts)
  if (path === '/api/admin/reviewers') return ok({ reviewers })
  if (path === '/api/admin/applications') return ok({ applications: applications() })
  const label = url.searchParams.get('label') ?? ''
  if (path === '/api/admin/labels/images') return ok(labelImages(label))
  if (path === '/api/admin/labels/renaming') return ok(renameLabel(label, body))
  if (path === '/api/admin/labels') return ok(putLabel(url.searchParams.get('label') ?? '', body))
  const id = /^\/api\/admin\/tasks\/([^/]+)/.exec(path)?.[1]
  if (!id) return null
  if (method === 'GET') return detail(id)
  return path.endsWith('/reopening') ? reopen(id) : change(method, id, body)
}
