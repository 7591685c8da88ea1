/** Formats numbers and times for people. A missing number is a dash. */
const none = '\u2013'

export function number(value: number | null | undefined, digits = 0): string {
  if (value === null || value === undefined) return none
  return value.toLocaleString(undefined, { minimumFractionDigits: digits, maximumFractionDigits: digits })
}

/** Ends the text with a full stop, which messages of the API lack. */
export const sentence = (text: string): string => (/[.!?]$/.test(text) ? text : `${text}.`)

/** A text of the API as a sentence of its own; one that begins with a name, such as `v7`, keeps it. */
export const asSentence = (text: string): string => sentence(/^[a-z]+[ ,]/.test(text) ? capital(text) : text)

/** Begins the text with a capital letter. */
export const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)

/** `fraction`: 0 to 1. */
export function percent(fraction: number | null | undefined, digits = 0): string {
  return fraction === null || fraction === undefined ? none : `${number(fraction * 100, digits)} %`
}

export function usd(value: number | null | undefined): string {
  return value === null || value === undefined ? none : `${number(value, 2)} USD`
}

export function duration(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined) return none
  if (seconds < 59.5) return `${number(seconds, seconds < 9.95 ? 1 : 0)} s`
  const whole = Math.round(seconds)
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`
  if (whole < 86400) return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`
  return `${Math.floor(whole / 86400)} d ${Math.floor((whole % 86400) / 3600)} h`
}

/** Local date and time of an ISO 8601 time. */
export function when(time: string | null | undefined): string {
  return time ? new Date(time).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' }) : none
}

/** Local time of day, for times of today. */
export const timeOfDay = (time: string): string => new Date(time).toLocaleTimeString(undefined, { timeStyle: 'short' })

/** How long ago, or for a time to come in how long; a clock may be a minute wrong. */
export function ago(time: string | null | undefined, now = Date.now()): string {
  if (!time) return none
  const seconds = (now - Date.parse(time)) / 1000
  if (Math.abs(seconds) < 60) return 'just now'
  return seconds > 0 ? `${largestUnit(seconds)} ago` : `in ${largestUnit(-seconds)}`
}

function largestUnit(seconds: number): string {
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h`
  return `${Math.floor(seconds / 86400)} d`
}

/** The parts of a text of the API, whose commands and settings stand between backticks. */
export const textParts = (text: string): { text: string; isCode: boolean }[] =>
  text
    .split(/`([^`]+)`/)
    .map((part, position) => ({ text: part, isCode: position % 2 === 1 }))
    .filter((part) => part.text !== '')
