/** The words for what a version was trained on, and whose labels those are. */
import type { Lineage } from '../api'
import { number } from '../ui/format'

export function imagesText({ train_images, test_images, backgrounds, labels }: Lineage): string {
  if (train_images === null) return 'Not on record: its snapshot is gone.'
  const more = backgrounds ? `, ${number(backgrounds)} backgrounds` : ''
  return `${number(train_images)} to train, ${number(test_images)} to test${more}; ${number(labels)} labels`
}

const sources: Record<string, string> = { folder: 'folders', annotation: 'annotation files', person: 'people', '': 'not on record' }

/** `annotation files 90, people 10`. */
export const originsText = ({ origins }: Pick<Lineage, 'origins'>): string =>
  origins.map(({ name, images }) => `${sources[name] ?? name} ${number(images)}`).join(', ') || 'Not on record.'

/** For those who may not know the names. */
export const peopleText = ({ people }: Pick<Lineage, 'people'>): string => (people === 1 ? 'one person' : `${number(people)} people`)
