import { describe, expect, test, vi } from 'vitest'
import { ApiError, OfflineError, type LabelIssue } from '../src/api'
import { afterError, backTo, drawnOf, passed, passedBy, putBack, questionOf, stillAnswered, withPage, type Progress } from '../src/labelissues/questions'
import { inTurn, sendInTurn } from '../src/labelissues/turns'

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
  test('does not say that nothing is labelled where a second object of the label is seen', () => {
    const box = { left: 10, top: 10, width: 100, height: 100 }
    const seen = { label: 'dog', confidence: 38, box: { ...box, left: 60 } }
    const text = (label: string, left: number) =>
      questionOf(issue({ issue_type: 'missing', before: null, after: seen, others: [{ label, box: { ...box, left } }] }), 'v7').text
    expect(text('dog', 10)).toBe('One dog is labelled about there. v7 sees dog at 38 %, as another.')
    expect(text('cat', 10)).toMatch(/^Nothing is labelled there/)
    expect(text('dog', 300)).toMatch(/^Nothing is labelled there/)
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
  const begun: Progress = { issues: [issue({}), issue({ id: 'b' })], at: 0, answered: [], next: 'b' }
  test('an answer can be taken back, past what was skipped', () => {
    const skipped = passed(passed(begun, true), false)
    expect(skipped).toMatchObject({ at: 2, answered: ['a'] })
    expect(backTo(skipped)).toMatchObject({ at: 0, answered: [], next: 'b' })
  })
  test('ends after the last one', () => {
    expect(passed({ ...begun, at: 2 }, false).at).toBe(2)
    expect(backTo(begun)).toBeNull()
  })
  test('the next page follows, without what is there already', () => {
    const page = { version: 'v7', issues: [issue({ id: 'b' }), issue({ id: 'c' })], total: 3, answered: 1, kept: 0, training_images: 0, test_images: 9, next: 'c' }
    const loaded = withPage(passed(begun, true), page)
    expect(loaded.issues.map(({ id }) => id)).toEqual(['a', 'b', 'c'])
    expect(loaded).toMatchObject({ at: 1, answered: ['a'], next: 'c' })
    expect(withPage(loaded, { ...page, next: null }).next).toBeNull()
  })
  const three: Progress = { ...begun, issues: ['a', 'b', 'c'].map((id) => issue({ id })) }
  const ids = ({ issues }: Progress) => issues.map(({ id }) => id).join('')
  test('an answer that was not kept is asked for after the one that is shown', () => {
    const second = putBack(passed(three, true), 'a')
    expect(second).toMatchObject({ at: 0, answered: [] })
    expect(ids(second)).toBe('bac')
    const third = putBack(passed(passed(three, true), true), 'a')
    expect(third).toMatchObject({ at: 1, answered: ['b'] })
    expect(ids(third)).toBe('bca')
  })
  test('the last answer that was not kept is asked for at once', () => {
    const end = passed(passed(passed(three, true), true), true)
    expect(putBack(end, 'b')).toMatchObject({ at: 2, answered: ['a', 'c'] })
    expect(ids(putBack(end, 'b'))).toBe('acb')
  })
  test('an answer that could not be taken back can be once more, also if it was given again', () => {
    const back = backTo(passed(three, true)) ?? begun
    expect(stillAnswered(back, 'a')).toMatchObject({ at: 0, answered: ['a'] })
    expect(stillAnswered(passed(back, true), 'a')).toMatchObject({ at: 1, answered: ['a'] })
  })
  test('one that is at hand again stays there', () => {
    const back = backTo(passed(three, true)) ?? begun
    expect(putBack(back, 'a')).toEqual(back)
  })
  test('one that nobody can answer any more is passed by, and is not what is taken back next', () => {
    expect(passedBy(passed(passed(three, true), true), 'b')).toMatchObject({ at: 2, answered: ['a'] })
  })
  test('what has become of an answer is told by its error', () => {
    const status = (code: number) => afterError(new ApiError(code, 'x', 'x'))
    expect([401, 403, 422, 429].map(status)).toEqual(['open', 'open', 'open', 'open'])
    expect([404, 409].map(status)).toEqual(['closed', 'closed'])
    expect([500, 503].map(status)).toEqual(['unknown', 'unknown'])
    expect(afterError(new OfflineError())).toBe('unknown')
    expect(afterError(new Error('signed out before it was sent'))).toBe('open')
  })
  test('answers are sent in their order, each after the one before it has ended', async () => {
    const listeners = { addEventListener: vi.fn(), removeEventListener: vi.fn() }
    vi.stubGlobal('window', listeners)
    const done: string[] = []
    const fails = sendInTurn(async () => {
      await new Promise((end) => setTimeout(end))
      done.push('first')
      throw new Error('not kept')
    })
    const second = sendInTurn(async () => {
      done.push('second')
      expect(listeners.removeEventListener).not.toHaveBeenCalled()
    })
    await expect(fails).rejects.toThrow('not kept')
    await second
    await inTurn(async () => void done.push('third'))
    expect(done).toEqual(['first', 'second', 'third'])
    expect([listeners.addEventListener, listeners.removeEventListener].map(({ mock }) => mock.calls.length)).toEqual([1, 1])
    vi.unstubAllGlobals()
  })
})
