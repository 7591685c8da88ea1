import { expect, it } from 'vitest'
import type { Label } from '../src/api'
import { renameAll, renameText } from '../src/admin/renaming'

const label = { label: 'tom' } as Label

it('takes part after part, with what the one before gave', async () => {
  const cursors: string[] = []
  const seen: [number, number][] = []
  const parts = ['a', 'b', null]
  const take = (cursor: string) => {
    cursors.push(cursor)
    return Promise.resolve({ label, searched: 10, relabelled: 2, cursor: parts.shift() ?? null })
  }
  expect(await renameAll(take, ({ searched, relabelled }) => seen.push([searched, relabelled]))).toBe(label)
  expect(cursors).toEqual(['', 'a', 'b'])
  expect(seen).toEqual([[10, 2], [20, 4], [30, 6]])
})

it('says what a name does before it is confirmed', () => {
  const labels = [{ label: 'cat', retired: false }, { label: 'dog', retired: false }, { label: 'fox', retired: true }]
  expect([renameText('cat', '', labels), renameText('cat', 'cat', labels)]).toEqual(['', ''])
  expect(renameText('cat', 'tom', labels)).toContain('is called tom from now on')
  expect(renameText('cat', 'dog', labels)).toContain('dog exists: the two become one')
  expect(renameText('cat', 'fox', labels)).toContain('retired, and is restored')
})
