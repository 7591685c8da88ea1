/** The home page, and versions in production. */
import { ago, ok, type Answer } from './answers.ts'

const day = (before: number) => new Date(Date.now() - before * 86_400_000).toISOString().slice(0, 10)
const judged = (confirmed: number, wrong: number, images: number) => {
  const precision = confirmed / (confirmed + wrong)
  const spread = 1.2 / Math.sqrt(images)
  return { confirmed, false: wrong, missed: 4, images, precision, low: Math.max(0, precision - spread * 0.6), high: Math.min(1, precision + spread * 0.3) }
}
const share = (value: number, spread: number) => ({ value, low: value - spread, high: Math.min(1, value + spread) })
const answers = (value: number, images: number) => ({
  whole: share(value, 0.6 / Math.sqrt(images)),
  sure: judged(Math.round(images * 2 * (value + 0.02)), Math.round(images * 2 * (0.98 - value)), images),
  unsure: judged(images, Math.round(images * 0.4), images),
})

const answersInProduction = (version: string) => ({
  version,
  images: 18_240,
  detections: 51_022,
  unsure_detections: 6210,
  answers: answers(0.93, 412),
  others: [{ source: 'clips', answers: { ...answers(0.9, 80), whole: null } }],
  periods: Array.from({ length: 9 }, (_, i) => ({
    first_day: day(63 - 7 * i),
    last_day: day(57 - 7 * i),
    images: 2000 + 13 * i,
    detections: 5600 + 31 * i,
    answers: answers(i < 7 ? 0.95 - 0.003 * i : 0.9 - 0.02 * (i - 6), 40 + 3 * i),
  })),
  labels: ['crate', 'cone', 'barrel', 'a label with a rather long name'].map((label, i) => ({ label, answers: answers(0.95 - 0.04 * i, 90 - 12 * i) })),
})

const drift = {
  looked_at: ago(12),
  problem: '',
  since: ago(2600),
  test_images: 240,
  arrived: { today: 310, '7 days': 2140, '28 days': 8020 },
  findings: [
    { kind: 'confidence', label: '', text: 'half of the images in the last 7 days have a mean confidence of about 71 % or less, of the test images 88 %', p_value: 1e-12 },
    { kind: 'label', label: 'forklift', text: '21.0 % of the images in the last 28 days show forklift, of the test images 4.2 %', p_value: 3e-9 },
  ],
  false_alarm_rate: 0.05,
  least_difference: 0.1788,
}

export const production = (version: string) => ({ ...answersInProduction(version), drift })

const pictures = (first: number, confidence: number) =>
  Array.from({ length: 6 }, (_, i) => ({ url: `/mock/pictures/${first + i}`, labels: i === 4 ? [] : ['crate', 'cone'], detections: i === 4 ? 0 : 2 + i, confidence: i === 4 ? null : confidence + i }))

const serving = (champion: string | null) => ({
  champion,
  status: champion && 'RUNNING',
  state: 'awake',
  since: champion && ago(200),
  reason: '',
  trouble: '',
  asked: null,
  policy: 'idle',
  usd_per_hour: 4,
  waiting_images: 0,
  changes: [],
})

const nothing = {
  unread: [],
  serving: serving(null),
  costs: { units: 0, usd_per_hour: 0, month_usd: 0, budget_usd: null },
  waiting: [],
  runs: [],
  labels: [],
  snapshot_images: 0,
}

const noQuality = { unread: [], versions: [], production: null, drift: null }

const home = (runs: object[]) => ({
  unread: [],
  serving: serving('v6-0123456789ab'),
  costs: { units: 1, usd_per_hour: 4, month_usd: 156.1, budget_usd: 200 },
  waiting: [
    { kind: 'run', text: 'the last run failed: training failed: the manifest entry 41 names an image that is gone', subject: 'run-20261120-0003' },
    { kind: 'approval', text: 'v8-0123456789ab waits for approval until 2026-11-30 09:30 UTC', subject: 'v8-0123456789ab' },
    { kind: 'drift', text: 'what arrives has changed: half of the images in the last 7 days have a mean confidence of about 71 % or less, of the test images 88 %', subject: 'v6-0123456789ab' },
    { kind: 'reviews', text: '120 images wait for review', subject: '' },
  ],
  runs: runs.slice(0, 5),
  labels: ['a label with a rather long name', 'trolley', 'sack', 'drum', 'ladder', 'forklift', 'pallet', 'barrel', 'cone', 'crate', 'box'].map((label, i) => ({ label, train: 12 + 9 * i, test: 4 + 2 * i })),
  snapshot_images: 640,
})

const quality = {
  unread: [],
  versions: [0.812, 0.861, 0.897, 0.912, 0.921].map((f1, i) => ({
    name: `v${[3, 4, 6, 7, 8][i] ?? 0}-0123456789ab`,
    f1,
    low: i === 0 ? null : f1 - 0.04,
    high: i === 0 ? null : f1 + 0.03,
    champion: i === 2,
  })),
  production: answersInProduction('v6-0123456789ab'),
  drift,
}

const lineage = (version: string) => ({
  version,
  snapshot: '0123456789abcdef',
  train_images: 512,
  test_images: 128,
  backgrounds: 14,
  labels: 10,
  origins: [
    { name: 'annotation', images: 420 },
    { name: 'person', images: 234 },
  ],
  people: 2,
  labelled_by: [
    { name: 'Rosa', images: 180 },
    { name: 'Ben, Chiara', images: 54 },
  ],
  run: 'run-20261122-0005',
  started_by: null,
  settings: { min_f1: '0.7', label_thresholds: '{"sack": 80}' },
  usd: 132.6,
  unread: [],
})

/** As where nothing of it can be read. */
const unreadHome = {
  ...nothing,
  unread: ['champion', 'costs', 'incidents', 'approvals', 'reviews', 'runs', 'drift'],
  serving: null,
  costs: null,
}
const unreadQuality = { ...noQuality, unread: ['champion', 'versions', 'precision', 'drift'] }

/** The response of a route of these pages; null for other routes. */
export function homeAnswer(url: URL, runs: object[], isEmpty: boolean, isUnread: boolean): Answer | null {
  if (url.pathname === '/api/home/quality') return ok(isUnread ? unreadQuality : isEmpty ? noQuality : quality)
  if (url.pathname === '/api/home') return ok(isUnread ? unreadHome : isEmpty ? nothing : home(runs))
  if (url.pathname.endsWith('/production/pictures')) return ok({ arrived: pictures(3, 66), tested: pictures(20, 87) })
  const asked = /^\/api\/versions\/([^/]+)\/lineage$/.exec(url.pathname)
  if (asked) return ok(lineage(decodeURIComponent(asked[1] ?? '')))
  const named = /^\/api\/versions\/([^/]+)\/production$/.exec(url.pathname)
  return named ? ok(production(decodeURIComponent(named[1] ?? ''))) : null
}
