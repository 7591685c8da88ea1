/** Precision and recall of a label by threshold, and where they lie in the drawing. */
import type { CurvePoint, EvaluatedLabel } from '../api'
import type { Area } from '../charts/geometry'

export interface Rates {
  right: number
  wrong: number
  missed: number
  /** Null where nothing is detected. */
  precision: number | null
  /** Null where there is nothing to find. */
  recall: number | null
  f1: number | null
}

/** The rates of these counts. */
export function ratesOf({ right, wrong, missed }: Pick<CurvePoint, 'right' | 'wrong' | 'missed'>): Rates {
  const ratio = (part: number, whole: number) => (whole > 0 ? part / whole : null)
  return {
    right,
    wrong,
    missed,
    precision: ratio(right, right + wrong),
    recall: ratio(right, right + missed),
    f1: right + missed > 0 ? (2 * right) / (2 * right + wrong + missed) : null,
  }
}

/** The rates where detections count from a threshold on: those of the last point that is not above it. */
export function ratesAt({ curve }: Pick<EvaluatedLabel, 'curve'>, threshold: number): Rates {
  const point = curve.filter((each) => each.threshold <= threshold).at(-1) ?? curve[0]
  return ratesOf(point ?? { right: 0, wrong: 0, missed: 0 })
}

/** The threshold with the best F1; of equals, the highest. Null where there is nothing to find. */
export function bestThreshold({ curve }: Pick<EvaluatedLabel, 'curve'>): number | null {
  let best: { threshold: number; f1: number } | null = null
  for (const point of curve) {
    const { f1 } = ratesOf(point)
    if (f1 !== null && (!best || f1 >= best.f1)) best = { threshold: point.threshold, f1 }
  }
  return best && Math.ceil(best.threshold)
}

/** Whether to count from this threshold on would change anything; null: the slider was not moved. */
export function changesThreshold(
  { own_threshold, deployment_threshold }: Pick<EvaluatedLabel, 'own_threshold' | 'deployment_threshold'>,
  moved: number | null,
): boolean {
  return moved !== null && moved !== (deployment_threshold ?? own_threshold)
}

/** Where precision lies over recall; null where nothing is detected. */
export function placeOf(rates: Rates, { left, top, width, height }: Area): { x: number; y: number } | null {
  if (rates.precision === null || rates.recall === null) return null
  return { x: left + rates.recall * width, y: top + (1 - rates.precision) * height }
}

/** The `d` of the curve's path, from the lowest threshold to the highest. */
export function curvePath({ curve }: Pick<EvaluatedLabel, 'curve'>, area: Area): string {
  return curve
    .map((point) => placeOf(ratesOf(point), area))
    .filter((place) => place !== null)
    .map(({ x, y }, i) => `${i > 0 ? 'L' : 'M'}${x.toFixed(1)} ${y.toFixed(1)}`)
    .join(' ')
}
