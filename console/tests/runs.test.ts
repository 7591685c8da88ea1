import { describe, expect, it } from 'vitest'
import type { RunStep } from '../src/api'
import {
  estimateText,
  gateTitle,
  isRunning,
  leftText,
  newestFirst,
  outcomeOf,
  progressText,
  runSeconds,
  secondsToNextLook,
  statusOf,
  starterText,
  trainingText,
} from '../src/runs/wording'
import { ago, asSentence, capital, duration, percent, textParts } from '../src/ui/format'

const step = (name: string, state: RunStep['state']): RunStep => ({ name, state, entered_at: null, seconds: null })

describe('a run in words', () => {
  it('says where it is, and how it ended', () => {
    const steps = [step('take the lease', 'done'), step('train the model', 'running'), step('report', 'waiting')]
    const running = { steps, outcome: 'running' as const, reason: null, ended_at: null, approval: null }
    const now = Date.parse('2026-01-01T12:00:00Z')
    expect(progressText(running, now)).toBe('Step 2 of 3: train the model.')
    const approval = { decision: null, by: '', why: '', at: null, asked_at: '2026-01-01T00:00:00Z', deadline: '2026-01-02T00:00:00Z' }
    expect(progressText({ ...running, approval }, now)).toMatch(/waits for approval\.$/)
    expect(progressText({ ...running, approval }, Date.parse(approval.deadline))).toMatch(/the time to approve it is over\.$/)
    const ended = steps.map(({ name }) => step(name, 'done'))
    const rejected = { ...running, steps: ended, outcome: 'rejected' as const, ended_at: '2026-01-01T00:00:00Z' }
    expect(progressText(rejected, now)).toBe('Ended: Not promoted.')
    expect(progressText({ ...rejected, reason: 'declined by Ann: misses nuts' }, now)).toBe('Ended: Declined.')
  })
  it.each([
    ['declined by Ann: misses nuts', 'a person declined it'],
    ['declined as nobody had decided in time (approval_at_deadline)', 'nobody approved it before the deadline'],
    ['declined by labelloop: approved by Ann, but v8 has become the champion since', 'another version has become the champion'],
  ])('passed its gates where it was %s', (reason, meaning) => {
    const version = statusOf({ status: 'rejected', champion: false, reason }, 0)
    for (const declined of [outcomeOf('rejected', reason), version]) {
      expect([declined.text, declined.meaning.includes(meaning)]).toEqual(['Declined', true])
      expect(declined.meaning).not.toContain('not pass')
    }
    expect(statusOf({ status: 'rejected', champion: false, reason: 'F1 is 0.2 lower' }, 0).text).toBe('Rejected')
  })
  it('is looked at ever more seldom', () => {
    const start = Date.parse('2026-01-01T00:00:00Z')
    const looks = [0, 60, 120, 600, 1800, 72 * 3600].map((seconds) =>
      secondsToNextLook({ started_at: '2026-01-01T00:00:00Z', ended_at: null }, start + seconds * 1000),
    )
    expect(looks).toEqual([2, 2, 2, 10, 30, 30])
    expect(secondsToNextLook({ started_at: 'soon', ended_at: null }, start)).toBe(2)
  })
  it('shows an outcome that it does not know as it came', () => {
    expect(outcomeOf('postponed')).toEqual({ text: 'postponed', tone: 'neutral', meaning: '' })
    expect(outcomeOf('').text).toBe('Unknown')
  })
  it('says who started it, or what did', () => {
    expect(starterText({ trigger: 'manual', started_by: 'rosa' })).toBe('rosa')
    expect(starterText({ trigger: 'manual', started_by: null })).toBe('By hand')
    expect(starterText({ trigger: 'images', started_by: null })).toBe('Enough new or changed images')
    expect(starterText({ trigger: 'unknown', started_by: null })).toBe('Not on record')
  })
  it('was cancelled rather than failed where an administrator ended it', () => {
    expect(outcomeOf('failed', 'cancelled by rosa').text).toBe('Cancelled')
    expect(outcomeOf('failed', 'training failed').text).toBe('Failed')
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

describe('a training', () => {
  const training = {
    message: '',
    elapsed_seconds: 150,
    basis: 'earlier_runs' as const,
    fraction: 0.25,
    seconds_left: 450,
    estimated_seconds: 600,
    earlier_runs: 3,
  }
  it('says how far it is, how long it may still take, and that this is an estimate', () => {
    expect(leftText(training)).toBe('25 %, about 7 min 30 s left; 2 min 30 s so far')
    expect(estimateText(training)).toBe(
      'An estimate: the trainings of the last 3 runs that trained took 10 min 0 s. The engine does not say how far it is.',
    )
  })
  it('promises nothing once it takes longer than those before', () => {
    expect(leftText({ ...training, fraction: 0.99, seconds_left: null })).toBe('2 min 30 s so far, longer than usual')
  })
  it('has no share and no estimate where nobody knows', () => {
    const first = { ...training, basis: 'none' as const, fraction: null, seconds_left: null }
    expect(leftText(first)).toBe('2 min 30 s so far')
    expect(estimateText(first)).toContain('no estimate yet')
  })
  it('began some time ago, and is only under way while its version is', () => {
    expect([trainingText('training'), trainingText('champion')]).toEqual(['Training since', 'Training began'])
  })
})

it('names the gates, and those that it does not know by their names', () => {
  expect(gateTitle('evaluation')).toBe('Evaluation gate: F1 on the test images')
  expect(gateTitle('x')).toBe('Gate x')
})

it('does not say past its deadline that a version waits for approval', () => {
  const approval = { decision: null, by: '', why: '', at: null, asked_at: '2026-01-01T00:00:00Z', deadline: '2026-01-02T00:00:00Z' }
  const version = { status: 'pending', champion: false, approval }
  expect(statusOf(version, Date.parse('2026-01-01T23:59:59Z')).text).toBe('Waits for approval')
  expect(statusOf(version, Date.parse('2026-01-02T00:00:00Z')).text).toBe('Time to approve is over')
})

it('makes sentences of what the API says, but for names', () => {
  expect(asSentence('no version has an evaluation yet: it comes')).toBe('No version has an evaluation yet: it comes.')
  expect(asSentence('v7 was deleted.')).toBe('v7 was deleted.')
})

it('says of the champion that it is, whatever its status, and writes a new status as it came', () => {
  expect(statusOf({ status: 'retired', champion: true }, 0).text).toBe('Champion')
  expect(statusOf({ status: 'RETIRED', champion: false }, 0).text).toBe('Retired')
  expect(statusOf({ status: 'being_copied', champion: false }, 0).text).toBe('Being copied')
  expect(capital('evaluation gate')).toBe('Evaluation gate')
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

describe('times', () => {
  const now = Date.parse('2026-01-02T12:00:00Z')
  it.each([
    ['2026-01-02T11:59:30Z', 'just now'],
    ['2026-01-02T12:00:30Z', 'just now'],
    ['2026-01-02T09:00:00Z', '3 h ago'],
    ['2026-01-02T12:05:00Z', 'in 5 min'],
    ['2026-01-05T12:00:00Z', 'in 3 d'],
  ])('%s is %s', (time, text) => {
    expect(ago(time, now)).toBe(text)
  })
})

describe('texts of the API', () => {
  it('have commands between backticks', () => {
    const parts = textParts('`labelloop approve v2` or wait: a ` alone stays')
    expect(parts).toEqual([
      { text: 'labelloop approve v2', isCode: true },
      { text: ' or wait: a ` alone stays', isCode: false },
    ])
    expect(textParts('')).toEqual([])
  })
})
