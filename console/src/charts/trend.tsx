/** A figure between 0 and 1 over time: a line, with a dot for each measurement, drawn as wide as there is room. */
import './charts.css'
import { HEIGHT, useChartFrame } from './frame'
import { axisOf, heightOf, linePath, linePoints, placeOf, type Area, type Axis } from './geometry'

export interface Measurement {
  name: string
  value: number | null
  /** The figure as people read it. */
  text: string
  marked: boolean
  /** The interval that the true figure lies in, drawn as a line across the dot. */
  low?: number | null
  high?: number | null
}
const MARGINS = { left: 44, right: 24, top: 40, bottom: 30 }
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
  const axis = axisOf([...measurements.flatMap(({ value, low = null, high = null }) => [value, low, high]), ...compared])
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
        {measurements.map(({ name, text, marked, low, high }, i) => {
          const point = points[i]
          const x = placeOf(i, measurements.length, area)
          // The newest is always named.
          const isNamed = (measurements.length - 1 - i) % named === 0
          return (
            <g key={name}>
              {point && low !== null && low !== undefined && high !== null && high !== undefined && (
                <Whisker x={x} top={heightOf(high, axis, area)} bottom={heightOf(low, axis, area)} />
              )}
              {point && (
                <circle class={marked ? 'chart-dot chart-dot-marked' : 'chart-dot'} cx={point.x} cy={point.y} r={marked ? 6 : 4} />
              )}
              {point && isNamed && (
                <text class="chart-text chart-figure" text-anchor={i === 0 && measurements.length > 1 ? 'start' : 'middle'} x={x} y={figureHeight(point.y, high, axis, area)}>
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

/** An interval: a line with an end above and below. */
function Whisker({ x, top, bottom }: { x: number; top: number; bottom: number }) {
  return <path class="chart-whisker" d={`M${x - 4} ${top}H${x + 4}M${x} ${top}V${bottom}M${x - 4} ${bottom}H${x + 4}`} />
}

/** Where the figure of a dot stands: above it, and above its interval. */
function figureHeight(y: number, high: number | null | undefined, axis: Axis, area: Area): number {
  return Math.max(10, Math.min(y - 11, high === null || high === undefined ? y : heightOf(high, axis, area) - 5))
}
