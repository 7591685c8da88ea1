/** Amounts over time: a column for each, in two parts, drawn as wide as there is room. */
import './charts.css'
import { HEIGHT, useChartFrame } from './frame'
import { columnsOf, tickText, topOf } from './geometry'

export interface Amount {
  name: string
  /** The parts of the column, from the axis upwards. */
  parts: [number, number]
}
const MARGINS = { left: 52, right: 8, top: 28, bottom: 30 }
/** The room that a name needs below the axis. */
const NAME_WIDTH = 84

interface ColumnsProps {
  /** Describes the columns for screen readers. */
  label: string
  /** What the amounts are, beside the axis. */
  unit: string
  amounts: Amount[]
}
export function Columns({ label, unit, amounts }: ColumnsProps) {
  const { frame, width, area } = useChartFrame(MARGINS)
  const top = topOf(amounts.map(({ parts }) => parts[0] + parts[1]))
  const columns = columnsOf(amounts.map(({ parts }) => parts), top, area)
  const named = Math.ceil((amounts.length * NAME_WIDTH) / Math.max(area.width, 1))
  return (
    <div ref={frame} class="chart-frame">
      <svg class="chart-trend" width={width} height={HEIGHT} role="img" aria-label={label}>
        <text class="chart-text" x="0" y="14">
          {unit}
        </text>
        {[0, top / 2, top].map((tick) => {
          const y = area.top + area.height - (tick / top) * area.height
          return (
            <g key={tick}>
              <line class="chart-grid" x1={area.left} x2={area.left + area.width} y1={y} y2={y} />
              <text class="chart-text" text-anchor="end" x={area.left - 8} y={y + 4}>
                {tickText(tick, top)}
              </text>
            </g>
          )
        })}
        {columns.map(({ x, width: columnWidth, lower, upper }, i) => (
          <g key={amounts[i]?.name}>
            <rect class="chart-main" x={x} width={columnWidth} y={lower.y} height={lower.height} />
            <rect class="chart-second" x={x} width={columnWidth} y={upper.y} height={upper.height} />
            {(columns.length - 1 - i) % named === 0 && (
              <text class="chart-text" text-anchor="middle" x={x + columnWidth / 2} y={HEIGHT - 8}>
                {amounts[i]?.name}
              </text>
            )}
          </g>
        ))}
      </svg>
    </div>
  )
}
