/** The words for a champion that runs, sleeps, or is on its way to either. */
import type { Serving } from '../api'
import { usd } from '../ui/format'

interface Status {
  tone: 'good' | 'bad' | 'warn' | 'neutral'
  text: string
  meaning: string
}

export function servingStatus({ status, state, usd_per_hour }: Pick<Serving, 'status' | 'state' | 'usd_per_hour'>): Status {
  if (status === 'RUNNING')
    return state === 'awake'
      ? { tone: 'good', text: 'Runs', meaning: `It answers detections, and costs ${usd(usd_per_hour)} an hour.` }
      : { tone: 'warn', text: 'Falls asleep', meaning: 'It is stopped once detections under way have ended.' }
  if (status === 'STARTING') return { tone: 'warn', text: 'Starts', meaning: 'That takes 10 to 20 minutes.' }
  if (status === 'STOPPING') return { tone: 'neutral', text: 'Stops', meaning: 'That takes some minutes.' }
  if (state === 'asleep') return { tone: 'neutral', text: 'Sleeps', meaning: 'It costs nothing; images under detect/ wait.' }
  return { tone: 'bad', text: 'Does not run', meaning: `It is to run, and is ${status ?? 'gone'} in Rekognition.` }
}

export function changeText({ by, what, why }: Serving['changes'][number]): string {
  const words = by === 'labelloop' ? what : `${what} by ${by}`
  return why ? `${words}: ${why}` : words
}

/** Why an image cannot be tried now; empty if the champion runs. */
export function unreadyText(serving: Pick<Serving, 'champion' | 'status' | 'state' | 'usd_per_hour' | 'policy' | 'asked'>): string {
  if (!serving.champion) return 'There is no model to try yet: no version is in production.'
  const { text, meaning } = servingStatus(serving)
  if (text === 'Runs') return ''
  if (serving.state === 'awake') return `The champion does not run yet. ${text === 'Starts' ? 'A start takes 10 to 20 minutes.' : meaning}`
  if (serving.policy === 'demand' && serving.asked !== 'stop')
    return 'The champion sleeps. An image that you try starts it, which takes 10 to 20 minutes.'
  return 'The champion sleeps, and answers nothing until it is started.'
}
