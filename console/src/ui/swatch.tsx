/** A label's colour. Set as a property, which the page's policy permits; it refuses style attributes in markup. */
export function Swatch({ colour }: { colour: string }) {
  return <span class="swatch" style={{ background: colour }} aria-hidden="true" />
}
