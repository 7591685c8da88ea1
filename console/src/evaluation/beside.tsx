/** Two versions side by side: on which test images one is better or worse than the other. */
import { getComparison, getVersions, type ChangedImage, type VersionComparison } from '../api'
import { useLoaded, usePages, WhenLoaded } from '../runs/loaded'
import { Button, Choices, EmptyState, Field, number } from '../ui'
import { newestFirst, shortName } from '../versions/compare'
import { Drawn, Legend } from './drawn'
import { judgedText, stateTexts } from './picture'
import type { Shown } from './state'

interface BesideProps {
  version: string
  shown: Shown
  onShow: (change: Partial<Shown>) => void
}

export function Beside({ version, shown, onShow }: BesideProps) {
  const versions = useLoaded(getVersions, 'versions')
  return (
    <WhenLoaded of={versions} label="Loading the model versions">
      {(known) => {
        const others = newestFirst(known.versions).filter(({ name, f1 }) => name !== version && f1 !== null)
        const other = shown.other || (others.find(({ champion }) => champion) ?? others[0])?.name
        if (!other) return <EmptyState title="Nothing to compare with">No other version has been evaluated.</EmptyState>
        return (
          <div class="stack">
            <Field label="Compare with">
              <select value={other} onChange={(event) => onShow({ other: event.currentTarget.value })}>
                {[...new Set([other, ...others.map(({ name }) => name)])].map((name) => (
                  <option key={name} value={name}>
                    {name}
                    {known.versions.some((each) => each.name === name && each.champion) ? ' (champion)' : ''}
                  </option>
                ))}
              </select>
            </Field>
            <Compared key={`${other} ${shown.change}`} version={version} other={other} shown={shown} onShow={onShow} />
          </div>
        )
      }}
    </WhenLoaded>
  )
}

function Compared({ version, other, shown, onShow }: BesideProps & { other: string }) {
  const query = (offset: number) => new URLSearchParams({ other, change: shown.change, offset: String(offset) })
  const first = useLoaded(() => getComparison(version, query(0)), `${version} ${other} ${shown.change}`)
  return (
    <WhenLoaded of={first} label="Comparing the versions">
      {(compared) => (
        <>
          <Summary compared={compared} />
          {compared.images > 0 && (
            <>
              <Choices
                label="Which images"
                choices={[
                  ['worse', `Worse (${compared.worse})`],
                  ['better', `Better (${compared.better})`],
                ]}
                chosen={shown.change}
                onChoose={(change) => onShow({ change })}
              />
              <Changes first={compared} more={(offset) => getComparison(version, query(offset))} />
            </>
          )}
        </>
      )}
    </WhenLoaded>
  )
}

function Summary({ compared }: { compared: VersionComparison }) {
  const [mine, theirs] = [shortName(compared.version), shortName(compared.other)]
  if (compared.images === 0)
    return (
      <EmptyState title="Nothing to compare">
        No test image is in both evaluations with the same labels, so the two cannot be compared image by image.
      </EmptyState>
    )
  return (
    <p>
      On the {number(compared.images)} test images of both, F1 is <strong>{number(compared.f1, 3)}</strong> for {mine} and{' '}
      <strong>{number(compared.other_f1, 3)}</strong> for {theirs}.{' '}
      {compared.relabelled > 0 &&
        `${number(compared.relabelled)} more were labelled otherwise in between, and are not compared. `}
      Whether that is more than chance, the gates say.
    </p>
  )
}

function Changes({ first, more }: { first: VersionComparison; more: (offset: number) => Promise<VersionComparison> }) {
  const { pages, busy, loadMore } = usePages(first, more)
  const changes = pages.flatMap((page) => page.changes)
  if (changes.length === 0) return <p class="muted">None.</p>
  return (
    <>
      <Legend of={changes.flatMap(({ judged, other_judged }) => [...judged, ...other_judged])} />
      <ul class="eval-pairs">
        {changes.map((change) => (
          <li key={change.image.image} class="card">
            <Pair change={change} version={first.version} other={first.other} />
          </li>
        ))}
      </ul>
      {loadMore && (
        <Button disabled={busy} onClick={loadMore}>
          Show more
        </Button>
      )}
    </>
  )
}

function Pair({ change, version, other }: { change: ChangedImage; version: string; other: string }) {
  const sides = [
    { name: version, mistakes: change.mistakes, judged: change.judged },
    { name: other, mistakes: change.other_mistakes, judged: change.other_judged },
  ]
  return (
    <>
      <div class="eval-pair">
        {sides.map(({ name, mistakes, judged }) => {
          const words = judged.filter(({ judgement }) => judgement !== 'right').map(judgedText)
          return (
            <figure key={name}>
              <Drawn image={change.image} judged={judged} alt={`As ${shortName(name)} saw it: ${words.join('; ') || 'all right'}`} />
              <figcaption>
                <strong>{shortName(name)}</strong>, {mistakes === 1 ? '1 mistake' : `${mistakes} mistakes`}
                {words.length > 0 && (
                  <ul>
                    {words.map((text, i) => (
                      <li key={i}>{text}</li>
                    ))}
                  </ul>
                )}
              </figcaption>
            </figure>
          )
        })}
      </div>
      {change.image.state && <p class="muted">{stateTexts[change.image.state]}</p>}
    </>
  )
}
