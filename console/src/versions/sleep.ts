/** The words for a champion that runs, sleeps, or is on its way to either. */
import type { Serving } from '../api'

interface Status {
  tone: 'good' | 'bad' | 'warn' | 'neutral'
  text: string
  meaning: string
}

export function servingStatus({ status, state }: Pick<Serving, 'status' | 'state'>): Status {
  if (status === 'RUNNING')
    return state === 'awake'
      ? { tone: 'good', text: 'Runs', meaning: 'It answers detections, and costs money by the hour.' }
      : { tone: 'warn', text: 'Falls asleep', meaning: 'It is stopped once detections under way have ended.' }
  if (status === 'STARTING') return { tone: 'warn', text: 'Starts', meaning: 'That takes 10 to 20 minutes.' }
  if (status === 'STOPPING') return { tone: 'neutral', text: 'Stops', meaning: 'That takes some minutes.' }
  if (state === 'asleep') return { tone: 'neutral', text: 'Sleeps', meaning: 'It costs nothing; images under detect/ wait.' }
  return { tone: 'bad', text: 'Does not run', meaning: `It is to run, and is ${status ?? 'gone'} in Rekognition.` }
}

export function changeText({ by, what, why }: Serving['changes'][number]): string {
  const words = by === 'labelloop' ? what : `${by}: ${what}`
  return why ? `${words}, ${why}` : words
}
