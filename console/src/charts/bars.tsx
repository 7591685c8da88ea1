/** Small bars in SVG. The figure stands beside each as text, so the drawing is hidden from screen readers. */
import './charts.css'
import { barLength, span } from './geometry'

interface BarProps {
  /** 0 to 1. */
  value: number | null | undefined
  /** A figure to compare with, drawn as a line across the bar. */
  mark?: number | null
  series?: 'main' | 'second' | 'third'
}
export function Bar({ value, mark, series = 'main' }: BarProps) {
  return (
    <svg class="chart-bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
      <rect class="chart-track" width="100" height="8" />
      <rect class={`chart-${series}`} width={barLength(value, 100)} height="8" />
      {mark !== null && mark !== undefined && (
        <rect class="chart-mark" x={barLength(mark, 99)} width="1" height="8" />
      )}
    </svg>
  )
}

/** A figure and the interval that it lies in, on an axis from 0 to 1. */
export function IntervalBar({ value, low, high }: { value: number; low: number; high: number }) {
  const between = span(low, high, 100)
  return (
    <svg class="chart-interval" viewBox="0 0 100 12" preserveAspectRatio="none" aria-hidden="true">
      <rect class="chart-track" y="5" width="100" height="2" />
      <rect class="chart-soft" x={between.start} y="1" width={between.length} height="10" />
      <rect class="chart-main" x={barLength(value, 99)} width="1" height="12" />
    </svg>
  )
}
