/** The labels of the review desk: colour, key, instruction and example images. */
import { useState } from 'preact/hooks'
import { getLabels, putLabel, type Label } from '../api'
import { problem, useLoaded, WhenLoaded } from '../runs/loaded'
import '../runs/runs.css'
import { Badge, Button, EmptyState, PageHeader, Swatch, toast } from '../ui'
import './admin.css'
import { withLabel } from './labelcheck'
import { LabelForm } from './labelform'
import { RenameDialog } from './renamedialog'

export default function Labels() {
  const loaded = useLoaded(getLabels, 'labels')
  const [changed, setChanged] = useState<Label[]>([])
  const [editing, setEditing] = useState<Label | 'new' | null>(null)
  const [renaming, setRenaming] = useState<Label | null>(null)
  const labels = changed.reduce(withLabel, loaded.value?.labels ?? [])
  const keep = (kept: Label) => setChanged((before) => withLabel(before, kept))
  const add = (
    <Button kind="primary" disabled={loaded.value === null} onClick={() => setEditing('new')}>
      Add a label
    </Button>
  )
  return (
    <div class="page">
      <PageHeader
        title="Labels"
        lead="The labels that reviewers choose from, with their instructions. A retired label can no longer be chosen; images that have it keep it."
        actions={add}
      />
      <WhenLoaded of={loaded} label="Loading the labels">
        {() =>
          labels.length === 0 ? (
            <EmptyState title="No labels yet">
              Add the first label: reviewers cannot answer without one. Labels of images that are uploaded with labels
              appear automatically.
            </EmptyState>
          ) : (
            <ul class="admin-labels">
              {labels.map((label) => (
                <LabelCard key={label.label} label={label} onEdit={() => setEditing(label)} onRename={() => setRenaming(label)} onKept={keep} />
              ))}
            </ul>
          )
        }
      </WhenLoaded>
      {renaming && (
        <RenameDialog
          label={renaming}
          labels={labels}
          onClose={(hasActed) => {
            setRenaming(null)
            if (!hasActed) return
            setChanged([])
            loaded.reload()
          }}
        />
      )}
      {editing && (
        <LabelForm
          labels={labels}
          label={editing === 'new' ? null : editing}
          onClose={() => setEditing(null)}
          onKept={(kept) => {
            keep(kept)
            toast(`${kept.label} is saved.`)
          }}
        />
      )}
    </div>
  )
}

interface LabelCardProps {
  label: Label
  onEdit: () => void
  onRename: () => void
  onKept: (label: Label) => void
}
function LabelCard({ label, onEdit, onRename, onKept }: LabelCardProps) {
  const { label: name, key, retired, renamed_to, instruction, examples } = label
  const [busy, setBusy] = useState(false)
  function retire() {
    setBusy(true)
    putLabel(name, { retired: !retired })
      .then(onKept, (error: unknown) => toast(problem(error), 'bad'))
      .finally(() => setBusy(false))
  }
  return (
    <li class="card admin-label">
      <div class="admin-label-text">
        <h2 class="admin-label-name">
          <Swatch colour={label.colour} />
          <span class="runs-name">{name}</span>
          {key && (
            <kbd>
              <span class="visually-hidden">key </span>
              {key.toUpperCase()}
            </kbd>
          )}
          {retired && <Badge>{renamed_to ? `Renamed to ${renamed_to}` : 'Retired'}</Badge>}
        </h2>
        <p class="muted runs-name">{instruction || 'No instruction yet.'}</p>
      </div>
      {examples.length > 0 && (
        <ul class="admin-examples" aria-label={`Examples of ${name}`}>
          {examples.map(({ image, url }, i) => (
            <li key={image}>
              <img src={url} alt={`Example ${i + 1} of ${name}`} title={image} loading="lazy" />
            </li>
          ))}
        </ul>
      )}
      <div class="admin-actions">
        <Button aria-label={`Edit ${name}`} onClick={onEdit}>
          Edit
        </Button>
        <Button aria-label={`Rename or merge ${name}`} onClick={onRename}>
          Rename or merge
        </Button>
        <Button aria-label={`${retired ? 'Restore' : 'Retire'} ${name}`} disabled={busy} onClick={retire}>
          {retired ? 'Restore' : 'Retire'}
        </Button>
      </div>
    </li>
  )
}
