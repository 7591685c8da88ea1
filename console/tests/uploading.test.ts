import { describe, expect, it } from 'vitest'
import { chosenFiles, fingerprint, haveAnnotations, plannedOf, remember, remembered, sumsOf, sumsText } from '../src/dataset/uploading'

const file = (name: string, size = 3) => ({ file: new File(['x'.repeat(size)], name, { lastModified: 7 }), name })

describe('chosen files', () => {
  it('are annotations first, without what a system leaves in folders', () => {
    const names = chosenFiles([file('b.jpg'), file('a.PNG'), file('x/labels.json'), file('x/.DS_Store'), file('Thumbs.db')]).map(({ name }) => name)
    expect(names).toEqual(['x/labels.json', 'a.PNG', 'b.jpg'])
  })
  it('get the label of their folder, or of all, and annotations none', () => {
    const by = (name: string, labelling: Parameters<typeof plannedOf>[3]) => {
      const { name: key, label } = plannedOf(name, 1, '', labelling, false)
      return [key, label]
    }
    expect(by('photos/cat/1.jpg', { by: 'folder' })).toEqual(['photos/1.jpg', 'cat'])
    expect(by('1.jpg', { by: 'folder' })).toEqual(['1.jpg', ''])
    expect(by('photos/cat/1.jpg', { by: 'one', label: 'dog' })).toEqual(['photos/cat/1.jpg', 'dog'])
    expect(by('photos/cat/1.jpg', { by: 'none' })).toEqual(['photos/cat/1.jpg', ''])
    expect(by('photos/labels.json', { by: 'folder' })).toEqual(['photos/labels.json', ''])
  })
  it('say whether annotation files may name them', () => {
    expect(haveAnnotations(chosenFiles([file('a.jpg'), file('notes.pdf')]))).toBe(false)
    expect(haveAnnotations(chosenFiles([file('a.jpg'), file('a.XML')]))).toBe(true)
  })
})

describe('progress', () => {
  it('counts what is over, whatever came of it', () => {
    const files = chosenFiles([file('a.jpg', 10), file('b.jpg', 20), file('c.jpg', 30), file('d.jpg', 40)])
    Object.assign(files[0] ?? {}, { state: 'sent' })
    Object.assign(files[1] ?? {}, { state: 'known' })
    Object.assign(files[2] ?? {}, { state: 'sending', sent: 15 })
    Object.assign(files[3] ?? {}, { state: 'failed' })
    const sums = sumsOf(files)
    expect([sums.bytes, sums.sentBytes, sums.left]).toEqual([100, 45, 1])
    expect(sumsText(sums)).toBe('1 of 4 files uploaded, 1 already in the dataset, 1 failed.')
  })
})

describe('after a reload', () => {
  it('an upload in parts is known by its file, and nothing else is kept', () => {
    const kept = new Map<string, string>()
    const storage = {
      getItem: (name: string) => kept.get(name) ?? null,
      setItem: (name: string, value: string) => void kept.set(name, value),
      removeItem: (name: string) => void kept.delete(name),
    }
    expect(remembered(storage)).toEqual({ begun: {}, left: 0 })
    const name = fingerprint('a.jpg', file('a.jpg').file)
    expect(name).toBe('a.jpg|3|7')
    remember({ begun: { [name]: { key: 'incoming/a.jpg', uploadId: 'u' } }, left: 2 }, storage)
    expect(remembered(storage).begun[name]?.uploadId).toBe('u')
    remember({ begun: {}, left: 0 }, storage)
    expect(kept.size).toBe(0)
    kept.set('labelloop.upload', '{broken')
    expect(remembered(storage).left).toBe(0)
  })
})
