/** The dataset's images, uploads and report in the mock. */
import { ago, failure, ok, type Answer } from './answers.ts'
import { colours } from './labels.ts'

const PAGE = 100
interface Image {
  image: string
  name: string
  thumbnail: string
  width: number
  height: number
  status: string
  kind: string | null
  labels: string[]
  boxes: { label: string; left: number; top: number; width: number; height: number }[]
  set_by: string
  changed_at: string
}
/** Images that were changed, as they are by now, and what they were before. */
const changed = new Map<string, Image>()
const before = new Map<string, unknown[]>()
const uploaded = new Set<string>()
export function forgetImages(): void {
  for (const kept of [changed, before, uploaded]) kept.clear()
}

const idOf = (n: number) => `${n}`.padStart(64, '0')
const names = Object.keys(colours)

function original(n: number): Image {
  const status = n % 11 === 3 ? 'unlabelled' : n % 23 === 7 ? 'excluded' : n % 31 === 5 ? 'conflict' : 'labelled'
  const count = status === 'unlabelled' ? 0 : n % 4
  const boxes = Array.from({ length: count }, (_, i) => ({
    label: names[(n + i) % names.length] ?? 'crate',
    left: 60 + ((n * 97 + i * 311) % 700),
    top: 60 + ((n * 53 + i * 127) % 420),
    width: 160 + ((n * 31) % 180),
    height: 140 + ((n * 17) % 160),
  }))
  return {
    image: idOf(n),
    name: `unlabeled/line-${n % 7}/frame ${n}.jpg`,
    thumbnail: `/mock/pictures/${n}`,
    width: 1280,
    height: 853,
    status,
    kind: status === 'unlabelled' ? null : 'detection',
    labels: [...new Set(boxes.map(({ label }) => label))].sort(),
    boxes,
    set_by: status === 'unlabelled' ? '' : n % 5 ? 'annotation' : 'person',
    changed_at: new Date(Date.UTC(2026, 10, 20) - n * 60_000).toISOString().replace('Z', '000Z'),
  }
}
const imageOf = (n: number): Image => changed.get(idOf(n)) ?? original(n)

const isDataset = (n: number, dataset: string) => !dataset || (n % 5 === 0 ? 'TEST' : 'TRAIN') === dataset

function matches(n: number, query: URLSearchParams): boolean {
  const { labels, status, set_by, name, image } = imageOf(n)
  const near = query.get('near') ?? ''
  const wanted = (member: string, value: string) => !query.get(member) || query.get(member) === value
  return (
    (!query.get('label') || labels.includes(query.get('label') ?? '')) &&
    wanted('status', status) &&
    wanted('set_by', set_by) &&
    isDataset(n, query.get('dataset') ?? '') &&
    (!query.get('text') || name.includes(query.get('text') ?? '') || image === query.get('text')) &&
    (!near || Math.abs(Number(near) - n) < 3) &&
    query.get('size') !== 'small'
  )
}

function page(query: URLSearchParams, count: number): Answer {
  const images: Image[] = []
  const begin = Number(query.get('cursor') ?? 0)
  let n = begin
  for (; n < count && images.length < PAGE && n < begin + 1000; n += 1) if (matches(n, query)) images.push(imageOf(n))
  return ok({ images, cursor: n < count ? String(n) : null, read: n - begin, searched: null, by_content: false })
}

function opened(n: number) {
  return {
    ...imageOf(n),
    url: `/mock/pictures/${n}`,
    bytes: 148_213,
    format: 'JPEG',
    registered_at: ago(9000 + n),
    changed_by: changed.has(idOf(n)) ? 'Rosa' : '',
    sources: [`incoming/unlabeled/line-${n % 7}/frame ${n}.jpg`],
    dataset: n % 5 === 0 ? 'TEST' : 'TRAIN',
    requested_dataset: '',
    conflict_reason: imageOf(n).status === 'conflict' ? 'two annotation files label it differently' : '',
    original: '',
    tiles: [],
    asked_kind: 'detection',
    task: null,
    history: before.get(idOf(n)) ?? [],
  }
}

/** The image with other members, and what it was in its history. */
function change(n: number, members: Partial<Image>): Image {
  const was = imageOf(n)
  const past = { revision: (before.get(was.image)?.length ?? 0) + 1, changed_by: '', ...was }
  before.set(was.image, [past, ...(before.get(was.image) ?? [])])
  const now = { ...was, ...members, changed_at: new Date().toISOString().replace('Z', '000Z') }
  now.labels = [...new Set(now.boxes.map(({ label }) => label))].sort()
  changed.set(was.image, now)
  return now
}

const report = () => ({
  snapshot: 'snapshot-20261123-0006',
  run: 'run-20261123-0006',
  made_at: ago(1500),
  verdict: 'Training can start, with 1 warning',
  findings: [
    {
      code: 'few_images',
      severity: 'warning',
      title: '1 label has few test images',
      what_it_does: 'The F1 of cone says little.',
      how_to_fix: 'Label more images of it.',
      count: 1,
      details: ['cone: 4 test images'],
      source: 'https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/limits.html',
      examples: [3, 8, 14].map((n) => ({ ...pick(original(n)), dataset: 'TEST', caption: `frame ${n}` })),
    },
    { code: 'backgrounds', severity: 'info', title: '12 images show nothing', what_it_does: 'They are left out.', how_to_fix: 'Nothing has to be done.', count: 12, details: [], source: '', examples: [] },
  ],
  train_images: 812,
  test_images: 203,
  labels: names.map((label, i) => ({ label, train_images: 400 - 90 * i, test_images: 100 - 24 * i, train_boxes: 700 - 120 * i, test_boxes: 170 - 40 * i })),
  label_count: names.length,
  histograms: [
    { title: 'Boxes on an image', unit: 'images', bins: ['0', '1', '2', '3-5'].map((name, i) => ({ name, train: [12, 400, 300, 100][i] ?? 0, test: [3, 100, 70, 30][i] ?? 0 })) },
  ],
  page_url: '/mock/pictures/1',
})
const pick = ({ image, thumbnail, width, height, labels, boxes }: Image) => ({ image, thumbnail, width, height, labels, boxes })

interface Body {
  images?: (string | { image: string })[]
  excluded?: boolean
  before?: string
  after?: string
  boxes?: Image['boxes']
  changed_at?: string
  files?: { name: string; size: number; sha256: string }[]
}

function several(images: Image[]): Answer {
  return ok({ images, problems: [] })
}

/** `count`: how many images the dataset has. */
export function datasetAnswer(method: string, url: URL, sent: Record<string, unknown>, count: number): Answer | null {
  const path = url.pathname.slice(4)
  const body = sent as Body
  const ids = (body.images ?? []).map((each) => Number(typeof each === 'string' ? each : each.image))
  if (path === '/images/count') {
    const isPlain = [...url.searchParams.keys()].length === 0
    return ok({ count: isPlain ? Math.min(count, 10_000) : null, more: isPlain && count > 10_000 })
  }
  if (path === '/images') return page(url.searchParams, count)
  if (path === '/images/review') return several(ids.map(imageOf))
  if (path === '/dataset-report') return ok(report())
  if (path === '/admin/images/exclusion') return several(ids.map((n) => change(n, { status: body.excluded ? 'excluded' : 'labelled' })))
  if (path === '/admin/images/labels')
    return several(ids.map((n) => change(n, { boxes: imageOf(n).boxes.map((box) => (box.label === body.before ? { ...box, label: body.after ?? '' } : box)) })))
  if (path === '/admin/uploads') {
    return ok({
      files: (body.files ?? []).map(({ name, sha256 }) => {
        const state = /\.gif$/.test(name) ? 'refused' : uploaded.has(sha256) ? 'known' : 'send'
        if (state === 'send') uploaded.add(sha256)
        const problem = state === 'refused' ? 'neither a JPEG or PNG image nor an annotation file' : ''
        const upload = state === 'send' ? { url: `/mock/uploads/${sha256}`, method: 'PUT', headers: {} } : null
        return { name, state, problem, key: `incoming/unlabeled/${name}`, upload }
      }),
    })
  }
  const [, id, action] = /^\/images\/([0-9]{64})(?:\/(labels|undo))?$/.exec(path) ?? []
  if (id === undefined) return null
  const n = Number(id)
  if (n >= count) return failure(404, 'not_found', `there is no image ${id}`)
  if (method === 'GET') return ok(opened(n))
  if (body.changed_at !== imageOf(n).changed_at)
    return failure(409, 'changed', 'Ben changed this image on 2026-11-28 10:04 UTC, after you opened it: look at it again')
  if (action === 'undo') change(n, before.get(id)?.[0] as Image)
  else change(n, { boxes: body.boxes ?? [], status: 'labelled', kind: 'detection', set_by: 'person' })
  return ok(opened(n))
}
