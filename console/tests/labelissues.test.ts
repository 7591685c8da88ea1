import { describe, expect, test } from 'vitest'
import type { LabelIssue } from '../src/api'
import { backTo, drawnOf, nextOffset, passed, questionOf, withPage, type Progress } from '../src/labelissues/questions'

const issue = (rest: Partial<LabelIssue>): LabelIssue => ({
  id: 'a',
  issue_type: 'wrong_label',
  mistakenness: 0.9,
  dataset: 'TEST',
  seen_by: 'version',
  image: { image: 'f', url: '', width: 10, height: 10, state: '' },
  before: { label: 'cat', box: null },
  after: { label: 'dog', confidence: 93.6, box: null },
  others: [],
  twin: null,
  kept: null,
  ...rest,
})

describe('a question', () => {
  test('says what is on record, what speaks against it, and what each answer does', () => {
    expect(questionOf(issue({}), 'v7')).toEqual({ text: 'Labelled cat. v7 sees dog at 94 %.', accept: 'It is dog', reject: 'cat is right' })
    expect(questionOf(issue({ issue_type: 'missing', before: null }), 'v7').accept).toBe('Add dog')
    expect(questionOf(issue({ issue_type: 'spurious', after: null }), 'v7').text).toBe('Labelled cat. v7 sees nothing there.')
    expect(questionOf(issue({ issue_type: 'loose' }), 'v7').reject).toBe('The box is right')
    expect(questionOf(issue({ dataset: 'TRAIN' }), 'v7').text).toBe('Labelled cat. A model that has not learned from this image sees dog at 94 %.')
    expect(questionOf(issue({ seen_by: 'near_duplicate' }), 'v7').text).toBe('Labelled cat. An image that looks much like it is labelled dog.')
  })
  test('is drawn with the other labels of the image', () => {
    const others = [{ label: 'cow', box: null }]
    expect(drawnOf(issue({ others })).map(({ truth, detection }) => [truth?.label, detection?.label])).toEqual([
      ['cat', 'dog'],
      ['cow', undefined],
    ])
  })
})

describe('going through them', () => {
  const begun: Progress = { issues: [issue({}), issue({ id: 'b' })], at: 0, answered: [], next: 2 }
  test('an answer can be taken back, past what was skipped', () => {
    const skipped = passed(passed(begun, true), false)
    expect(skipped).toMatchObject({ at: 2, answered: [0] })
    expect(backTo(skipped)).toMatchObject({ at: 0, answered: [], next: 2 })
  })
  test('ends after the last one', () => {
    expect(passed({ ...begun, at: 2 }, false).at).toBe(2)
    expect(backTo(begun)).toBeNull()
  })
  test('the next page is asked for by what is still open, however many were answered before', () => {
    const page = { version: 'v7', issues: [issue({ id: 'b' }), issue({ id: 'c' })], total: 3, answered: 1, kept: 0, training_images: 0, test_images: 9, next: 2 }
    const loaded = withPage(passed(begun, true), page, 1)
    expect(loaded.issues.map(({ id }) => id)).toEqual(['a', 'b', 'c'])
    expect(nextOffset(loaded)).toBe(2)
    expect(nextOffset(passed(passed(loaded, true), true))).toBe(0)
    expect(nextOffset(withPage(loaded, { ...page, next: null }, 1))).toBeNull()
  })
})
