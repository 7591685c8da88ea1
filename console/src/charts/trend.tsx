/** A figure between 0 and 1 over time: a line, with a dot for each measurement. */
import './charts.css'
import { linePath, linePoints } from './geometry'

export interface Measurement {
  name: string
  value: number | null
  marked: boolean
}
const area = { width: 320, height: 90, margin: 10 }

/** `label` describes the line for screen readers. */
export function Trend({ label, measurements }: { label: string; measurements: Measurement[] }) {
  const points = linePoints(
    measurements.map(({ value }) => value),
    area,
  )
  return (
    <svg class="chart-trend" viewBox={`0 0 ${area.width} ${area.height}`} role="img" aria-label={label}>
      {[area.margin, area.height / 2, area.height - area.margin].map((y) => (
        <line key={y} class="chart-grid" x1="0" x2={area.width} y1={y} y2={y} />
      ))}
      <path class="chart-line" d={linePath(points)} />
      {points.map(
        (point, i) =>
          point && (
            <circle
              key={measurements[i]?.name}
              class={measurements[i]?.marked ? 'chart-dot chart-dot-marked' : 'chart-dot'}
              cx={point.x}
              cy={point.y}
              r={measurements[i]?.marked ? 6 : 3.5}
            />
          ),
      )}
    </svg>
  )
}
