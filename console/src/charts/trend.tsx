/** A figure between 0 and 1 over time: a line, with a dot for each measurement, drawn as wide as there is room. */
import './charts.css'
import { HEIGHT, useChartFrame } from './frame'
import { axisOf, heightOf, linePath, linePoints, placeOf } from './geometry'

export interface Measurement {
  name: string
  value: number | null
  /** The figure as people read it. */
  text: string
  marked: boolean
}
const MARGINS = { left: 44, right: 24, top: 28, bottom: 30 }
/** The room that a name needs below the axis. */
const NAME_WIDTH = 64

interface TrendProps {
  /** Describes the line for screen readers. */
  label: string
  /** What the figures are, beside the axis. */
  unit: string
  measurements: Measurement[]
  /** Figures to compare with, one for each measurement: a dashed line. */
  compared?: (number | null)[]
}
export function Trend({ label, unit, measurements, compared = [] }: TrendProps) {
  const { frame, width, area } = useChartFrame(MARGINS)
  const values = measurements.map(({ value }) => value)
  const axis = axisOf([...values, ...compared])
  const points = linePoints(values, axis, area)
  const named = Math.ceil((measurements.length * NAME_WIDTH) / Math.max(area.width, 1))
  return (
    <div ref={frame} class="chart-frame">
      <svg class="chart-trend" width={width} height={HEIGHT} role="img" aria-label={label}>
        <text class="chart-text" x="0" y="14">
          {unit}
        </text>
        {axis.ticks.map((tick) => {
          const y = heightOf(tick, axis, area)
          return (
            <g key={tick}>
              <line class="chart-grid" x1={area.left} x2={area.left + area.width} y1={y} y2={y} />
              <text class="chart-text" text-anchor="end" x={area.left - 8} y={y + 4}>
                {tick.toFixed(1)}
              </text>
            </g>
          )
        })}
        {compared.length > 0 && (
          <path class="chart-line chart-line-compared" d={linePath(linePoints(compared, axis, area))} />
        )}
        <path class="chart-line" d={linePath(points)} />
        {measurements.map(({ name, text, marked }, i) => {
          const point = points[i]
          const x = placeOf(i, measurements.length, area)
          // The newest is always named.
          const isNamed = (measurements.length - 1 - i) % named === 0
          return (
            <g key={name}>
              {point && (
                <circle class={marked ? 'chart-dot chart-dot-marked' : 'chart-dot'} cx={point.x} cy={point.y} r={marked ? 6 : 4} />
              )}
              {point && isNamed && (
                <text class="chart-text chart-figure" text-anchor="middle" x={x} y={point.y - 11}>
                  {text}
                </text>
              )}
              {isNamed && (
                <text class="chart-text" text-anchor="middle" x={x} y={HEIGHT - 8}>
                  {name}
                </text>
              )}
            </g>
          )
        })}
      </svg>
    </div>
  )
}
