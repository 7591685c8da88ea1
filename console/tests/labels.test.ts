import { describe, expect, it } from 'vitest'
import * as check from '../src/admin/labelcheck'
import type { Label } from '../src/api'
import { RESERVED_KEYS } from '../src/desk/keys'

const image = (n: number) => `${n}`.padStart(64, '0')
const label = (name: string, rest: Partial<Label> = {}): Label => ({
  label: name,
  colour: '#00629b',
  key: '',
  instruction: '',
  examples: [],
  retired: false,
  renamed_to: '',
  ...rest,
})
const cone = label('cone', { key: 'c', examples: [{ image: image(1), url: '/1' }] })
const labels = [cone, label('crate', { key: '1' }), label('old', { key: 'o', retired: true })]
const fields: check.LabelFields = { label: 'sack', colour: '#1b7f3b', key: '', instruction: '', examples: '' }
const problems = (change: Partial<check.LabelFields>, before: Label | null = null) =>
  check.problemsOf({ ...fields, ...change }, labels, before)

describe('a label that can be kept', () => {
  it.each([
    [{}],
    [{ key: 'X' }],
    [{ key: '9', instruction: 'Every sack.', examples: `${image(1)}\n ${image(2)}` }],
    [{ label: 'n'.repeat(255), instruction: 'i'.repeat(300) }],
  ])('%j', (change) => {
    expect(problems(change)).toEqual({})
  })
  it('is itself no duplicate while it is edited', () => {
    expect(problems(check.fieldsOf(cone), cone)).toEqual({})
    expect(problems(check.fieldsOf(cone), { ...cone, instruction: 'As it was before it was saved.' })).toEqual({})
  })
})

describe('what is rejected', () => {
  it.each([
    [{ label: '  ' }, 'label', /name/],
    [{ label: ' cone ' }, 'label', /edit it/],
    [{ label: 'old' }, 'label', /restore it/],
    [{ label: 'a\nb' }, 'label', /line breaks/],
    [{ label: 'n'.repeat(256) }, 'label', /255/],
    [{ colour: 'red' }, 'colour', /#rrggbb/],
    [{ key: 'xy' }, 'key', /only one character/],
    [{ key: '/' }, 'key', /letter from A to Z or a digit/],
    [{ key: 'C' }, 'key', /key of cone/],
    [{ key: 'o' }, 'key', /key of old/],
    [{ instruction: 'i'.repeat(301) }, 'instruction', /300/],
    [{ instruction: 'one\u2028two' }, 'instruction', /only one line/],
    [{ examples: 'abc' }, 'examples', /abc is not an image ID/],
    [{ examples: `${image(1)} ${image(1)}` }, 'examples', /once/],
    [{ examples: [1, 2, 3, 4, 5, 6, 7].map(image).join('\n') }, 'examples', /6/],
  ])('%j', (change, member, problem) => {
    const rejected = problems(change)
    expect(Object.keys(rejected)).toEqual([member])
    expect(rejected[member as keyof check.LabelFields]).toMatch(problem)
  })
  it.each(RESERVED_KEYS)('the desk\u2019s own key %s', (key) => {
    expect(problems({ key }).key).toMatch(/shortcut of the review desk/)
  })
  it('another label\u2019s key while one is edited', () => {
    expect(problems({ key: '1' }, cone).key).toMatch(/key of crate/)
  })
})

it('sends the members that the API knows, as it writes them', () => {
  const typed = { label: 'x', colour: '#AABBCC', key: ' Q ', instruction: ' Every. ', examples: ` ${image(1)}\n\n${image(2)} ` }
  expect(check.changeOf(typed)).toEqual({ colour: '#aabbcc', key: 'q', instruction: 'Every.', examples: [image(1), image(2)] })
})

it('sends what was changed alone, so that what others changed meanwhile stays', () => {
  const typed = check.fieldsOf(cone)
  expect(check.changedOf(typed, cone)).toEqual({})
  expect(check.changedOf({ ...typed, instruction: ' Every cone. ' }, cone)).toEqual({ instruction: 'Every cone.' })
  expect(check.changedOf({ ...typed, examples: '' }, cone)).toEqual({ examples: [] })
  expect(check.changedOf(typed, null)).toEqual(check.changeOf(typed))
})

it('finds the images that the catalogue does not have', () => {
  expect(check.missingExamples([image(1), image(2)], cone)).toEqual([image(2)])
})

it('proposes a colour that no label has, else the one that the fewest have', () => {
  expect(check.freeColour([])).toBe('#b3261e')
  expect(check.freeColour([{ colour: '#b3261e' }])).toBe('#00629b')
  const all = new Set<string>()
  while (all.size < 10) all.add(check.freeColour([...all].map((colour) => ({ colour }))))
  const once = [...all].map((colour) => ({ colour }))
  expect(check.freeColour([...once, { colour: '#b3261e' }])).toBe('#00629b')
})

describe('the list after a change', () => {
  const names = (all: Label[]) => all.map((kept) => kept.label)
  it('has what was kept in its place, and a new one after the others that are offered', () => {
    const kept = { ...cone, instruction: 'Every cone.' }
    expect(check.withLabel(labels, kept)[0]).toBe(kept)
    expect(names(check.withLabel(labels, label('sack')))).toEqual(['cone', 'crate', 'sack', 'old'])
  })
  it('has retired ones last', () => {
    expect(names(check.withLabel(labels, { ...cone, retired: true }))).toEqual(['crate', 'cone', 'old'])
  })
})
