/** Images, folders of them and annotation files, uploaded from the browser. */
import { useEffect, useState } from 'preact/hooks'
import { refreshLabels } from '../desk/labels'
import * as desk from '../desk/state'
import { Link } from '../router'
import { Button, Field, number, PageHeader, sentence } from '../ui'
import './dataset.css'
import { chosenFiles, remembered, sumsOf, sumsText, type Labelling, type UploadFile } from './uploading'
import * as uploader from './uploader'

const LISTED = 100

export default function Upload() {
  const [by, setBy] = useState<Labelling['by']>('none')
  const [label, setLabel] = useState('')
  const [left] = useState(() => remembered().left)
  const files = uploader.files.value
  const running = uploader.running.value
  useEffect(refreshLabels, [])
  useEffect(() => {
    const warn = (event: BeforeUnloadEvent) => {
      if (uploader.running.value) event.preventDefault()
    }
    window.addEventListener('beforeunload', warn)
    return () => window.removeEventListener('beforeunload', warn)
  }, [])
  const labelling: Labelling = by === 'one' ? { by, label } : { by }
  return (
    <div class="page stack">
      <PageHeader
        title="Upload images"
        lead="JPEG and PNG images, folders of them, and their annotation files. What the dataset has already is skipped."
        actions={<Link href="/dataset">Back to the dataset</Link>}
      />
      {left > 0 && files.length === 0 && (
        <p class="card" role="status">
          {`An upload ended with ${number(left)} ${left === 1 ? 'file' : 'files'} to go. Choose the same files again: what has arrived is skipped.`}
        </p>
      )}
      <Choose disabled={running} />
      <fieldset class="card upload-labels" disabled={running}>
        <legend>Labels of the images</legend>
        <Way value="none" chosen={by} onChoose={setBy} text="None, or from annotation files beside them" />
        <Way value="folder" chosen={by} onChoose={setBy} text="The innermost folder of each image is its label" />
        <Way value="one" chosen={by} onChoose={setBy} text="One label for all of them" />
        {by === 'one' && (
          <Field label="Label">
            <input list="upload-known" value={label} maxLength={255} onInput={(event) => setLabel(event.currentTarget.value)} />
          </Field>
        )}
        <datalist id="upload-known">
          {desk.usable.value.map(({ label: name }) => (
            <option key={name} value={name} />
          ))}
        </datalist>
        {by !== 'none' && <p class="muted">These are labels of whole images: in a dataset with boxes they would be of another kind.</p>}
      </fieldset>
      {files.length > 0 && <Progress files={files} labelling={labelling} isReady={by !== 'one' || label.trim() !== ''} />}
    </div>
  )
}

interface WayProps {
  value: Labelling['by']
  chosen: Labelling['by']
  text: string
  onChoose: (value: Labelling['by']) => void
}
function Way({ value, chosen, text, onChoose }: WayProps) {
  return (
    <label>
      <input type="radio" name="labelling" checked={chosen === value} onChange={() => onChoose(value)} /> {text}
    </label>
  )
}

function Choose({ disabled }: { disabled: boolean }) {
  const [over, setOver] = useState(false)
  const take = (files: { file: File; name: string }[]) => uploader.choose(chosenFiles(files))
  const ofInput = (input: HTMLInputElement) => {
    take([...(input.files ?? [])].map((file) => ({ file, name: file.webkitRelativePath || file.name })))
    input.value = ''
  }
  return (
    <div
      class={over ? 'upload-drop upload-over' : 'upload-drop'}
      onDragOver={(event) => {
        event.preventDefault()
        setOver(!disabled)
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault()
        setOver(false)
        if (!disabled && event.dataTransfer) void dropped(event.dataTransfer).then(take)
      }}
    >
      <p>Drop files and folders here, or</p>
      <div class="row">
        <label class="button button-plain upload-choose">
          Choose files
          <input type="file" multiple class="visually-hidden" disabled={disabled} onChange={(event) => ofInput(event.currentTarget)} />
        </label>
        <label class="button button-plain upload-choose">
          Choose a folder
          <input
            type="file"
            multiple
            class="visually-hidden"
            disabled={disabled}
            ref={(input) => input?.setAttribute('webkitdirectory', '')}
            onChange={(event) => ofInput(event.currentTarget)}
          />
        </label>
      </div>
    </div>
  )
}

/** The files that were dropped, those of folders with their paths. */
async function dropped(data: DataTransfer): Promise<{ file: File; name: string }[]> {
  const entries = [...data.items].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null)
  const found = await Promise.all(entries.map(filesOf))
  return found.flat()
}

async function filesOf(entry: FileSystemEntry): Promise<{ file: File; name: string }[]> {
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject))
    return [{ file, name: entry.fullPath.replace(/^\//, '') }]
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader()
  const all: { file: File; name: string }[] = []
  for (;;) {
    // It gives a hundred at a time.
    const part = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject))
    if (part.length === 0) return all
    all.push(...(await Promise.all(part.map(filesOf))).flat())
  }
}

function Progress({ files, labelling, isReady }: { files: UploadFile[]; labelling: Labelling; isReady: boolean }) {
  const sums = sumsOf(files)
  const running = uploader.running.value
  const isBegun = sums.left < sums.files || sums.sentBytes > 0
  const share = sums.bytes > 0 ? sums.sentBytes / sums.bytes : 1
  const isOver = !running && sums.left === 0
  const troubled = files.filter(({ state }) => state === 'refused' || state === 'failed')
  const act = sums.failed > 0 && sums.left === 0 ? `Try ${number(sums.failed)} again` : isBegun ? 'Go on' : 'Upload'
  return (
    <section class="card stack" aria-label="Progress">
      <p>
        <strong>{isBegun ? sumsText(sums) : `${number(sums.files)} ${sums.files === 1 ? 'file' : 'files'} chosen.`}</strong>{' '}
        <span class="muted">{`${mebibytes(sums.sentBytes)} of ${mebibytes(sums.bytes)} MiB`}</span>
      </p>
      <progress class="upload-bar" max={1} value={share} aria-label="Uploaded" />
      <p class="visually-hidden" role="status">
        {isOver ? sumsText(sums) : `${Math.floor(share * 10) * 10} % uploaded`}
      </p>
      {uploader.offline.value && <p role="alert">There is no connection. The upload goes on once it is back.</p>}
      <div class="row">
        {running ? (
          <Button onClick={uploader.stop}>Pause</Button>
        ) : (
          (sums.left > 0 || sums.failed > 0) && (
            <Button kind="primary" disabled={!isReady} onClick={() => void uploader.start(labelling)}>
              {act}
            </Button>
          )
        )}
        {isOver && sums.sent > 0 && <span>Registering takes a moment: they appear in the dataset then. What cannot be used goes to <code>rejected/</code>, with the reason.</span>}
      </div>
      {troubled.length > 0 && (
        <div>
          <h2>Not uploaded</h2>
          <ul class="upload-problems">
            {troubled.slice(0, LISTED).map(({ name, problem }) => (
              <li key={name}>
                <code>{name}</code>: {sentence(problem)}
              </li>
            ))}
          </ul>
          {troubled.length > LISTED && <p class="muted">{`And ${number(troubled.length - LISTED)} more.`}</p>}
        </div>
      )}
    </section>
  )
}

const mebibytes = (bytes: number) => number(bytes / 1024 / 1024, 1)
