/** Runs, model versions and the try-it page. */
import { ago, ok, failure, type Answer } from './answers.ts'
import { evaluationAnswer } from './evaluations.ts'

const stepNames = [
  'wait for uploads to end',
  'take the lease',
  'wait for open reviews',
  'make the dataset snapshot',
  'check the dataset',
  'update the Rekognition datasets',
  'train the model',
  'evaluation gate',
  'promote',
  'report',
]
const times = [30, 0.4, null, 2.1, 8.4, 61, 2710, 3.2, 48, 1.1]

/** A run whose step number `at` is running or failed; past the last one, all are done. */
function steps(at: number, state: 'running' | 'failed') {
  return stepNames.map((name, i) => {
    const seconds = times[i] ?? null
    if (seconds === null && i < at) return { name, state: 'skipped', entered_at: null, seconds: null }
    if (i > at) return { name, state: state === 'failed' ? 'skipped' : 'waiting', entered_at: null, seconds: null }
    return { name, state: i === at ? state : 'done', entered_at: ago(60 - 5 * i), seconds }
  })
}

const verdicts = [
  { gate: 'evaluation', passed: true, reasons: ['F1 0.912 is at least 0.7', 'the weakest label, cone, has 0.84 of at least 0.5'] },
  { gate: 'shadow', passed: false, reasons: ['its detections on 40 images agree less with reviewers (0.88) than the champion\u2019s (0.91)'] },
]
const runFrom = (id: string, from: number, to: number | null, rest: Record<string, unknown>) => ({
  id,
  trigger: 'images',
  started_by: null,
  outcome: 'running',
  reason: '',
  started_at: ago(from),
  ended_at: to === null ? null : ago(to),
  version: null,
  f1: null,
  estimated_usd: null,
  ...rest,
})
export const runs = () => [
  runFrom('run-20261124-0007', 62, null, {}),
  runFrom('run-20261123-0006', 1500, 1420, { outcome: 'rejected', reason: verdicts[1]?.reasons[0], version: 'v7-0123456789ab', f1: 0.912, estimated_usd: 4.1 }),
  runFrom('rollback-20261122T101500000Z', 2000, 1990, { outcome: 'promoted', trigger: 'rollback', started_by: 'Rosa', version: 'v4-0123456789ab', reason: 'v4-0123456789ab serves instead of v6-0123456789ab' }),
  runFrom('run-20261122-0005', 3000, 2935, { outcome: 'promoted', trigger: 'schedule', version: 'v6-0123456789ab', f1: 0.897, estimated_usd: 3.87 }),
  runFrom('run-20261121-0004', 4500, 4499, { outcome: 'skipped', trigger: 'manual', started_by: 'rosa (command line)', reason: '12 labelled images of 20 that are needed' }),
  runFrom('run-20261120-0003', 6000, 5950, { outcome: 'failed', reason: 'training failed: the manifest entry 41 names an image that is gone', version: 'v5-0123456789ab', estimated_usd: 0.12 }),
]

const training = {
  message: 'The model is being trained.',
  elapsed_seconds: 2710,
  basis: 'earlier_runs',
  fraction: 0.74,
  seconds_left: 950,
  estimated_seconds: 3660,
  earlier_runs: 3,
}

function runOf(id: string): Answer {
  const run = runs().find((listed) => listed.id === id)
  if (!run) return failure(404, 'not_found', `there is no run ${id}`)
  const ended: Record<string, [number, 'running' | 'failed']> = { running: [6, 'running'], failed: [6, 'failed'], skipped: [3, 'failed'] }
  const [at, state] = ended[String(run.outcome)] ?? [stepNames.length, 'running']
  const shownVerdicts = run.f1 === null ? [] : verdicts
  return ok({
    ...run,
    steps: steps(at, state),
    verdicts: shownVerdicts,
    approval: null,
    snapshot: 'snapshot-00c4e1',
    images: null,
    training: run.outcome === 'running' ? training : null,
    forecast_usd: 6.2,
    usd_per_hour: run.outcome === 'promoted' ? 4 : null,
    report_url: shownVerdicts.length > 0 ? '/mock/pictures/1' : null,
    unread: [],
  })
}

const labelNames = ['crate', 'cone', 'barrel', 'pallet', 'forklift', 'ladder', 'drum', 'sack', 'trolley', 'a label with a rather long name']
const labels = (best: number) =>
  labelNames.map((label, i) => ({ label, f1: best - 0.03 * i, precision: best - 0.02 * i, recall: best - 0.04 * i, test_images: 12, threshold: 0.5 }))
const version = (n: number, f1: number | null, rest: Record<string, unknown>) => ({
  name: `v${n}-0123456789ab`,
  status: 'trained',
  f1,
  reason: null,
  created_at: ago(1440 * (9 - n)),
  champion: false,
  verdicts: [],
  approval: null,
  labels: f1 === null ? [] : labels(f1 + 0.05),
  production_precision: null,
  ...rest,
})
const versions = () => [
  version(8, 0.921, {
    status: 'pending',
    verdicts,
    approval: { decision: null, by: '', why: '', at: null, asked_at: ago(50), deadline: ago(-4200) },
  }),
  version(7, 0.912, { status: 'rejected', verdicts }),
  version(6, 0.897, {
    champion: true,
    status: 'champion',
    verdicts: [{ gate: 'evaluation', passed: true, reasons: ['F1 0.897 is at least 0.7'] }],
    production_precision: { confirmed: 182, false: 14, missed: 9, images: 120, precision: 0.9286, low: 0.8839, high: 0.957 },
  }),
  version(5, null, { status: 'failed', reason: 'the manifest entry 41 names an image that is gone' }),
  version(4, 0.861, { status: 'retired' }),
]

const batch = (name: string, rest: object) => ({
  name,
  state: 'done',
  source: `s3://cameras/${name}/`,
  total: 250_000,
  answered: 250_000,
  failed: 41,
  version: 'v6-0123456789ab',
  created_by: 'Rosa (command line)',
  created_at: ago(300),
  started_at: ago(300),
  ended_at: ago(30),
  waits_for: '',
  reason: '',
  ...rest,
})
const running = { state: 'running', answered: 61_200, failed: 12, ended_at: '' }
const batches = () => [
  batch('night-shift', running),
  batch('hall-2', { state: 'waking', answered: 0, failed: 0, ended_at: '', waits_for: 'a free model slot of the account' }),
  batch('2026-11', {}),
  batch('a-name-that-is-as-long-as-the-names-of-batches-may', {
    state: 'failed',
    answered: 1200,
    reason: 'v6-0123456789ab could not be started: the account has no more inference units; labelloop batch resume tries it again',
  }),
]
const batchOf = (name: string) => ({
  ...(batches().find((one) => one.name === name) ?? batch(name, {})),
  units: 2,
  review_limit: 500,
  proposed: 87,
  summary:
    name === 'night-shift'
      ? null
      : {
          detected: 249_959,
          failed: 41,
          without_objects: 81_022,
          missing: 0,
          labels: [
            { label: 'crate', objects: 301_211, images: 140_120 },
            { label: 'forklift', objects: 20_014, images: 18_000 },
            { label: 'a label of many words that says very exactly what kind of object it is about', objects: 3, images: 3 },
          ],
          histogram: [...Array<number>(9).fill(0), 310, 800, 1900, 3100, 6000, 9000, 15_000, 22_000, 41_000, 82_000, 140_118],
          failures: [
            {
              error: 'InvalidImageFormatException',
              images: 40,
              reason: 'save it as a JPEG or PNG file of 64 to 4096 pixels each way',
              examples: ['s3://cameras/2026-11/a-key-with-many-parts/2026-11-28T10-15-00.123456-camera-12.jpg'],
            },
            { error: 'NoSuchKey', images: 1, reason: 'it was deleted', examples: ['s3://cameras/2026-11/b.jpg'] },
          ],
        },
})

const day = (before: number) => new Date(Date.now() - before * 86_400_000).toISOString().slice(0, 10)
const costAccount = (name: string, training_usd: number, units_usd: number) => ({
  name,
  training_hours: training_usd,
  training_usd,
  unit_hours: units_usd / 4,
  units_usd,
  answers: 0,
  answers_usd: 0,
  usd: training_usd + units_usd,
})
const accounts: Record<string, () => object[]> = {
  day: () => [costAccount(day(0), 0, 12.4), costAccount(day(1), 1.2, 35.5), costAccount(day(3), 2.1, 8), costAccount(day(9), 0.9, 96)],
  month: () => [costAccount(day(0).slice(0, 7), 4.2, 151.9)],
  version: () => [costAccount('v6-0123456789ab', 1.2, 131.4), costAccount('v7-0123456789ab', 2.1, 4.5)],
}
const costs = (by: string) => ({
  by,
  accounts: accounts[by]?.() ?? [],
  usd: 156.1,
  month: { month: day(0).slice(0, 7), usd: 156.1, budget_usd: 200, percent: 78.1 },
  running: [{ version: 'v6-0123456789ab', units: 1, usd_per_hour: 4, since: ago(600) }],
  usd_per_hour: 4,
  prices: { region: 'eu-central-1', training_per_hour: 1.37, inference_per_unit_hour: 4, serverless_training_per_hour: 0.23, is_estimate: true },
  serverless: null,
  as_of: ago(1),
})
export const noCosts = {
  ...costs(''),
  by: 'day',
  usd: 0,
  month: { month: day(0).slice(0, 7), usd: 0, budget_usd: null, percent: 0 },
  running: [],
  usd_per_hour: 0,
}

const detection = {
  model_version: 'v6-0123456789ab',
  model_version_arn: 'arn:aws:rekognition:eu-central-1:123456789012:project/mock/version/v6-0123456789ab/1700000000000',
  thresholds: { crate: 46.1, cone: 28.3, forklift: 60 },
  width: 1280,
  height: 853,
  url: '/mock/pictures/3',
  labels: [
    { name: 'crate', confidence: 96.3, box: { left: 120, top: 30, width: 320, height: 260 } },
    { name: 'cone', confidence: 71.4, box: { left: 620, top: 380, width: 180, height: 240 } },
    { name: 'forklift', confidence: 52.9, box: { left: 900, top: 10, width: 300, height: 200 } },
    { name: 'cone', confidence: 31.2, box: { left: 300, top: 560, width: 120, height: 160 } },
  ],
}

const serving = (state: 'awake' | 'asleep') => ({
  champion: 'v6-0123456789ab',
  status: state === 'awake' ? 'RUNNING' : 'STOPPED',
  state,
  since: ago(200),
  reason: state === 'awake' ? 'not idle for 30 min yet (serving_policy is idle)' : 'put to sleep by Rosa: holidays',
  trouble: '',
  asked: state === 'awake' ? null : 'stop',
  policy: 'idle',
  usd_per_hour: 4,
  waiting_images: state === 'awake' ? 0 : 12,
  changes: [
    { at: ago(200), by: 'labelloop', what: state === 'awake' ? 'wakes' : 'sleeps', why: '' },
    { at: ago(201), by: 'Rosa', what: state === 'awake' ? 'start' : 'stop', why: 'holidays' },
  ],
})

/** The response of a route of these pages; null for other routes. */
export function pagesAnswer(url: URL): Answer | null {
  const [, , first, id = '', last] = url.pathname.split('/')
  if (url.pathname === '/api/admin/serving') return { status: 204 }
  if (first === 'serving') return ok(serving('awake'))
  if (url.pathname.endsWith('/approval')) return { status: 204 }
  if (url.pathname === '/api/admin/rollbacks') return ok({ id: 'rollback-20261124T101500000Z' })
  if (url.pathname.endsWith('/cancellation')) return { status: 204 }
  if (first === 'runs') return id ? runOf(id) : ok({ runs: runs() })
  if (url.pathname === '/api/admin/thresholds') return ok({ label_thresholds: {} })
  if (first === 'versions' && id) return evaluationAnswer(url)
  if (first === 'versions') return ok({ versions: versions(), label_thresholds: { sack: 80 }, unread: [] })
  if (first === 'batches') return ok(id ? batchOf(id) : { batches: batches() })
  if (first === 'costs') return ok(costs(url.searchParams.get('by') ?? 'day'))
  if (first !== 'try') return null
  if (last === 'detection') return ok(detection)
  if (last === 'review') return ok({ task: 'task-1' })
  return ok({ id: 'f'.repeat(32), upload: { url: '/mock/uploads/1', method: 'PUT', headers: { 'Content-Type': 'image/png' } } })
}
