import { expect, test } from 'vitest'
import type { CostAccount, Costs } from '../src/api'
import { columnsOf, tickText, topOf } from '../src/charts/geometry'
import { chartOf, monthText, runningText, serverlessText } from '../src/costs/sums'

const account = (name: string, training: number, units: number): CostAccount => ({
  name,
  training_hours: training,
  training_usd: training,
  unit_hours: units / 4,
  units_usd: units,
  answers: 0,
  answers_usd: 0,
  usd: training + units,
})
const costs = (rest: Partial<Costs>): Costs => ({
  by: 'day',
  accounts: [],
  usd: 0,
  month: { month: '2026-11', usd: 12.5, budget_usd: null, percent: 0 },
  running: [],
  usd_per_hour: 0,
  prices: { region: 'us-east-1', training_per_hour: 1, inference_per_unit_hour: 4, serverless_training_per_hour: 0, is_estimate: false },
  serverless: null,
  as_of: '',
  ...rest,
})

test('days without costs have a column, over the end of a month and of a year', () => {
  const drawn = chartOf([account('2027-01-02', 1, 2), account('2026-12-30', 0, 4)], 'day')
  expect(drawn).toEqual([
    { name: '2026-12-30', parts: [0, 4] },
    { name: '2026-12-31', parts: [0, 0] },
    { name: '2027-01-01', parts: [0, 0] },
    { name: '2027-01-02', parts: [1, 2] },
  ])
})

test('answers are drawn with what runs', () => {
  expect(chartOf([{ ...account('2026-12-30', 1, 4), answers: 1000, answers_usd: 2 }], 'day')[0]?.parts).toEqual([1, 6])
})

test('the prices of the engine serverless are said where there is one', () => {
  expect(serverlessText(costs({}))).toBeNull()
  const serverless = { training_per_hour: 0.257, is_estimate: true, per_1000_answers: 0.01 }
  expect(serverlessText(costs({ serverless }))).toBe(
    'Engine serverless: 0.26 USD for an hour of training, a price of another Region, about 0.01 USD for 1,000 answers, nothing at rest.',
  )
})

test('months without costs have a column', () => {
  const drawn = chartOf([account('2027-01', 1, 2), account('2026-11', 0, 4)], 'month')
  expect(drawn.map(({ name }) => name)).toEqual(['2026-11', '2026-12', '2027-01'])
})

test('of many days the latest are drawn', () => {
  const drawn = chartOf([account('2026-11-28', 1, 2), account('2025-01-01', 0, 4)], 'day')
  expect(drawn).toHaveLength(31)
  expect(drawn.at(-1)?.name).toBe('2026-11-28')
})

test('versions are drawn as they are listed, by their numbers', () => {
  const drawn = chartOf([account('v7-0123456789ab', 1, 20), account('v6-0123456789ab', 1, 2)], 'version')
  expect(drawn.map(({ name }) => name)).toEqual(['v7', 'v6'])
})

test('nothing is drawn of nothing', () => {
  expect(chartOf([], 'day')).toEqual([])
  expect(columnsOf([], 1, { left: 0, top: 0, width: 100, height: 100 })).toEqual([])
})

test.each([
  [[], 1],
  [[0, 0], 1],
  [[0.03], 0.05],
  [[1], 1],
  [[1.01], 2],
  [[96], 100],
  [[120, 3], 200],
])('the axis for %j ends at %d', (amounts, top) => {
  expect(topOf(amounts)).toBeCloseTo(top, 9)
})

test.each([
  [0.02, ['0', '0.01', '0.02']],
  [0.05, ['0', '0.025', '0.05']],
  [0.5, ['0', '0.25', '0.5']],
  [1, ['0', '0.5', '1']],
  [5, ['0', '2.5', '5']],
  [20, ['0', '10', '20']],
  [500, ['0', '250', '500']],
])('the axis to %d says what stands at its lines', (top, texts) => {
  expect([0, top / 2, top].map((tick) => tickText(tick, top))).toEqual(texts)
})

test('columns stand on the axis, one part upon the other', () => {
  const [column] = columnsOf([[25, 50]], 100, { left: 10, top: 20, width: 100, height: 200 })
  expect(column?.lower).toEqual({ y: 170, height: 50 })
  expect(column?.upper).toEqual({ y: 70, height: 100 })
})

test('the month is said beside its budget', () => {
  expect(monthText(costs({}))).toBe('2026-11 (UTC): 12.50 USD. There is no budget.')
  const month = { month: '2026-11', usd: 12.5, budget_usd: 10, percent: 125 }
  expect(monthText(costs({ month }))).toContain('125 %. It is used up: nothing is started any more.')
})

test('what runs is said with what it costs', () => {
  expect(runningText(costs({}))).toBe('No model version runs.')
  const running = [{ version: 'v7', units: 2, usd_per_hour: 8, since: '' }]
  expect(runningText(costs({ running, usd_per_hour: 8 }))).toBe(
    'v7 with 2 inference units: 8.00 USD an hour until it is stopped.',
  )
})
