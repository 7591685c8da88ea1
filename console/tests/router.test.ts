import { expect, it, vi } from 'vitest'

vi.stubGlobal('location', { pathname: '/', search: '' })
vi.stubGlobal('window', new EventTarget())
const { match } = await import('../src/router')

it.each([
  ['/runs', '/runs', {}],
  ['/runs', '/runs/', {}],
  ['/runs/:id', '/runs/run%201', { id: 'run 1' }],
  ['/runs/:id', '/runs', null],
  ['/runs/:id', '/runs/%E0%A4%A', null],
  ['/runs', '/%E0%A4%A', null],
  ['/runs', '/versions', null],
])('%s matches %s as %j', (pattern, path, params) => {
  expect(match(pattern, path)).toEqual(params)
})
