/** The words for how right a version is in production, and for what has changed. */
import type { AnswerPrecision, Drift, HomeTask, Production, Share } from '../api'
import { capital, number, percent, sentence } from '../ui/format'

/** The figure that says most: of all answers, else of those that the model was sure of. */
export function bestShare({ whole, sure }: AnswerPrecision): Share | null {
  return whole ?? (sure && { value: sure.precision, low: sure.low, high: sure.high })
}

export const intervalText = ({ low, high }: Share): string => `${percent(low, 1)} to ${percent(high, 1)}`

/** What the figure is of. */
export function basisText({ whole, sure, unsure }: AnswerPrecision): string {
  if (whole) return 'of all detections were correct, by reviews of a sample and of what the model was unsure of.'
  if (sure) return 'of the detections that the model was sure of were correct, by reviews of a sample.'
  if (unsure) return 'Only images that the model was unsure of were reviewed, which say nothing of the others.'
  return 'Not measured yet: no sample of its answers was reviewed.'
}

/** `24 Nov` of a day, or `24 Nov – 30 Nov`. */
export function daysText(first: string, last: string): string {
  const day = (text: string) => new Date(`${text}T12:00:00Z`).toLocaleDateString(undefined, { day: 'numeric', month: 'short', timeZone: 'UTC' })
  return first === last ? day(first) : `${day(first)} \u2013 ${day(last)}`
}

const mostArrived = ({ arrived }: Pick<Drift, 'arrived'>): number => Math.max(0, ...Object.values(arrived))

/** Whether what arrives was compared with the test images: not where none of it was counted yet. */
export const isCompared = ({ looked_at, problem, arrived }: Drift): boolean => Boolean(looked_at) && !problem && mostArrived({ arrived }) > 0

/** Whether what arrives is as the test images, in a sentence. */
export function driftText(drift: Drift): string {
  const { looked_at, problem, since, test_images, false_alarm_rate, least_difference } = drift
  const images = mostArrived(drift)
  if (looked_at && problem) return `Nothing can be compared: ${problem}.`
  if (!looked_at || (!since && images === 0)) return 'Nothing was compared yet. That is done once an hour, once images have arrived.'
  const compared = `${number(images)} ${images === 1 ? 'image' : 'images'} of the last 28 days and ${number(test_images)} test images`
  if (since) return `By ${compared}. So the figures on test images tell less of what the model does now.`
  return `By ${compared}, what arrives is as the test images are. A change is told if about ${percent(least_difference)} of the images are otherwise; in a year, a false alarm has a probability of ${percent(false_alarm_rate)} at most.`
}

/** What waits, as a sentence; a version keeps the spelling of its name. */
export const taskText = ({ text, subject }: Pick<HomeTask, 'text' | 'subject'>): string =>
  sentence(subject && text.startsWith(subject) ? text : capital(text))

/** Where something that waits is done. */
export function placeOf({ kind, subject }: Pick<HomeTask, 'kind' | 'subject'>): [href: string, text: string] {
  const name = encodeURIComponent(subject)
  const places: Record<string, [string, string]> = {
    approval: ['/versions', 'See the version'],
    run: [`/runs/${name}`, 'See the run'],
    budget: ['/costs', 'See the costs'],
    drift: [`/production/${name}`, 'See what changed'],
    reviews: ['/review', 'Review'],
  }
  return places[kind] ?? ['/versions', 'See the champion']
}

/** What there is for screen readers to hear of the line of precision. */
export function trendText({ periods }: Pick<Production, 'periods'>): string {
  const texts = periods.flatMap(({ first_day, last_day, answers }) => {
    const share = bestShare(answers)
    return share ? [`${daysText(first_day, last_day)} ${percent(share.value, 1)}`] : []
  })
  return `Precision in production over time: ${texts.join(', ')}`
}
