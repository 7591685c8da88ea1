/** Versions in the order in which people look at them, and what stands between two of them. */
import type { ProductionPrecision, Version, VersionLabel } from '../api'

/** The champion, then the others, the newest first. */
export function ordered(versions: Version[]): Version[] {
  return [...versions].sort(
    (a, b) => Number(b.champion) - Number(a.champion) || b.created_at.localeCompare(a.created_at),
  )
}

/** The labels with the lowest F1 first: they are what there is to work on. */
export function weakestFirst(labels: VersionLabel[]): VersionLabel[] {
  return [...labels].sort((a, b) => (a.f1 ?? -1) - (b.f1 ?? -1) || a.label.localeCompare(b.label))
}

/** `+0.021 to the champion`; empty where there is nothing to compare. */
export function differenceText(f1: number | null, champion: number | null): string {
  if (f1 === null || champion === null) return ''
  const difference = f1 - champion
  if (Math.abs(difference) < 0.0005) return 'as good as the champion'
  const sign = difference > 0 ? '+' : '\u2212'
  return `${sign}${Math.abs(difference).toFixed(3)} to the champion`
}

export interface Measured {
  value: number
  low: number
  high: number
  images: number
}

/** The precision that reviewers have measured in production; null before a sample was reviewed. */
export function measured(found: ProductionPrecision | null): Measured | null {
  const value = found?.precision
  if (!found || value === null || value === undefined) return null
  return { value, low: found.low ?? value, high: found.high ?? value, images: found.images ?? 0 }
}
