import { render } from 'preact'
import { App } from './app'
import { startAuth } from './auth'
import { path } from './router'
import './styles/tokens.css'
import './styles/base.css'
import './styles/ui.css'

const root = document.getElementById('app')
if (!root) throw new Error('index.html has no element #app')
void startAuth().then(
  () => {
    // Coming back from signing in has changed the address.
    path.value = location.pathname
    render(<App />, root)
  },
  (error: unknown) => render(<p role="alert">{error instanceof Error ? error.message : String(error)}</p>, root),
)
