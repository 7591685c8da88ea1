/** Undo and redo over whole states: a state is small, so each is kept whole. */
export interface History<State> {
  past: State[]
  present: State
  future: State[]
}
const MAX_STEPS = 200

export const begin = <State>(present: State): History<State> => ({ past: [], present, future: [] })

export function change<State>(history: History<State>, present: State): History<State> {
  if (present === history.present) return history
  return { past: [...history.past, history.present].slice(-MAX_STEPS), present, future: [] }
}

/** Replaces the present without a step of its own: the frames of one drag are one change. */
export const amend = <State>(history: History<State>, present: State): History<State> => ({ ...history, present })

export function undo<State>(history: History<State>): History<State> {
  const before = history.past.at(-1)
  if (before === undefined) return history
  return { past: history.past.slice(0, -1), present: before, future: [history.present, ...history.future] }
}

export function redo<State>(history: History<State>): History<State> {
  const [after, ...future] = history.future
  if (after === undefined) return history
  return { past: [...history.past, history.present], present: after, future }
}
