import { render } from 'preact'
import { App } from './app'
import { startAuth } from './auth'
import { path } from './router'
import { Button, EmptyState } from './ui'
import './styles/tokens.css'
import './styles/base.css'
import './styles/ui.css'

const root = document.getElementById('app')
if (!root) throw new Error('index.html has no element #app')
void startAuth().then(
  () => {
    // Completing the sign-in has changed the address.
    path.value = location.pathname
    render(<App />, root)
  },
  (error: unknown) => {
    const reload = <Button onClick={() => location.reload()}>Reload</Button>
    render(
      <EmptyState alone title="The console could not start" action={reload}>
        {error instanceof Error ? error.message : String(error)}
      </EmptyState>,
      root,
    )
  },
)
