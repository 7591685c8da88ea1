/** The review tasks by state: who has claimed them, how they ended, and actions on them. */
import type { ComponentChildren } from 'preact'
import { useRef, useState } from 'preact/hooks'
import { getAdminTasks, type AdminTask, type AdminTasks } from '../api'
import { useLoaded, WhenLoaded } from '../runs/loaded'
import '../runs/runs.css'
import { Badge, Button, Choices, duration, EmptyState, PageHeader, Table, timeOfDay, when, type Column } from '../ui'
import './admin.css'
import { DraftFigures } from './draftfigures'
import { AssignDialog, DeleteDialog, ReopenDialog, TaskDialog } from './taskdialogs'
import { firstPages, type Listed } from './taskpages'
import { reasonText } from '../desk/wording'
import { countText, emptyText, filters, meaningOf, outcomeOf, restText, shortId, type Filter } from './wording'

interface Opened {
  dialog: 'view' | 'assign' | 'delete' | 'reopen'
  task: AdminTask
}

export default function Tasks() {
  const [filter, setFilter] = useState<Filter>('open')
  const [opened, setOpened] = useState<Opened | null>(null)
  const wanted = useRef(1)
  const counts = useRef<AdminTasks['counts'] | null>(null)
  const loaded = useLoaded(
    () => firstPages(wanted.current, (cursor) => getAdminTasks(filter, cursor)),
    filter,
    ({ pages }) => (pages === 1 ? 30 : null),
  )
  if (loaded.value) counts.current = loaded.value.counts
  const close = () => setOpened(null)
  function choose(next: Filter) {
    wanted.current = 1
    setFilter(next)
  }
  function more() {
    wanted.current += 1
    loaded.reload()
  }
  return (
    <div class="page">
      <PageHeader
        title="Tasks"
        lead="A task asks reviewers to label one image. It ends when enough of them have answered."
        actions={<Button onClick={loaded.reload}>Refresh</Button>}
      />
      <Filters chosen={filter} counts={counts.current} onChoose={choose} />
      <p class="muted admin-meaning">{meaningOf(filter)}</p>
      <WhenLoaded of={loaded} label="Loading the tasks">
        {(listed) => (
          <TaskList
            filter={filter}
            listed={listed}
            waiting={listed.pages < wanted.current && loaded.error === ''}
            onMore={more}
            onOpen={setOpened}
          />
        )}
      </WhenLoaded>
      <DraftFigures />
      {opened?.dialog === 'view' && (
        <TaskDialog task={opened.task} onClose={close}>
          <Actions task={opened.task} onOpen={setOpened} />
        </TaskDialog>
      )}
      {opened?.dialog === 'assign' && <AssignDialog task={opened.task} onClose={close} onDone={loaded.reload} />}
      {opened?.dialog === 'reopen' && <ReopenDialog task={opened.task} onClose={close} onDone={loaded.reload} />}
      {opened?.dialog === 'delete' && <DeleteDialog task={opened.task} onClose={close} onDone={loaded.reload} />}
    </div>
  )
}

interface FiltersProps {
  chosen: Filter
  counts: AdminTasks['counts'] | null
  onChoose: (filter: Filter) => void
}
function Filters({ chosen, counts, onChoose }: FiltersProps) {
  const choices = filters.map(([filter, text]): [Filter, ComponentChildren] => [
    filter,
    <>
      {text} {counts && <span class="admin-count">{countText(counts[filter])}</span>}
    </>,
  ])
  return <Choices label="Filter by state" choices={choices} chosen={chosen} onChoose={onChoose} />
}

interface TaskListProps {
  filter: Filter
  listed: Listed
  /** Further pages are being loaded. */
  waiting: boolean
  onMore: () => void
  onOpen: (opened: Opened) => void
}
function TaskList({ filter, listed, waiting, onMore, onOpen }: TaskListProps) {
  const { tasks, counts, cursor } = listed
  if (tasks.length === 0) {
    const [title, text] = emptyText(filter)
    return <EmptyState title={title}>{text}</EmptyState>
  }
  const rest = restText(filter, tasks.length, counts)
  return (
    <div class="stack">
      <Table caption="Tasks" columns={columnsOf(onOpen)} rows={tasks} rowKey={({ id }) => id} />
      {rest && <p class="muted">{rest}</p>}
      {cursor && (
        <div class="row">
          <Button disabled={waiting} onClick={onMore}>
            {waiting ? 'Loading more' : 'Show more'}
          </Button>
          <span class="muted" role="status">
            {tasks.length} shown
          </span>
        </div>
      )}
    </div>
  )
}

function columnsOf(onOpen: (opened: Opened) => void): Column<AdminTask>[] {
  return [
    {
      title: 'Image',
      cell: (task) => (
        <button
          type="button"
          class="admin-id mono"
          title={task.image}
          aria-label={`View image ${shortId(task.image)}`}
          onClick={() => onOpen({ dialog: 'view', task })}
        >
          {shortId(task.image)}
        </button>
      ),
    },
    { title: 'Reason', cell: (task) => <Reason task={task} /> },
    {
      title: 'Age',
      cell: (task) => <span title={when(task.created_at)}>{duration(task.age_seconds)}</span>,
      figure: true,
    },
    { title: 'Claimed by', cell: (task) => <Claims task={task} /> },
    { title: 'Outcome', cell: (task) => <Outcome task={task} /> },
    { title: 'Actions', cell: (task) => <Actions task={task} onOpen={onOpen} /> },
  ]
}

function Reason({ task: { reason, why } }: { task: AdminTask }) {
  return (
    <div class="admin-why">
      <strong>{reasonText(reason)}</strong>
      <span class="muted">{why}</span>
    </div>
  )
}

function Claims({ task }: { task: AdminTask }) {
  if (task.claims.length === 0) return <span class="muted">{task.state === 'open' ? 'nobody' : '\u2013'}</span>
  return (
    <ul class="admin-claims">
      {task.claims.map(({ reviewer, name, until }) => (
        <li key={reviewer}>
          {name}{' '}
          <span class="muted" title={when(until)}>
            until {timeOfDay(until)}
          </span>
        </li>
      ))}
    </ul>
  )
}

function Outcome({ task }: { task: AdminTask }) {
  const { text, tone } = outcomeOf(task)
  return <Badge tone={tone}>{text}</Badge>
}

function Actions({ task, onOpen }: { task: AdminTask; onOpen: (opened: Opened) => void }) {
  const about = `the task of image ${shortId(task.image)}`
  if (task.state !== 'open') {
    return (
      <div class="admin-actions">
        <Button aria-label={`Reopen ${about}`} onClick={() => onOpen({ dialog: 'reopen', task })}>
          Reopen
        </Button>
      </div>
    )
  }
  return (
    <div class="admin-actions">
      <Button aria-label={`Reassign ${about}`} onClick={() => onOpen({ dialog: 'assign', task })}>
        Reassign
      </Button>
      <Button kind="danger" aria-label={`Delete ${about}`} onClick={() => onOpen({ dialog: 'delete', task })}>
        Delete
      </Button>
    </div>
  )
}
