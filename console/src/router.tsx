/** The router: paths without hashes; each page's code is loaded when it is first opened. */
import { signal } from '@preact/signals'
import type { ComponentChildren, ComponentType } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import { EmptyState, Spinner } from './ui'

export const path = signal(location.pathname)
/** The query string, with its question mark: where a page keeps what it shows, so that a link leads to just that. */
export const search = signal(location.search)

function follow(): void {
  path.value = location.pathname
  search.value = location.search
}

/** Opens a page of the console. */
export function go(to: string, replace = false): void {
  if (to === location.pathname + location.search) return
  if (replace) history.replaceState(null, '', to)
  else history.pushState(null, '', to)
  const stays = path.value === location.pathname
  follow()
  if (!stays) window.scrollTo(0, 0)
}

window.addEventListener('popstate', follow)

interface LinkProps {
  href: string
  class?: string
  children: ComponentChildren
}

/** A link that opens without reloading the page; opening it in a new tab works as usual. */
export function Link({ href, class: className, children }: LinkProps) {
  function open(event: MouseEvent) {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
    event.preventDefault()
    go(href)
  }
  const to = href.replace(/\?.*/, '')
  const active = (path.value === to && (to === href || path.value + search.value === href)) || path.value.startsWith(`${href}/`)
  return (
    <a href={href} class={className} onClick={open} aria-current={active ? 'page' : undefined}>
      {children}
    </a>
  )
}

export interface PageProps {
  /** The values of the route's `:name` parts. */
  params: Record<string, string>
}
export type Page = ComponentType<PageProps>
export interface Route {
  pattern: string
  title: string
  load: () => Promise<{ default: Page }>
  administrators?: boolean
}

/** A part of a path, decoded; null if it is not validly encoded. */
function decoded(part: string): string | null {
  try {
    return decodeURIComponent(part)
  } catch {
    return null
  }
}

/** The parts of `path` that `pattern` names, or null when it does not match. */
export function match(pattern: string, path: string): Record<string, string> | null {
  const wanted = pattern.split('/')
  const given = path.replace(/\/+$/, '').split('/')
  if (wanted.length !== given.length) return null
  const params: Record<string, string> = {}
  for (const [i, part] of wanted.entries()) {
    const value = decoded(given[i] ?? '')
    if (value === null) return null
    if (part.startsWith(':')) params[part.slice(1)] = value
    else if (part !== value) return null
  }
  return params
}

/** Loads a page's code and shows it. */
export function Lazy({ route, params }: { route: Route; params: Record<string, string> }) {
  const [page, setPage] = useState<{ route: Route; component: Page } | null>(null)
  const [failed, setFailed] = useState(false)
  useEffect(() => {
    document.title = `${route.title} - LabelLoop`
    setFailed(false)
    let current = true
    route.load().then(
      (module) => current && setPage({ route, component: module.default }),
      () => current && setFailed(true),
    )
    return () => {
      current = false
    }
  }, [route])
  if (failed) {
    return (
      <EmptyState alone title="This page could not be loaded">
        The console may have been updated in the meantime. <a href={location.pathname}>Reload</a>.
      </EmptyState>
    )
  }
  if (page?.route !== route) return <Spinner label="Loading" />
  const Component = page.component
  return <Component key={path.value} params={params} />
}
