/** Detections to be copied: as JSON, and as the code that asks for them. */
import type { Detections } from '../api'
import { config } from '../auth'
import { Button, toast } from '../ui'
import type { DetectedLabel, MinConfidence } from './detection'
import { commandOf, jsonOf, programOf } from './snippets'

export function AsJson({ detection, labels }: { detection: Detections; labels: DetectedLabel[] }) {
  return <Snippet title="The detections shown" text={jsonOf(detection, labels)} />
}

export function AsCode({ detection, file, min }: { detection: Detections; file: string; min: MinConfidence }) {
  const { deployment, region } = config()
  return (
    <>
      <Snippet title="From a shell" text={commandOf(deployment, file, min)} />
      <Snippet title="From Python" text={programOf(detection, region, file, min)} />
      <p class="muted">
        The command always asks the champion. The program asks this very version: after the next promotion it has
        another ARN.
      </p>
    </>
  )
}

function Snippet({ title, text }: { title: string; text: string }) {
  function copy() {
    navigator.clipboard.writeText(text).then(
      () => toast('Copied.'),
      () => toast('The browser does not allow to copy: select the text and copy it yourself.', 'bad'),
    )
  }
  return (
    <div class="try-snippet">
      <div class="try-snippet-head">
        <h3>{title}</h3>
        <Button aria-label={`Copy: ${title}`} onClick={copy}>
          Copy
        </Button>
      </div>
      <pre tabIndex={0} aria-label={title}>
        {text}
      </pre>
    </div>
  )
}
