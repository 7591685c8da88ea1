import { describe, expect, it } from 'vitest'
import './browser'
import type { ImageLine } from '../src/api'
import { inParts, labelsOf, outcomeText } from '../src/dataset/changes'
import { addressOf, captionOf, filtersOf, isFiltered, noFilters, queryOf } from '../src/dataset/filters'
import { gridOf, isNearEnd, noRows, oneRowMore, placeAfter, rowAt, rowsInPage, shownOf, type Rows } from '../src/dataset/grid'
import { goesOn, noneLoaded, selectedAfter, withPage } from '../src/dataset/wall'

const line = (n: number, labels: string[] = []): ImageLine => ({
  image: `${n}`.padStart(64, '0'),
  name: `${n}.jpg`,
  thumbnail: '',
  width: 100,
  height: 80,
  status: 'labelled',
  kind: 'detection',
  labels,
  boxes: [],
  set_by: 'person',
  changed_at: '2026-01-01T00:00:00.000000Z',
})
const lines = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => line(from + i))
const page = (images: ImageLine[], cursor: string | null, read = images.length) => ({ images, cursor, read, searched: null, by_content: false })

describe('filters', () => {
  it('are the address, and back', () => {
    const filters = { ...noFilters, label: 'a & b', text: 'Größe 1', dataset: 'TEST' }
    expect(filtersOf(addressOf(filters).replace('/dataset', ''))).toEqual(filters)
    expect(addressOf(noFilters)).toBe('/dataset')
    expect([isFiltered(noFilters), isFiltered(filters)]).toEqual([false, true])
  })
  it('ask the API for the end of a day, and for no day that is none', () => {
    const query = queryOf({ ...noFilters, day: '2026-01-31', label: 'cat' }, 'c')
    expect(query.get('before')).toMatch(/^2026-0(1-31|2-01)T\d\d:\d\d:\d\d\.000000Z$/)
    expect([query.get('day'), query.get('label'), query.get('cursor')]).toEqual([null, 'cat', 'c'])
    expect(queryOf({ ...noFilters, day: '2026-02-' }).has('before')).toBe(false)
  })
  it('caption an image by what it has', () => {
    expect(captionOf({ status: 'labelled', labels: ['cat', 'dog'] })).toBe('cat, dog')
    expect(captionOf({ status: 'labelled', labels: [] })).toBe('No objects')
    expect(captionOf({ status: 'excluded', labels: ['cat'] })).toBe('Excluded: cat')
  })
})

describe('the grid', () => {
  it('has two columns on the narrowest screen and fills a wide one', () => {
    expect(gridOf(200).columns).toBe(2)
    expect(gridOf(358).columns).toBe(2)
    expect(gridOf(1148).columns).toBe(6)
  })
  /** The rows in the page once all around the view have come. */
  function filled(count: number, top: number, before = noRows): Rows {
    const grid = gridOf(1148)
    let rows = rowsInPage(grid, count, top, 800, before)
    for (let more = oneRowMore(grid, count, top, 800, rows); more; more = oneRowMore(grid, count, top, 800, rows)) rows = more
    return rows
  }
  it('holds a few rows of 250,000 images, wherever it is scrolled to', () => {
    const grid = gridOf(1148)
    for (const top of [-200, 0, 1_000_000, 8_000_000, 99_000_000]) {
      const { from, to, above, below } = shownOf(grid, 250_000, filled(250_000, top))
      expect(to - from).toBeLessThanOrEqual(14 * grid.columns)
      expect(to).toBeGreaterThan(from)
      const rows = Math.ceil((to - from) / grid.columns)
      expect(above + rows * grid.rowHeight + below).toBe(Math.ceil(250_000 / grid.columns) * grid.rowHeight)
    }
    expect(shownOf(grid, 0, filled(0, 0))).toEqual({ from: 0, to: 0, above: 0, below: 0 })
  })
  it('is the same while a row is scrolled past, and holds what is in view', () => {
    const grid = gridOf(1148)
    const rowOf = (pixels: number) => rowAt(grid, 5 * grid.rowHeight + pixels)
    expect([0, 1, grid.rowHeight - 1].map(rowOf)).toEqual(Array(3).fill(5 * grid.rowHeight))
    // The last row that is partly in view just before the next one is at the edge.
    expect(rowsInPage(grid, 250_000, rowOf(grid.rowHeight - 1), 800, noRows).behind).toBeGreaterThanOrEqual((6 * grid.rowHeight + 800) / grid.rowHeight)
  })
  it('has the next screen in the page before it is scrolled to, and what is in view at once', () => {
    const { rowHeight } = gridOf(1148)
    const before = filled(250_000, 20 * rowHeight)
    const top = rowAt(gridOf(1148), 20 * rowHeight + 800)
    const after = rowsInPage(gridOf(1148), 250_000, top, 800, before)
    expect(before.behind).toBeGreaterThanOrEqual((20 * rowHeight + 2 * 800) / rowHeight)
    expect(after.first).toBeLessThanOrEqual(top / rowHeight)
    expect(after.behind - before.behind).toBeLessThanOrEqual(1)
    expect(rowsInPage(gridOf(1148), 250_000, 900 * rowHeight, 800, before)).toEqual({ first: 900, behind: 905 })
    expect(rowsInPage(gridOf(1148), 12, 900 * rowHeight, 800, before)).toEqual({ first: 1, behind: 2 })
  })
  it('asks for more before its end is seen', () => {
    const grid = gridOf(1148)
    expect(isNearEnd(grid, 100, 0, 800)).toBe(false)
    expect(isNearEnd(grid, 100, 17 * grid.rowHeight - 1600, 800)).toBe(true)
  })
  it('is gone through by arrows', () => {
    expect(['ArrowLeft', 'ArrowRight', 'ArrowUp', 'ArrowDown', 'Home', 'End', 'x'].map((key) => placeAfter(key, 7, 6, 10))).toEqual([6, 8, 1, null, 0, 9, null])
  })
})

describe('the wall', () => {
  it('has an image once that has moved up meanwhile', () => {
    const first = withPage(noneLoaded, page(lines(0, 3), 'a'))
    const both = withPage(first, page(lines(2, 5), null))
    expect(both.images.map(({ name }) => name)).toEqual(['0.jpg', '1.jpg', '2.jpg', '3.jpg', '4.jpg'])
    expect([both.cursor, both.read]).toEqual([null, 6])
  })
  it('pauses a search that finds little, and no other', () => {
    const little = withPage(noneLoaded, page(lines(0, 1), 'a', 10_000))
    expect([goesOn(little, 10_000), goesOn(little, 20_000)]).toEqual([false, true])
    expect(goesOn(withPage(noneLoaded, page(lines(0, 900), 'a', 12_000)), 10_000)).toBe(true)
    expect(goesOn(withPage(noneLoaded, page([], null, 5)), 10_000)).toBe(false)
  })
  it('selects a range with Shift, and takes one back', () => {
    const images = lines(0, 6)
    const [, first, , , clicked] = images.map(({ image }) => image)
    const one = selectedAfter(new Map(), images, 1, '')
    const range = selectedAfter(one, images, 4, first ?? '')
    expect([...range.values()].map(({ name }) => name)).toEqual(['1.jpg', '2.jpg', '3.jpg', '4.jpg'])
    expect(selectedAfter(range, images, 2, '').size).toBe(3)
    expect(selectedAfter(range, images, 9, clicked ?? '')).toBe(range)
    // Clicked under another filter, whose images are not on the wall any more.
    expect([...selectedAfter(new Map(), images, 3, line(99).image).values()].map(({ name }) => name)).toEqual(['3.jpg'])
  })
})

describe('changes of several', () => {
  it('go a hundred at a time, and say what became of them', async () => {
    const sizes: number[] = []
    const outcome = await inParts(lines(0, 250), async (part) => {
      sizes.push(part.length)
      return { images: part.slice(1), problems: [{ image: part[0]?.image ?? '', message: 'ann changed it' }] }
    })
    expect(sizes).toEqual([100, 100, 50])
    expect(outcomeText(outcome, 'excluded')).toBe('247 images excluded; 3 images not: ann changed it.')
  })
  it('that end in an error say what is changed already', async () => {
    const outcome = await inParts(lines(0, 250), (part) =>
      part[0]?.name === '200.jpg' ? Promise.reject(new Error('no connection')) : Promise.resolve({ images: part, problems: [] }),
    )
    expect([outcome.images.length, outcome.error]).toEqual([200, new Error('no connection')])
  })
  it('offer the labels that most images have first', () => {
    expect(labelsOf([line(1, ['a', 'b']), line(2, ['b'])])).toEqual(['b', 'a'])
  })
})
