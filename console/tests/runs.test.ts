import { describe, expect, it } from 'vitest'
import type { RunStep } from '../src/api'
import { gateTitle, isRunning, newestFirst, outcomeOf, progressText, runSeconds, statusOf, stepTitle } from '../src/runs/wording'
import { duration, percent } from '../src/ui/format'

const step = (name: string, state: RunStep['state']): RunStep => ({ name, state, entered_at: null, seconds: null })

describe('a run in words', () => {
  it('says where it is, and how it ended', () => {
    const steps = [step('take the lease', 'done'), step('train the model', 'running'), step('report', 'waiting')]
    expect(progressText({ steps, outcome: 'running', ended_at: null })).toBe('Step 2 of 3: train the model.')
    const ended = steps.map(({ name }) => step(name, 'done'))
    expect(progressText({ steps: ended, outcome: 'rejected', ended_at: '2026-01-01T00:00:00Z' })).toBe('Ended: Not promoted.')
  })
  it('shows an outcome that it does not know as it came', () => {
    expect(outcomeOf('postponed')).toEqual({ text: 'postponed', tone: 'neutral', meaning: '' })
    expect(outcomeOf('').text).toBe('Unknown')
  })
  it('counts seconds to its end, or to now while it runs, and never below 0', () => {
    const started_at = '2026-01-01T00:00:00Z'
    const now = Date.parse(started_at) + 5000
    expect(runSeconds({ started_at, ended_at: '2026-01-01T00:01:00Z' }, now)).toBe(60)
    expect(runSeconds({ started_at, ended_at: null }, now)).toBe(5)
    expect(runSeconds({ started_at, ended_at: null }, now - 60_000)).toBe(0)
    expect(runSeconds({ started_at: '', ended_at: null }, now)).toBeNull()
  })
  it('runs until it has an end, whatever the outcome says', () => {
    expect(isRunning({ outcome: 'running', ended_at: null })).toBe(true)
    expect(isRunning({ outcome: 'running', ended_at: '2026-01-01T00:00:00Z' })).toBe(false)
    expect(isRunning({ outcome: 'failed', ended_at: null })).toBe(false)
  })
  it('stands above those that began before it, and leaves the list as it was', () => {
    const run = (started_at: string) => ({ started_at }) as Parameters<typeof newestFirst>[0][number]
    const runs = [run('2026-01-01'), run('2026-03-01'), run('2026-02-01')]
    expect(newestFirst(runs).map(({ started_at }) => started_at)).toEqual(['2026-03-01', '2026-02-01', '2026-01-01'])
    expect(runs[0]?.started_at).toBe('2026-01-01')
  })
})

it('names the gates, and those that it does not know by their names', () => {
  expect(gateTitle('evaluation')).toBe('Evaluation gate: F1 on the test images')
  expect(gateTitle('x')).toBe('Gate x')
})

it('says of the champion that it is, whatever its status, and writes a new status as it came', () => {
  expect(statusOf({ status: 'retired', champion: true }).text).toBe('Champion')
  expect(statusOf({ status: 'RETIRED', champion: false }).text).toBe('Retired')
  expect(statusOf({ status: 'being_copied', champion: false }).text).toBe('Being copied')
  expect(stepTitle('evaluation gate')).toBe('Evaluation gate')
})

describe('figures', () => {
  it.each([
    [null, '\u2013'],
    [9.96, '10 s'],
    [59.7, '1 min 0 s'],
    [119.7, '2 min 0 s'],
    [3599.8, '1 h 0 min'],
    [90_000, '1 d 1 h'],
  ])('%s seconds are %s', (seconds, text) => {
    expect(duration(seconds)).toBe(text)
  })
  it('a share that is not there is a dash, and none is 0', () => {
    expect([percent(null), percent(0), percent(0.934)]).toEqual(['\u2013', '0 %', '93 %'])
  })
})
