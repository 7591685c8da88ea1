import { expect, it } from 'vitest'

const sources = import.meta.glob<string>('../src/**/*.{ts,tsx}', { query: '?raw', import: 'default', eager: true })
const IMPORT = /(?:from|import)\s*\(?\s*'(\.[^']+)'/g

/** The module that `path`, written in the module `from`, stands for; undefined for a style sheet. */
function moduleOf(path: string, from: string): string | undefined {
  const { pathname } = new URL(path, `file:///console/tests/${from}`)
  const name = `..${pathname.slice('/console'.length)}`
  return [`${name}.ts`, `${name}.tsx`, `${name}/index.ts`].find((file) => file in sources)
}

/** What each module imports, types and pages that are loaded later included. */
const imports = new Map(
  Object.entries(sources).map(([name, text]) => [
    name,
    [...text.matchAll(IMPORT)].flatMap(([, path = '']) => moduleOf(path, name) ?? []),
  ]),
)

/** The first circle of imports that is reached from `path`, the modules imported one by the other. */
function circleFrom(path: string[], checked: Set<string>): string[] | null {
  const last = path.at(-1) ?? ''
  if (path.indexOf(last) < path.length - 1) return path
  if (checked.has(last)) return null
  for (const next of imports.get(last) ?? []) {
    const circle = circleFrom([...path, next], checked)
    if (circle) return circle
  }
  checked.add(last)
  return null
}

it('no module imports itself by way of others', () => {
  expect(imports.get('../src/app.tsx')).toContain('../src/desk/desk.tsx')
  expect(imports.get('../src/desk/desk.tsx')).toContain('../src/session.ts')
  const checked = new Set<string>()
  expect([...imports.keys()].map((name) => circleFrom([name], checked)).filter(Boolean)).toEqual([])
})
