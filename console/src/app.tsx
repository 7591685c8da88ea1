/** The frame of every page: navigation, who is signed in, and the page of the path. */
import type { ComponentChildren } from 'preact'
import { useEffect, useErrorBoundary, useState } from 'preact/hooks'
import { config, signIn, signInProblem, signOut, startSignIn } from './auth'
import { go, Lazy, Link, match, path, type Route } from './router'
import { isAdministrator, loadMe, me, meError } from './session'
import { Button, EmptyState, Prose, sentence, Spinner, ToastRegion } from './ui'

// One chunk for each page.
const routes: Route[] = [
  { pattern: '/home', title: 'Home', load: () => import('./home/home') },
  { pattern: '/production/:name', title: 'Production', load: () => import('./production/production') },
  { pattern: '/review', title: 'Review', load: () => import('./desk/desk') },
  { pattern: '/runs', title: 'Runs', load: () => import('./runs/runs') },
  { pattern: '/runs/:id', title: 'Run', load: () => import('./runs/run') },
  { pattern: '/versions', title: 'Model versions', load: () => import('./versions/versions') },
  { pattern: '/versions/:name', title: 'Evaluation', load: () => import('./evaluation/evaluation') },
  { pattern: '/label-issues', title: 'Wrong labels', load: () => import('./labelissues/labelissues') },
  { pattern: '/dataset', title: 'Dataset', load: () => import('./dataset/dataset') },
  { pattern: '/dataset/report', title: 'Dataset report', load: () => import('./dataset/report') },
  { pattern: '/dataset/upload', title: 'Upload images', load: () => import('./dataset/upload'), administrators: true },
  { pattern: '/dataset/:image', title: 'Image', load: () => import('./dataset/image') },
  { pattern: '/batches', title: 'Batches', load: () => import('./batches/batches') },
  { pattern: '/batches/:name', title: 'Batch', load: () => import('./batches/batch') },
  { pattern: '/costs', title: 'Costs', load: () => import('./costs/costs') },
  { pattern: '/try', title: 'Try it', load: () => import('./tryit/tryit') },
  { pattern: '/admin/tasks', title: 'Tasks', load: () => import('./admin/tasks'), administrators: true },
  { pattern: '/admin/reviewers', title: 'Reviewers', load: () => import('./admin/reviewers'), administrators: true },
  {
    pattern: '/admin/applications',
    title: 'Applications',
    load: () => import('./admin/applications'),
    administrators: true,
  },
  { pattern: '/admin/labels', title: 'Labels', load: () => import('./admin/labels'), administrators: true },
]

export function App() {
  useEffect(() => {
    // Where somebody begins depends on who it is.
    if (path.value === '/' && me.value) go(isAdministrator() ? '/home' : '/review', true)
  }, [path.value, me.value])
  useEffect(() => {
    if (signIn.value === 'in' && !me.value) loadMe()
  }, [signIn.value])
  if (signIn.value === 'out') return <SignedOutPage />
  return (
    <>
      <a class="skip-link" href="#main">
        Skip to content
      </a>
      <Header />
      {signIn.value === 'expired' && <ExpiredBanner />}
      <main id="main" tabIndex={-1}>
        <ErrorBoundary key={path.value}>
          <CurrentPage />
        </ErrorBoundary>
      </main>
      <ToastRegion />
    </>
  )
}

/** Shows the error where a page breaks; the navigation goes on working. */
function ErrorBoundary({ children }: { children: ComponentChildren }) {
  const [error] = useErrorBoundary((caught: unknown) => console.error(caught))
  if (!error) return <>{children}</>
  const reload = <Button onClick={() => location.reload()}>Reload</Button>
  return (
    <EmptyState alone title="Something went wrong on this page" action={reload}>
      This is an error of the console. What you drew on the review desk is kept. Error message:{' '}
      {sentence(error instanceof Error ? error.message : String(error))}
    </EmptyState>
  )
}

function CurrentPage() {
  if (meError.value && !me.value) {
    return (
      <EmptyState alone title="The service did not answer" action={<Button onClick={loadMe}>Try again</Button>}>
        <Prose of={meError.value} />
      </EmptyState>
    )
  }
  if (!me.value || path.value === '/') return <Spinner label="Loading" />
  for (const route of routes) {
    const params = match(route.pattern, path.value)
    if (!params) continue
    if (route.administrators && !isAdministrator()) {
      return <EmptyState alone title="Administrators only">Ask an administrator to add you to the group.</EmptyState>
    }
    return <Lazy route={route} params={params} />
  }
  return (
    <EmptyState alone title="Page not found">
      <Link href="/review">Go to the review desk</Link>
    </EmptyState>
  )
}

const places: [string, string][] = [
  ['/home', 'Home'],
  ['/review', 'Review'],
  ['/runs', 'Runs'],
  ['/versions', 'Model versions'],
  ['/dataset', 'Dataset'],
  ['/label-issues', 'Wrong labels'],
  ['/batches', 'Batches'],
  ['/costs', 'Costs'],
  ['/try', 'Try it'],
]
const administration: [string, string][] = [
  ['/admin/tasks', 'Tasks'],
  ['/admin/reviewers', 'Reviewers'],
  ['/admin/labels', 'Labels'],
  ['/admin/applications', 'Applications'],
]

function Header() {
  const all = isAdministrator() ? [...places, ...administration] : places
  // On a narrow screen the places are a menu.
  const [open, setOpen] = useState(false)
  useEffect(() => {
    if (!open) return
    setOpen(false)
    // The link that had the focus is hidden with the menu.
    document.getElementById('main')?.focus()
  }, [path.value])
  return (
    <header class="shell-header">
      <Link class="brand" href="/home">
        LabelLoop <small>{config().deployment}</small>
      </Link>
      <Button class="menu" aria-expanded={open} aria-controls="places" onClick={() => setOpen(!open)}>
        Menu
      </Button>
      <nav id="places" class={open ? 'places-open' : ''} aria-label="Main">
        <ul>
          {all.map(([href, text]) => (
            <li key={href}>
              <Link href={href}>{text}</Link>
            </li>
          ))}
        </ul>
      </nav>
      <span class="who">
        <span class="who-name">{me.value?.name}</span>
        <Button kind="quiet" onClick={() => void signOut()}>
          Sign out
        </Button>
      </span>
    </header>
  )
}

function ExpiredBanner() {
  return (
    <div class="banner" role="alert">
      <span>
        Your session has expired. What you drew on the review desk is kept in this browser and sent after you sign in
        again.
      </span>
      <Button kind="primary" onClick={() => void startSignIn()}>
        Sign in again
      </Button>
    </div>
  )
}

function SignedOutPage() {
  return (
    <main class="signed-out">
      <img src="/icon.svg" alt="" width="56" height="56" />
      <h1>LabelLoop</h1>
      <p>Review images, follow training runs, and try the model of {config().deployment}.</p>
      {signInProblem.value && (
        <p class="signed-out-problem" role="alert">
          Sign-in failed: {sentence(signInProblem.value)} Try again.
        </p>
      )}
      <Button kind="primary" onClick={() => void startSignIn()}>
        Sign in
      </Button>
    </main>
  )
}
