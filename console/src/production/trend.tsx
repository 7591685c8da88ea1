/** Precision in production over time, with the interval of each stretch of days. */
import type { Production } from '../api'
import { Trend } from '../charts/trend'
import { percent } from '../ui'
import { bestShare, daysText, trendText } from './words'

export function PrecisionTrend({ production }: { production: Pick<Production, 'periods'> }) {
  const measured = production.periods.filter(({ answers }) => bestShare(answers))
  if (measured.length < 2) return null
  return (
    <Trend
      label={trendText(production)}
      unit="Precision"
      measurements={measured.map(({ first_day, last_day, answers }) => {
        const share = bestShare(answers)
        return {
          name: daysText(first_day, last_day).split(' \u2013 ')[0] ?? '',
          value: share?.value ?? null,
          low: share?.low,
          high: share?.high,
          text: percent(share?.value),
          marked: false,
        }
      })}
    />
  )
}
