/** An image of the dataset as the box editor takes it. */
import type { AnswerBody, DatasetImage, Task } from '../api'

type Content = Pick<DatasetImage, 'image' | 'width' | 'height' | 'url' | 'asked_kind' | 'kind' | 'labels' | 'boxes' | 'changed_at'>

/** What the editor shows: no task of the desk, and no draft for one. */
export const taskOf = ({ image, width, height, url, asked_kind, changed_at }: Content): Task => ({
  id: `dataset ${image} ${changed_at}`,
  image,
  width,
  height,
  url,
  kind: asked_kind,
  reason: 'requested',
  why: '',
  created_at: changed_at,
  url_expires_at: '',
  until: '',
  suggestions: { boxes: [], labels: [] },
  suggested_by: null,
  drafted_from: 0,
  wanted: 1,
  answers: 0,
})

/** What is on the image, as an answer that is corrected. */
export const contentOf = ({ kind, labels, boxes }: Content): AnswerBody => ({
  verdict: 'labelled',
  boxes,
  labels: kind === 'classification' ? labels : [],
  seconds: 0,
})
