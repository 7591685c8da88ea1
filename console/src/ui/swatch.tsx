/** A label's colour. Preact sets it as a property: the Content-Security-Policy blocks style attributes in markup. */
export function Swatch({ colour }: { colour: string }) {
  return <span class="swatch" style={{ background: colour }} aria-hidden="true" />
}
