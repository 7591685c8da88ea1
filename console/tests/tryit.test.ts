import { beforeEach, describe, expect, it, vi } from 'vitest'
import { colourOf, confidenceText, confidentLabels, place, shownWidth, sliderValue, tagClass } from '../src/tryit/detection'
import { commandOf, jsonOf, programOf } from '../src/tryit/snippets'

vi.mock('../src/auth', () => ({ SignedOutError: class extends Error {} }))
const { sendFile, fileProblem, MAX_BYTES } = await import('../src/tryit/send')
const { OfflineError } = await import('../src/api')

const image = { width: 1280, height: 853 }

describe('a detection', () => {
  const labels = [30, 90, 50].map((confidence) => ({ name: `at ${confidence}`, confidence }))
  it('is shown from a confidence on, the highest first', () => {
    expect(confidentLabels(labels, 50, {}).map(({ name }) => name)).toEqual(['at 90', 'at 50'])
    expect(confidentLabels(labels, 91, {})).toEqual([])
  })
  it('is shown from the threshold of its own label on, until somebody moves the slider', () => {
    const thresholds = { 'at 30': 28.3, 'at 50': 60.2, 'at 90': 60.2 }
    expect(confidentLabels(labels, 'model', thresholds).map(({ name }) => name)).toEqual(['at 90', 'at 30'])
    expect([sliderValue('model', thresholds), sliderValue(40, thresholds)]).toEqual([28, 40])
    expect(confidenceText('model', thresholds)).toContain("the model's threshold of each label, 28 % to 60 %")
    expect(confidenceText(40, thresholds)).toBe('Detections of 40 % confidence and more.')
  })
  it('is shown as the model returned it where the thresholds are not on record', () => {
    expect(confidentLabels(labels, 'model', {})).toHaveLength(3)
    expect(sliderValue('model', {})).toBe(0)
    expect(confidenceText('model', {})).toContain('not on record')
  })
  it('is on an image that is enlarged where it is small, and fits the screen', () => {
    expect(shownWidth({ width: 96, height: 48 })).toBe('min(100%, 384px, 156vh)')
  })
  it('lies in percent of the image, however large that is', () => {
    const box = { left: 640, top: 0, width: 128, height: 853 }
    expect(place(box, image)).toEqual({ left: '50%', top: '0%', width: '10%', height: '100%' })
  })
  it('has its tag where it can be read', () => {
    const box = { left: 100, top: 300, width: 50, height: 50 }
    expect(tagClass(box, image)).toBe('try-tag')
    expect(tagClass({ ...box, top: 10, left: 1200 }, image)).toBe('try-tag try-tag-inside try-tag-right')
  })
  it('has the colour that administrators gave it, else one made from its name', () => {
    expect(colourOf('cone', new Map([['cone', '#123456']]))).toBe('#123456')
    expect(colourOf('cone', new Map())).toMatch(/^hsl\(\d+ 70% 42%\)$/)
    expect(colourOf('cone', new Map())).not.toBe(colourOf('crate', new Map()))
  })
})

describe('code', () => {
  const label = { name: 'cone', confidence: 46.1, box: { left: 1, top: 2, width: 3, height: 4 } }
  const detection = {
    model_version: 'v6-0',
    model_version_arn: 'arn:aws:rekognition:eu-west-1:1:project/p/version/v6-0/1',
    labels: [label, { name: 'crate', confidence: 3 }],
    thresholds: {},
    width: 10,
    height: 20,
    url: 'https://bucket/secret',
  }
  it('is the detections that are shown, without the link to the image', () => {
    expect(JSON.parse(jsonOf(detection, [label]))).toEqual({ model_version: 'v6-0', width: 10, height: 20, labels: [label] })
  })
  it('is a command that a shell takes as it stands', () => {
    expect(commandOf('mine', 'a.jpg', 'model')).toBe('labelloop detect a.jpg --name mine --json')
    expect(commandOf('mine', "it's a $HOME.jpg", 40)).toBe(
      "labelloop detect 'it'\\''s a $HOME.jpg' --min-confidence 40 --name mine --json",
    )
    expect(commandOf('mine', '-n.png', 'model')).toContain('detect ./-n.png')
  })
  it('is a program that asks with the same confidence', () => {
    const program = programOf(detection, 'eu-west-1', 'say "cone".png', 'model')
    expect(program).toContain('open("say \\"cone\\".png", "rb")')
    expect(program).toContain(`ProjectVersionArn="${detection.model_version_arn}"`)
    expect(program).not.toContain('MinConfidence')
    expect(programOf(detection, 'eu-west-1', 'a.png', 40)).toContain('MinConfidence=40,')
  })
})

it.each([
  [{ type: 'image/jpeg', size: MAX_BYTES }, /^$/],
  [{ type: 'image/png', size: MAX_BYTES + 1 }, /larger than 15 MiB/],
  [{ type: 'image/png', size: 0 }, /empty/],
  [{ type: 'image/webp', size: 10 }, /JPEG or PNG/],
])('the problem of the file %j is %s', (file, problem) => {
  expect(fileProblem(file)).toMatch(problem)
})

class FakeRequest {
  static last: FakeRequest
  status = 0
  headers: Record<string, string> = {}
  opened = ''
  upload: { onprogress?: (event: { loaded: number; total: number }) => void } = {}
  onload?: () => void
  onerror?: () => void
  onabort?: () => void
  constructor() {
    FakeRequest.last = this
  }
  open = (method: string, url: string) => void (this.opened = `${method} ${url}`)
  setRequestHeader = (name: string, value: string) => void (this.headers[name] = value)
  send = () => undefined
  abort = () => this.onabort?.()
  answer(status: number) {
    this.status = status
    this.onload?.()
  }
}

describe('sending', () => {
  beforeEach(() => void vi.stubGlobal('XMLHttpRequest', FakeRequest))
  const target = { url: '/there', method: 'PUT' as const, headers: { 'Content-Type': 'image/png' } }
  function begin() {
    const progress: number[] = []
    const control = new AbortController()
    const sent = sendFile(target, new Blob(['x']), (fraction) => progress.push(fraction), control.signal)
    return { progress, control, sent, request: FakeRequest.last }
  }

  it('reports its progress', async () => {
    const { progress, sent, request } = begin()
    request.upload.onprogress?.({ loaded: 25, total: 100 })
    request.upload.onprogress?.({ loaded: 0, total: 0 })
    request.answer(200)
    await sent
    expect(progress).toEqual([0.25, 0])
    expect([request.opened, request.headers]).toEqual(['PUT /there', target.headers])
  })
  it('says that there is no connection, or what the store answered', async () => {
    const lost = begin()
    lost.request.onerror?.()
    await expect(lost.sent).rejects.toBeInstanceOf(OfflineError)
    const rejected = begin()
    rejected.request.answer(403)
    await expect(rejected.sent).rejects.toMatchObject({ name: 'ApiError', status: 403 })
  })
  it('stops when it is aborted', async () => {
    const { control, sent } = begin()
    control.abort()
    await expect(sent).rejects.toMatchObject({ name: 'AbortError' })
  })
})
