/** Chooses example images of a label from the images that have it. */
import { getLabelImages, type Label } from '../api'
import { useLoaded, WhenLoaded } from '../runs/loaded'
import { MAX_EXAMPLES } from './labelcheck'

interface ExamplePickerProps {
  label: Label
  chosen: string[]
  onChange: (chosen: string[]) => void
}
export function ExamplePicker({ label, chosen, onChange }: ExamplePickerProps) {
  const loaded = useLoaded(() => getLabelImages(label.label), label.label)
  const toggle = (image: string) =>
    onChange(chosen.includes(image) ? chosen.filter((other) => other !== image) : [...chosen, image])
  return (
    <fieldset class="admin-picker">
      <legend class="field-label">
        Example images: {chosen.length} of up to {MAX_EXAMPLES}
      </legend>
      <WhenLoaded of={loaded} label="Loading images with this label">
        {({ images }) => {
          // Those that were chosen before come first, whatever else the list has.
          const known = new Set(label.examples.map(({ image }) => image))
          const all = [...label.examples, ...images.filter(({ image }) => !known.has(image))]
          if (all.length === 0) return <p class="muted">No image has this label yet.</p>
          return (
            <ul>
              {all.map(({ image, url }, i) => (
                <li key={image}>
                  <label>
                    <input
                      type="checkbox"
                      checked={chosen.includes(image)}
                      disabled={!chosen.includes(image) && chosen.length >= MAX_EXAMPLES}
                      onChange={() => toggle(image)}
                    />
                    <img src={url} alt={`Image ${i + 1} with ${label.label}`} loading="lazy" />
                  </label>
                </li>
              ))}
            </ul>
          )
        }}
      </WhenLoaded>
    </fieldset>
  )
}
