import { describe, expect, test } from 'vitest'
import type { Suspect } from '../src/api'
import { backTo, drawnOf, passed, questionOf, type Progress } from '../src/wronglabels/checks'

const suspect = (rest: Partial<Suspect>): Suspect => ({
  id: 'a',
  accusation: 'wrong_label',
  suspicion: 0.9,
  image: { image: 'f', url: '', width: 10, height: 10, state: '' },
  before: { label: 'cat', box: null },
  after: { label: 'dog', confidence: 93.6, box: null },
  others: [],
  ...rest,
})

describe('a question', () => {
  test('says what is on record, what speaks against it, and what each answer does', () => {
    expect(questionOf(suspect({}), 'v7')).toEqual({ text: 'Labelled cat. v7 sees dog at 94 %.', accept: 'It is dog', reject: 'cat is right' })
    expect(questionOf(suspect({ accusation: 'missing', before: null }), 'v7').accept).toBe('Add dog')
    expect(questionOf(suspect({ accusation: 'nothing_there', after: null }), 'v7').text).toBe('Labelled cat. v7 sees nothing there.')
    expect(questionOf(suspect({ accusation: 'loose' }), 'v7').reject).toBe('The box is right')
  })
  test('is drawn with the other labels of the image', () => {
    const others = [{ label: 'cow', box: null }]
    expect(drawnOf(suspect({ others })).map(({ truth, detection }) => [truth?.label, detection?.label])).toEqual([
      ['cat', 'dog'],
      ['cow', undefined],
    ])
  })
})

describe('going through them', () => {
  const begun: Progress = { suspects: [suspect({}), suspect({ id: 'b' })], at: 0, answered: [] }
  test('an answer can be taken back, past what was skipped', () => {
    const skipped = passed(passed(begun, true), false)
    expect(skipped).toMatchObject({ at: 2, answered: [0] })
    expect(backTo(skipped)).toMatchObject({ at: 0, answered: [] })
  })
  test('ends after the last one', () => {
    expect(passed({ ...begun, at: 2 }, false).at).toBe(2)
    expect(backTo(begun)).toBeNull()
  })
})
