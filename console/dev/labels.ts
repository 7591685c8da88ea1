/** The labels of the mock, which its administration changes. */
export const colours: Record<string, string> = { crate: '#b3541e', cone: '#1f6fb2', barrel: '#3f7d20', pallet: '#8a3fa0' }

interface MockLabel {
  label: string
  colour: string
  key: string
  instruction: string
  examples: { image: string; url: string }[]
  retired: boolean
  renamed_to: string
}
const image = (n: number) => ({ image: `${n}`.padStart(64, '0'), url: `/mock/pictures/${n}` })

const first = (): [string, MockLabel][] =>
  Object.entries(colours).map(([label, colour], i) => [
    label,
    {
      label,
      colour,
      key: i === 0 ? 'c' : '',
      instruction: i === 2 ? '' : `Every ${label} that is at least half visible. Draw tightly around it.`,
      examples: i === 2 ? [] : [image(i), image(i + 4)],
      retired: i === 3,
      renamed_to: '',
    },
  ])

let known = new Map(first())
export function forgetLabels(): void {
  known = new Map(first())
}

export const labels = () => [...known.values()].sort((a, b) => Number(a.retired) - Number(b.retired))

/** Defines a label; images whose number is above 999 are not in the mock's catalogue. */
export function putLabel(label: string, body: Record<string, unknown>): MockLabel {
  const before = known.get(label) ?? { label, colour: '#00629b', key: '', instruction: '', examples: [], retired: false, renamed_to: '' }
  const asked = body['examples'] as string[] | undefined
  const examples = asked?.map((id) => image(Number(id))).filter(({ url }) => /\/\d{1,3}$/.test(url))
  const kept: MockLabel = { ...before, ...body, examples: examples ?? before.examples }
  known.set(label, kept)
  return kept
}

/** Images that have a label: as many of the mock's pictures. */
export const labelImages = (label: string) => ({
  images: known.get(label)?.retired ? [] : Array.from({ length: 12 }, (_, n) => image(n)),
})

/** Renames in two parts, as for a label that is on many images. */
export function renameLabel(old: string, body: Record<string, unknown>) {
  const name = String(body['name'])
  const before = known.get(old)
  if (before && !body['cursor']) {
    known.set(name, known.get(name) ?? { ...before, label: name })
    known.set(old, { ...before, key: '', retired: true, renamed_to: name })
  }
  return { label: known.get(name), searched: 1000, relabelled: 87, cursor: body['cursor'] ? null : 'excluded' }
}
