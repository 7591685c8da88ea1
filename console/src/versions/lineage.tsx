/** Where a version comes from: its snapshot, whose labels those are, its run, its settings, its cost. */
import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import { getLineage, type Lineage } from '../api'
import { Link } from '../router'
import { useLoaded, WhenLoaded } from '../runs/loaded'
import { number, usd } from '../ui'
import { imagesText, originsText, peopleText } from './origins'

/** Loaded once it is opened. */
export function LineageSection({ name }: { name: string }) {
  const [isOpen, setOpen] = useState(false)
  return (
    <details class="versions-lineage" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        Where it comes from<span class="visually-hidden">: {name}</span>
      </summary>
      {isOpen && <Facts name={name} />}
    </details>
  )
}

function Facts({ name }: { name: string }) {
  const loaded = useLoaded(() => getLineage(name), name)
  return (
    <WhenLoaded of={loaded} label="Loading where it comes from">
      {(lineage) => <List lineage={lineage} />}
    </WhenLoaded>
  )
}

function List({ lineage }: { lineage: Lineage }) {
  const { snapshot, run, started_by, usd: cost, labelled_by, settings, unread } = lineage
  const names = Object.keys(settings)
  return (
    <dl class="versions-facts">
      <Fact name="Snapshot">{snapshot ?? 'Not on record: it was not trained here.'}</Fact>
      <Fact name="Images">{unread.includes('snapshot') ? unreadText : imagesText(lineage)}</Fact>
      <Fact name="Labels from">{unread.includes('snapshot') ? unreadText : originsText(lineage)}</Fact>
      {lineage.people > 0 && (
        <Fact name="Labelled by">
          {labelled_by ? labelled_by.map(({ name, images }) => `${name} ${number(images)}`).join(', ') : peopleText(lineage)}
        </Fact>
      )}
      {run && (
        <Fact name="Run">
          <Link href={`/runs/${encodeURIComponent(run)}`}>{run}</Link>
          {started_by && `, started by ${started_by}`}
        </Fact>
      )}
      <Fact name="Cost">{unread.includes('costs') ? unreadText : cost === null ? 'Nothing is booked.' : `${usd(cost)}, its training and what it ran`}</Fact>
      <Fact name="Settings">
        {names.length === 0 ? 'The defaults, or not on record.' : names.map((one) => <code key={one}>{`${one} = ${settings[one]}`}</code>)}
      </Fact>
    </dl>
  )
}

const unreadText = 'Could not be read just now.'

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  )
}
