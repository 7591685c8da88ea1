import { beforeEach, expect, it, vi } from 'vitest'
import { Tabs } from '../src/desk/tabs'
import { FakeLocks } from './browser'

beforeEach(() => vi.stubGlobal('navigator', { locks: new FakeLocks() }))

it('tells every tab which tasks all of them have, of one person alone', async () => {
  const [mine, other, somebody] = [new Tabs('me'), new Tabs('me'), new Tabs('you')]
  mine.keep(['a', 'b'])
  other.keep(['c'])
  somebody.keep(['d'])
  await vi.waitFor(async () => expect((await mine.tasks()).sort()).toEqual(['a', 'b', 'c']))
  expect(await somebody.tasks()).toEqual(['d'])
})
it('lets go of what a tab has no more, and of nothing else', async () => {
  const tabs = new Tabs('me')
  tabs.keep(['a', 'b'])
  tabs.keep(['b', 'c'])
  await vi.waitFor(async () => expect((await tabs.tasks()).sort()).toEqual(['b', 'c']))
  tabs.keep([])
  await vi.waitFor(async () => expect(await tabs.tasks()).toEqual([]))
})
it('lets one tab claim at a time', async () => {
  const order: string[] = []
  const act = (name: string) => async () => {
    order.push(`${name} begins`)
    await Promise.resolve()
    order.push(`${name} ends`)
  }
  await Promise.all([new Tabs('me').alone(act('one')), new Tabs('me').alone(act('other'))])
  expect(order).toEqual(['one begins', 'one ends', 'other begins', 'other ends'])
})
