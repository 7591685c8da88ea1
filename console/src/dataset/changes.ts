/** Changes of several images: in requests of as many as the API takes, and what became of them in words. */
import type { ChangedImages, ImageLine, SeenImage } from '../api'

const AT_ONCE = 100

/** What became of the images that were asked for, and the error that has ended it before all were; null if there was none. */
export interface Outcome extends ChangedImages {
  error: unknown
}

/** Changes a hundred after the other; `progress` is called with how many are done. */
export async function inParts<Image>(
  images: Image[],
  change: (part: Image[]) => Promise<ChangedImages>,
  progress: (done: number) => void = () => undefined,
): Promise<Outcome> {
  const all: Outcome = { images: [], problems: [], error: null }
  try {
    for (let begin = 0; begin < images.length; begin += AT_ONCE) {
      const part = await change(images.slice(begin, begin + AT_ONCE))
      all.images.push(...part.images)
      all.problems.push(...part.problems)
      progress(Math.min(images.length, begin + AT_ONCE))
    }
  } catch (error) {
    all.error = error
  }
  return all
}

export const seen = (images: ImageLine[]): SeenImage[] => images.map(({ image, changed_at }) => ({ image, changed_at }))

const counted = (count: number) => `${count} ${count === 1 ? 'image' : 'images'}`

/** `done` says what was done: `excluded`. */
export function outcomeText({ images, problems }: ChangedImages, done: string): string {
  const first = problems[0]
  const parts = [`${counted(images.length)} ${done}`]
  if (first) parts.push(`${counted(problems.length)} not: ${first.message}`)
  return `${parts.join('; ')}.`
}

/** The labels of the images, those of most images first. */
export function labelsOf(images: ImageLine[]): string[] {
  const counts = new Map<string, number>()
  for (const { labels } of images) for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1)
  return [...counts].sort(([, a], [, b]) => b - a).map(([label]) => label)
}
