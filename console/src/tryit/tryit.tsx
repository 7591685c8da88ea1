/** Shows the champion a picture of one's own. */
import type { TargetedDragEvent } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { ApiError, detectTry, getLabels, startTry } from '../api'
import { Link } from '../router'
import { problem } from '../runs/loaded'
import { Button, PageHeader, percent, Spinner } from '../ui'
import type { Attempt } from './attempt'
import { Picture, Results } from './result'
import { CONTENT_TYPES, sendFile, unusable } from './send'
import '../runs/runs.css'
import './tryit.css'

export default function TryIt() {
  const [attempt, setAttempt] = useState<Attempt | null>(null)
  const [refusal, setRefusal] = useState('')
  const [colours, setColours] = useState(new Map<string, string>())
  const control = useRef<AbortController | null>(null)
  useEffect(() => {
    getLabels().then(
      ({ labels }) => setColours(new Map(labels.map(({ label, colour }) => [label, colour]))),
      () => undefined,
    )
    return () => control.current?.abort()
  }, [])
  const preview = attempt?.preview
  useEffect(() => () => (preview ? URL.revokeObjectURL(preview) : undefined), [preview])

  function begin(file: File) {
    const why = unusable(file)
    setRefusal(why)
    if (why) return
    control.current?.abort()
    const own = new AbortController()
    control.current = own
    const change = (changed: Partial<Attempt>) => {
      if (!own.signal.aborted) setAttempt((before) => before && { ...before, ...changed })
    }
    const nothing = { id: '', detection: null, error: '', code: '', progress: 0 }
    setAttempt({ file, preview: URL.createObjectURL(file), step: 'sending', ...nothing })
    tryPicture(file, change, own.signal).catch((error: unknown) =>
      change({ step: 'failed', error: problem(error), code: error instanceof ApiError ? error.code : '' }),
    )
  }
  return (
    <div class="page">
      <PageHeader title="Try it" lead="Show the champion a picture, and see what it finds." />
      <Choose onFile={begin} refusal={refusal} />
      {attempt && (
        <div class="try-columns">
          <Picture attempt={attempt} colours={colours} />
          <div class="card stack try-side">
            <Progress attempt={attempt} onAgain={() => begin(attempt.file)} />
            {attempt.id && <Results key={attempt.id} attempt={attempt} colours={colours} />}
          </div>
        </div>
      )}
    </div>
  )
}

async function tryPicture(file: File, change: (changed: Partial<Attempt>) => void, signal: AbortSignal) {
  const { id, upload } = await startTry(file.type, file.size)
  signal.throwIfAborted()
  await sendFile(upload, file, (progress) => change({ progress }), signal)
  change({ step: 'looking', progress: 1, id })
  change({ step: 'shown', detection: await detectTry(id) })
}

function Choose({ onFile, refusal }: { onFile: (file: File) => void; refusal: string }) {
  const files = useRef<HTMLInputElement>(null)
  const camera = useRef<HTMLInputElement>(null)
  const [over, setOver] = useState(false)
  function take(list: FileList | null | undefined) {
    const file = list?.[0]
    if (file) onFile(file)
  }
  function drop(event: TargetedDragEvent<HTMLElement>) {
    event.preventDefault()
    setOver(false)
    take(event.dataTransfer?.files)
  }
  const input = (capture: boolean) => (
    <input
      ref={capture ? camera : files}
      type="file"
      hidden
      accept={CONTENT_TYPES.join(',')}
      capture={capture ? 'environment' : undefined}
      aria-label={capture ? 'Photograph' : 'Picture'}
      onChange={(event) => {
        take(event.currentTarget.files)
        // So that choosing the same file again is a change.
        event.currentTarget.value = ''
      }}
    />
  )
  return (
    <section
      class={over ? 'try-drop try-drop-over' : 'try-drop'}
      aria-label="Choose a picture"
      onDragOver={(event) => {
        event.preventDefault()
        setOver(true)
      }}
      onDragLeave={() => setOver(false)}
      onDrop={drop}
    >
      {input(false)}
      {input(true)}
      <div class="row">
        <Button kind="primary" onClick={() => files.current?.click()}>
          Choose a picture
        </Button>
        <Button class="try-camera" onClick={() => camera.current?.click()}>
          Take a photograph
        </Button>
        <span class="try-hint">or drop one here. JPEG or PNG, up to 15 MiB.</span>
      </div>
      {refusal && (
        <p class="try-error" role="alert">
          {refusal}
        </p>
      )}
    </section>
  )
}

function Progress({ attempt, onAgain }: { attempt: Attempt; onAgain: () => void }) {
  if (attempt.step === 'sending') {
    return (
      <label class="field">
        <span class="field-label">Sending the picture: {percent(attempt.progress)}</span>
        <progress class="try-progress" max={1} value={attempt.progress} />
      </label>
    )
  }
  if (attempt.step === 'looking') return <Spinner label="The champion is looking at it" />
  if (attempt.step !== 'failed') return null
  if (attempt.code === 'no_champion') {
    return (
      <div role="alert">
        <h2>No champion runs</h2>
        <p>
          No model is in production, so nothing can look at this picture. The first one starts when a run has passed
          its gates: see the <Link href="/runs">runs</Link>. You can send the picture to review in the meantime, so
          that a model learns from it.
        </p>
      </div>
    )
  }
  return (
    <div class="stack" role="alert">
      <h2>That did not work</h2>
      <p>{attempt.error}</p>
      <Button onClick={onAgain}>Try again</Button>
    </div>
  )
}

