/** Runs the champion on an image that somebody uploads. */
import type { TargetedDragEvent } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { ApiError, detectTry, getLabels, getServing, startTry } from '../api'
import { Link } from '../router'
import { problem, useLoaded } from '../runs/loaded'
import { isAdministrator } from '../session'
import { Button, capital, PageHeader, percent, Prose, sentence, Spinner } from '../ui'
import { unreadyText } from '../versions/sleep'
import type { Attempt } from './attempt'
import { Results, TriedImage } from './result'
import { CONTENT_TYPES, fileProblem, sendFile } from './send'
import '../runs/runs.css'
import './tryit.css'

export default function TryIt() {
  const [attempt, setAttempt] = useState<Attempt | null>(null)
  const [fileError, setFileError] = useState('')
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
    const problemOfFile = fileProblem(file)
    setFileError(problemOfFile)
    control.current?.abort()
    if (problemOfFile) {
      // The result of the image before would be taken for this one's.
      setAttempt(null)
      return
    }
    const current = new AbortController()
    control.current = current
    const change = (changed: Partial<Attempt>) => {
      if (!current.signal.aborted) setAttempt((before) => before && { ...before, ...changed })
    }
    const empty = { id: '', detection: null, error: '', code: '', progress: 0 }
    setAttempt({ file, preview: URL.createObjectURL(file), step: 'uploading', ...empty })
    tryImage(file, change, current.signal).catch((error: unknown) =>
      change({ step: 'failed', error: problem(error), code: error instanceof ApiError ? error.code : '' }),
    )
  }
  return (
    <div class="page">
      <PageHeader title="Try it" lead="Upload an image and see what the champion detects in it." />
      {!attempt && <Unready />}
      <FileChooser onFile={begin} error={fileError} />
      {attempt && (
        <div class="try-columns">
          <TriedImage attempt={attempt} colours={colours} />
          <div class="card stack try-side">
            <Progress attempt={attempt} onRetry={() => begin(attempt.file)} />
            {attempt.id && <Results key={attempt.id} attempt={attempt} colours={colours} />}
          </div>
        </div>
      )}
    </div>
  )
}

/** Says beforehand that the champion does not answer; the attempt itself says why. */
function Unready() {
  const { value } = useLoaded(getServing, 'serving', () => 30)
  const text = value ? unreadyText(value) : ''
  return text ? (
    <p class="runs-stale" role="status">
      {text}
    </p>
  ) : null
}

async function tryImage(file: File, change: (changed: Partial<Attempt>) => void, signal: AbortSignal) {
  const { id, upload } = await startTry(file.type, file.size)
  signal.throwIfAborted()
  await sendFile(upload, file, (progress) => change({ progress }), signal)
  change({ step: 'detecting', progress: 1, id })
  change({ step: 'done', detection: await detectTry(id) })
}

function FileChooser({ onFile, error }: { onFile: (file: File) => void; error: string }) {
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
      aria-label={capture ? 'Photo' : 'Image file'}
      onChange={(event) => {
        take(event.currentTarget.files)
        // Choosing the same file again has to fire a change event.
        event.currentTarget.value = ''
      }}
    />
  )
  return (
    <section
      class={over ? 'try-drop try-drop-over' : 'try-drop'}
      aria-label="Choose an image"
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
          Choose an image
        </Button>
        <Button class="try-camera" onClick={() => camera.current?.click()}>
          Take a photo
        </Button>
        <span class="try-hint">or drop one here. JPEG or PNG, up to 15 MiB.</span>
      </div>
      {error && (
        <p class="try-error" role="alert">
          <Prose of={error} />
        </p>
      )}
    </section>
  )
}

function Progress({ attempt, onRetry }: { attempt: Attempt; onRetry: () => void }) {
  if (attempt.step === 'uploading') {
    return (
      <label class="field">
        <span class="field-label">Uploading the image: {percent(attempt.progress)}</span>
        <progress class="try-progress" max={1} value={attempt.progress} />
      </label>
    )
  }
  if (attempt.step === 'detecting') return <Spinner label="Running the champion on the image" />
  if (attempt.step !== 'failed') return null
  if (attempt.code === 'no_champion' || attempt.code === 'champion_sleeps') {
    return (
      <div role="alert">
        <h2>{attempt.code === 'no_champion' ? 'There is no model yet' : 'The champion sleeps'}</h2>
        <p>{capital(sentence(attempt.error))}</p>
        <p>
          {attempt.code === 'no_champion' ? (
            <>
              The first champion starts when a run passes its gates: see the <Link href="/runs">runs</Link>.
            </>
          ) : (
            <>
              {isAdministrator() ? 'You' : 'An administrator'} can start it under{' '}
              <Link href="/versions">model versions</Link>, which takes 10 to 20 minutes.
            </>
          )}
        </p>
      </div>
    )
  }
  if (attempt.code === 'asleep') {
    return (
      <div class="stack" role="alert">
        <h2>The champion is being started</h2>
        <p>{capital(sentence(attempt.error))}</p>
        <Button onClick={onRetry}>Try again</Button>
      </div>
    )
  }
  return (
    <div class="stack" role="alert">
      <h2>Something went wrong</h2>
      <p>
        <Prose of={attempt.error} />
      </p>
      <Button onClick={onRetry}>Try again</Button>
    </div>
  )
}

