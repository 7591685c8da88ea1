import { describe, expect, it } from 'vitest'
import * as boxes from '../src/desk/boxes'

const image = { width: 200, height: 100 }
const box: boxes.DeskBox = { id: 'a', label: 'crate', left: 10, top: 20, width: 30, height: 40, confidence: 80 }
const place = ({ left, top, width, height }: boxes.DeskBox) => [left, top, width, height]

describe('fit', () => {
  it('rounds to whole pixels and stays inside the image', () => {
    expect(place(boxes.fit({ ...box, left: -3.4, top: 90.6, width: 20, height: 30 }, image))).toEqual([0, 91, 17, 9])
  })
  it('never makes a box without area, not even past the edge', () => {
    expect(place(boxes.fit({ ...box, left: 250, top: 100, width: 0, height: 0 }, image))).toEqual([199, 99, 1, 1])
  })
})

describe('boxBetween', () => {
  it('takes its corners in any order and cuts at the edge', () => {
    const made = boxes.boxBetween({ x: 150, y: 80 }, { x: 260, y: 30 }, 'cone', image, 2)
    expect(made && place(made)).toEqual([150, 30, 50, 50])
    expect(made?.label).toBe('cone')
  })
  it('is null for a slip of the hand', () => {
    expect(boxes.boxBetween({ x: 5, y: 5 }, { x: 6, y: 50 }, 'cone', image, 2)).toBeNull()
  })
})

describe('move and resize', () => {
  it('keeps the size at the edge', () => {
    expect(place(boxes.move(box, -50, 500, image))).toEqual([0, 60, 30, 40])
  })
  it('moves only the sides of the handle', () => {
    expect(place(boxes.resize(box, 'w', 5, 99, image))).toEqual([15, 20, 25, 40])
    expect(place(boxes.resize(box, 'se', 5, -5, image))).toEqual([10, 20, 35, 35])
  })
  it('turns over when a side is pulled past its opposite', () => {
    expect(place(boxes.resize(box, 'e', -35, 0, image))).toEqual([5, 20, 5, 40])
  })
  it('makes a suggestion the person\u2019s own', () => {
    expect(boxes.move(box, 1, 0, image)).not.toHaveProperty('confidence')
    expect(boxes.resize(box, 'n', 0, 1, image)).not.toHaveProperty('confidence')
    expect(boxes.relabel(box, 'cone')).not.toHaveProperty('confidence')
  })
})

describe('hit testing', () => {
  const inner = { ...box, id: 'b', left: 15, top: 25, width: 5, height: 5 }
  it('reaches the box inside another', () => {
    expect(boxes.boxAt([inner, box], { x: 17, y: 27 })?.id).toBe('b')
    expect(boxes.boxAt([inner, box], { x: 12, y: 22 })?.id).toBe('a')
    expect(boxes.boxAt([inner, box], { x: 100, y: 22 })).toBeNull()
  })
  it('takes the nearest handle within reach', () => {
    expect(boxes.handleAt(box, { x: 41, y: 61 }, 6)).toBe('se')
    expect(boxes.handleAt(box, { x: 25, y: 18 }, 6)).toBe('n')
    expect(boxes.handleAt(box, { x: 25, y: 40 }, 6)).toBeNull()
  })
  it('leaves the middle of a small box to moving, however far a finger reaches', () => {
    expect(boxes.handleAt(box, { x: 25, y: 40 }, 44)).toBeNull()
    expect(boxes.handleAt(box, { x: 12, y: 22 }, 44)).toBe('nw')
    expect(boxes.handleAt(box, { x: 60, y: 75 }, 44)).toBe('se')
  })
})
