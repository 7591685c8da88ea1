/** What the costs page shows of a statement. */
import type { CostAccount, Costs } from '../api'
import { usd } from '../ui'

export type Grouping = Costs['by']
/** Columns that the chart has room for. */
const SHOWN = 31

export interface NamedParts {
  name: string
  parts: [number, number]
}

/** The accounts as the chart draws them: the latest, oldest first; a day without costs has a column, too. */
export function chartOf(accounts: CostAccount[], by: Grouping): NamedParts[] {
  if (by === 'version') return accounts.slice(0, SHOWN).map(partsOf)
  const known = new Map(accounts.map((account) => [account.name, account]))
  const latest = accounts[0]?.name
  const names: string[] = []
  for (let name = latest; name && names.length < SHOWN; name = before(name)) {
    names.push(name)
    if (name === accounts.at(-1)?.name) break
  }
  return names.reverse().map((name) => {
    const account = known.get(name)
    return account ? partsOf(account) : { name, parts: [0, 0] }
  })
}

function partsOf(account: CostAccount): NamedParts {
  return { name: account.name.split('-').length > 2 ? account.name : short(account.name), parts: [account.training_usd, account.units_usd + account.answers_usd] }
}

/** A version's number alone. */
const short = (name: string): string => (name.startsWith('v') ? (name.split('-')[0] ?? name) : name)

/** The day or the month before. */
function before(name: string): string {
  if (name.length > 7) {
    const day = new Date(`${name}T00:00:00Z`)
    day.setUTCDate(day.getUTCDate() - 1)
    return day.toISOString().slice(0, 10)
  }
  const month = new Date(`${name}-01T00:00:00Z`)
  month.setUTCMonth(month.getUTCMonth() - 1)
  return month.toISOString().slice(0, 7)
}

/** What the month has cost, beside its budget. */
export function monthText({ month }: Costs): string {
  const spent = `${month.month} (UTC): ${usd(month.usd)}`
  if (month.budget_usd === null) return `${spent}. There is no budget.`
  const share = `${spent} of a budget of ${usd(month.budget_usd)}, ${Math.round(month.percent)} %.`
  return month.percent >= 100 ? `${share} It is used up: nothing is started any more.` : share
}

/** What the engine serverless costs; null where there is none. */
export function serverlessText({ serverless }: Costs): string | null {
  if (!serverless) return null
  const estimate = serverless.is_estimate ? ', a price of another Region' : ''
  const hour = usd(serverless.training_per_hour)
  return `Engine serverless: ${hour} for an hour of training${estimate}, about ${usd(serverless.per_1000_answers)} for 1,000 answers, nothing at rest.`
}

/** What runs and goes on to cost. */
export function runningText({ running, usd_per_hour }: Costs): string {
  if (running.length === 0) return 'No model version runs.'
  const names = running.map(({ version, units }) => `${version} with ${units} inference ${units === 1 ? 'unit' : 'units'}`)
  return `${names.join(', ')}: ${usd(usd_per_hour)} an hour until ${running.length === 1 ? 'it is' : 'they are'} stopped.`
}
