/** The filters of the wall. */
import { useEffect, useState } from 'preact/hooks'
import * as desk from '../desk/state'
import { go } from '../router'
import { Button, Field } from '../ui'
import { addressOf, datasetTexts, isFiltered, noFilters, setByTexts, sizeTexts, statusTexts, type Filters } from './filters'

const TYPING_MS = 400

export function FilterBar({ filters }: { filters: Filters }) {
  const [text, setText] = useState(filters.text)
  const set = (change: Partial<Filters>) => go(addressOf({ ...filters, text: text.trim(), ...change }), true)
  useEffect(() => setText(filters.text), [filters.text])
  useEffect(() => {
    if (text.trim() === filters.text) return
    const timer = setTimeout(() => set({}), TYPING_MS)
    return () => clearTimeout(timer)
  }, [text])
  const labels = desk.labels.value.map(({ label }) => label)
  if (filters.label && !labels.includes(filters.label)) labels.push(filters.label)
  const rest = [filters.set_by, filters.size, filters.day].filter(Boolean).length
  return (
    <form
      class="filters"
      role="search"
      aria-label="Images"
      onSubmit={(event) => {
        event.preventDefault()
        set({})
      }}
    >
      <Field label="Key or SHA-256">
        <input type="search" value={text} maxLength={300} onInput={(event) => setText(event.currentTarget.value)} />
      </Field>
      <Field label="Label">
        <select value={filters.label} onChange={(event) => set({ label: event.currentTarget.value })}>
          <option value="">All labels</option>
          {labels.map((label) => (
            <option key={label}>{label}</option>
          ))}
        </select>
      </Field>
      <Choice label="Status" all="All" texts={statusTexts} value={filters.status} onChange={(status) => set({ status })} />
      <Choice label="Dataset" all="Both" texts={datasetTexts} value={filters.dataset} onChange={(dataset) => set({ dataset })} />
      <details class="filters-more" open={rest > 0}>
        <summary>{rest > 0 ? `More filters (${rest})` : 'More filters'}</summary>
        <div class="filters">
          <Choice label="Labels from" all="Anywhere" texts={setByTexts} value={filters.set_by} onChange={(set_by) => set({ set_by })} />
          <Choice label="Size" all="Any size" texts={sizeTexts} value={filters.size} onChange={(size) => set({ size })} />
          <Field label="Changed up to">
            <input type="date" value={filters.day} onChange={(event) => set({ day: event.currentTarget.value })} />
          </Field>
        </div>
      </details>
      {(filters.near || isFiltered(filters)) && (
        <p class="row filters-active">
          {filters.near && <span>{`Near-duplicates of ${filters.near.slice(0, 12)}`}</span>}
          <Button kind="quiet" onClick={() => go(addressOf(noFilters), true)}>
            Clear filters
          </Button>
        </p>
      )}
    </form>
  )
}

interface ChoiceProps {
  label: string
  all: string
  texts: Record<string, string>
  value: string
  onChange: (value: string) => void
}
function Choice({ label, all, texts, value, onChange }: ChoiceProps) {
  return (
    <Field label={label}>
      <select value={value} onChange={(event) => onChange(event.currentTarget.value)}>
        <option value="">{all}</option>
        {Object.entries(texts).map(([name, text]) => (
          <option key={name} value={name}>
            {text}
          </option>
        ))}
      </select>
    </Field>
  )
}
