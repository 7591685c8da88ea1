/** The room that a chart is drawn in: as wide as the page gives it. */
import { useLayoutEffect, useRef, useState } from 'preact/hooks'
import type { Area } from './geometry'

export const HEIGHT = 220

/** The element to put around the chart, its width, and the area within the margins of its axes. */
export function useChartFrame(margins: { left: number; right: number; top: number; bottom: number }) {
  const frame = useRef<HTMLDivElement>(null)
  const [width, setWidth] = useState(600)
  useLayoutEffect(() => {
    const element = frame.current
    if (!element) return undefined
    const measure = () => setWidth(Math.max(element.clientWidth, 200))
    const observer = new ResizeObserver(measure)
    observer.observe(element)
    measure()
    return () => observer.disconnect()
  }, [])
  const area: Area = {
    left: margins.left,
    top: margins.top,
    width: width - margins.left - margins.right,
    height: HEIGHT - margins.top - margins.bottom,
  }
  return { frame, width, area }
}
