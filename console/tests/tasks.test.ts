import { describe, expect, it } from 'vitest'
import { firstPages } from '../src/admin/taskpages'
import { comparedText, countText, emptyText, filters, meaningOf, outcomeOf, restText, distinctName, draftSource, gainText, orderText } from '../src/admin/wording'
import { reasonText } from '../src/desk/wording'
import type { AdminTask, AdminTasks, Reviewer } from '../src/api'
import { number } from '../src/ui/format'

const counts = { open: 5, claimed: 3, done: 0, given_back: 0, deleted: 0 }
const task = (id: string, answers = 0) => ({ id, answers }) as AdminTask
const page = (ids: string[], cursor: string | null): AdminTasks => ({ tasks: ids.map((id) => task(id)), counts, cursor })

describe('pages', () => {
  const stored: Record<string, AdminTasks> = { '': page(['a', 'b'], 'x'), x: page(['b', 'c'], 'y'), y: page(['d'], null) }
  async function load(wanted: number) {
    const asked: string[] = []
    const listed = await firstPages(wanted, (cursor) => {
      asked.push(cursor)
      return Promise.resolve(stored[cursor] ?? page([], null))
    })
    return { asked, listed }
  }
  it('are asked for as far as they are wanted', async () => {
    const { asked, listed } = await load(1)
    expect([asked, listed.pages, listed.cursor]).toEqual([[''], 1, 'x'])
  })
  it('list a task once that moved to the next page meanwhile', async () => {
    const { listed } = await load(2)
    expect(listed.tasks.map(({ id }) => id)).toEqual(['a', 'b', 'c'])
  })
  it('end where there are no more', async () => {
    const { asked, listed } = await load(9)
    expect([asked, listed.pages, listed.cursor]).toEqual([['', 'x', 'y'], 3, null])
  })
  it('show a task as it was loaded last', async () => {
    const answers = [{ ...page([], 'x'), tasks: [task('a', 0)] }, { ...page([], null), tasks: [task('a', 1)] }]
    const listed = await firstPages(2, () => Promise.resolve(answers.shift() ?? page([], null)))
    expect(listed.tasks).toEqual([task('a', 1)])
  })
})

describe('words', () => {
  it.each([
    [{ state: 'open', outcome: '', answers: 0, wanted: 1 }, '0 of 1 answer', 'info'],
    [{ state: 'open', outcome: '', answers: 1, wanted: 3 }, '1 of 3 answers', 'info'],
    [{ state: 'done', outcome: 'nothing', answers: 1, wanted: 1 }, 'No objects', 'good'],
    [{ state: 'given_back', outcome: '', answers: 0, wanted: 1 }, 'Given back', 'warn'],
    [{ state: 'deleted', outcome: '', answers: 0, wanted: 1 }, 'Deleted', 'neutral'],
  ] as const)('of %j', (given, text, tone) => {
    expect(outcomeOf(given)).toEqual({ text, tone })
  })
  it('say that a count ends where the API ends it', () => {
    expect(countText(9)).toBe('9')
    expect(countText(10_000)).toBe(`${number(10_000)} or more`)
  })
  it('tell of claimed tasks that are not listed, and of no others', () => {
    expect(restText('claimed', 2, counts)).toMatch(/^1 more is claimed/)
    expect(restText('claimed', 1, counts)).toMatch(/^2 more are claimed/)
    expect(restText('claimed', 3, counts)).toBe('')
    expect(restText('open', 1, counts)).toBe('')
  })
  it('exist for each state, and differ', () => {
    const texts = filters.map(([filter]) => `${meaningOf(filter)} ${emptyText(filter).join(' ')}`)
    expect(new Set(texts).size).toBe(5)
  })
  it('show a reason that they do not know as it came', () => {
    expect(reasonText('low_confidence')).toBe('Low confidence')
    expect(reasonText('weather')).toBe('weather')
  })
  it('tell two people of one name apart', () => {
    const all = ['Ben', 'Ben', 'Rosa'].map((name, i) => ({ reviewer: `${i}e5c0a1f-4d`, name }) as Reviewer)
    expect(all.map((reviewer) => distinctName(reviewer, all))).toEqual(['Ben (0e5c0a1f)', 'Ben (1e5c0a1f)', 'Rosa'])
  })
  it('say on what an agreement is measured', () => {
    expect(comparedText(0)).toMatch(/^no image/)
    expect(comparedText(1)).toMatch(/one image/)
    expect(comparedText(61)).toMatch(/61 images/)
  })
})

it('it is said what drafts are learned from, or why there are none', () => {
  expect(draftSource({ trunk: null, images: 0 })).toContain('once the first images are labelled')
  expect(draftSource({ trunk: false, images: 0 })).toContain('without the weights')
  expect(draftSource({ trunk: true, images: 12 })).toBe('Labels are drafted from 12 labelled images.')
})

it('the order is said with its random share', () => {
  expect(orderText({ order_by: 'embeddings', random_share: 0.2 })).toBe(
    'Those images come first whose labels tell most; 20 % of the images come at random.',
  )
  expect(orderText({ order_by: 'chance', random_share: 0.2 })).toBe('Images come in any order.')
  expect(orderText({ order_by: '', random_share: 0.2 })).toBe('')
})

it('that more labels will not help is said with its figures', () => {
  const gain = { labels: 157, before: 0.949, after: 0.952, low: -0.008, high: 0.014 }
  expect(gainText({ gain, margin: 0.02, will_not_help: true })).toBe(
    'More of these labels will not help: F1 is 0.952 with 157 labels and 0.949 with half of them; 95 % of resamples put the difference between -0.008 and 0.014, less than the 0.02 that is worth having.',
  )
  expect(gainText({ gain: { ...gain, high: 0.05 }, margin: 0.02, will_not_help: false })).toMatch(/^More labels may help/)
})
