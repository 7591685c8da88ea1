/** A picture with what is on it and what was seen there: objects with a solid line, detections with a dashed one. */
import type { EvaluatedImage, JudgedObject } from '../api'
import { around, boxesOf, detectionLine, drawnLines, placed, type Line, type Sides } from './picture'

interface DrawnProps {
  image: EvaluatedImage
  judged: JudgedObject[]
  /** Describes what is drawn. */
  alt: string
  /** Shows the part around the boxes, else all of it. */
  near?: boolean
  /** Writes the labels beside the boxes. */
  named?: boolean
}

export function Drawn({ image, judged, alt, near = false, named = false }: DrawnProps) {
  const boxes = judged.flatMap(boxesOf)
  const whole = { left: 0, top: 0, width: image.width, height: image.height }
  const part = near ? around(boxes, image) : whole
  if (!image.url) return <p class="eval-picture eval-missing muted">The image is not kept here.</p>
  return (
    <span class={near ? 'eval-picture eval-near' : 'eval-picture'}>
      <img
        src={image.url}
        alt={alt}
        loading="lazy"
        decoding="async"
        class={boxes.length > 0 && near ? 'eval-part' : 'eval-whole'}
        style={boxes.length > 0 && near ? placed(whole, part) : {}}
      />
      {judged.map((one, i) => (
        <span key={i} aria-hidden="true">
          {one.truth?.box && (
            <Box kind="truth" box={one.truth.box} part={part} text={named ? one.truth.label : ''} />
          )}
          {one.detection?.box && (
            <Box
              kind={detectionLine(one)}
              box={one.detection.box}
              part={part}
              text={named ? `${one.detection.label} ${Math.round(one.detection.confidence)} %` : ''}
            />
          )}
        </span>
      ))}
    </span>
  )
}

const lineWords: Record<Line, string> = { truth: 'labelled', wrong: 'detected, wrong', right: 'detected, right' }

interface BoxProps {
  kind: Line
  box: Sides
  part: Sides
  text: string
}
function Box({ kind, box, part, text }: BoxProps) {
  return (
    <span class={`eval-box eval-box-${kind}`} style={placed(box, part)}>
      {text && <span class="eval-tag">{text}</span>}
    </span>
  )
}

interface LegendProps {
  of: JudgedObject[]
  /** Nobody knows yet whether the label or the detection is wrong. */
  isOpen?: boolean
}
/** What the lines mean that are drawn. */
export function Legend({ of, isOpen = false }: LegendProps) {
  return (
    <p class="eval-legend muted">
      {drawnLines(of).map((line) => (
        <span key={line} class="eval-key">
          <span class={`eval-line eval-box-${line}`} aria-hidden="true" /> {isOpen && line === 'wrong' ? 'detected' : lineWords[line]}
        </span>
      ))}
    </p>
  )
}
