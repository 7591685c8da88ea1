import { describe, expect, it } from 'vitest'
import type { Drift } from '../src/api'
import { driftText, isCompared } from '../src/production/words'

const drift: Drift = {
  looked_at: '2026-11-29T01:41:24Z',
  problem: '',
  since: null,
  test_images: 28,
  arrived: { today: 0, '7 days': 0, '28 days': 58 },
  findings: [],
  false_alarm_rate: 0.05,
  least_difference: 0.52,
}

describe('what arrives', () => {
  it('is as the test images once some of it was compared with them', () => {
    expect(isCompared(drift)).toBe(true)
    expect(driftText(drift)).toMatch(/^By 58 images .* what arrives is as the test images are/)
  })

  it('is not said to be as the test images where none was counted', () => {
    const others: Partial<Drift>[] = [{ arrived: { today: 0, '28 days': 0 } }, { arrived: {} }, { looked_at: null }]
    for (const other of others) {
      const none = { ...drift, ...other }
      expect(isCompared(none)).toBe(false)
      expect(driftText(none)).toMatch(/^Nothing was compared yet/)
    }
  })

  it('is not compared where there is a problem', () => {
    const stuck = { ...drift, problem: 'there is no evaluation' }
    expect(isCompared(stuck)).toBe(false)
    expect(driftText(stuck)).toBe('Nothing can be compared: there is no evaluation.')
  })
})
