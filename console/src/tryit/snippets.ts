/** The detections as JSON, and what asks for them from a shell and from a program. */
import type { Detections } from '../api'
import type { DetectedLabel, MinConfidence } from './detection'

/** Boxes in whole pixels of the upright image, confidence in percent. */
export function jsonOf({ model_version, width, height }: Detections, labels: DetectedLabel[]): string {
  return JSON.stringify({ model_version, width, height, labels }, null, 2)
}

/** A word of a POSIX shell, quoted where it has to be. */
const shellWord = (text: string): string =>
  /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`

/** The command line. A name that begins with a dash would be taken for an option. */
export function commandOf(deployment: string, file: string, min: MinConfidence): string {
  const path = file.startsWith('-') ? `./${file}` : file
  const confidence = min === 'model' ? '' : ` --min-confidence ${min}`
  return `labelloop detect ${shellWord(path)}${confidence} --name ${shellWord(deployment)} --json`
}

/** A program in Python. Without MinConfidence the model's own thresholds count. */
export function programOf({ model_version_arn }: Detections, region: string, file: string, min: MinConfidence): string {
  const confidence = min === 'model' ? '' : `\n    MinConfidence=${min},`
  return `import boto3

rekognition = boto3.client("rekognition", region_name=${JSON.stringify(region)})
with open(${JSON.stringify(file)}, "rb") as image:
    content = image.read()  # up to 4 MB; larger images lie in S3
response = rekognition.detect_custom_labels(
    ProjectVersionArn=${JSON.stringify(model_version_arn)},
    Image={"Bytes": content},${confidence}
)
for label in response["CustomLabels"]:
    print(label["Name"], label["Confidence"], label.get("Geometry", {}).get("BoundingBox"))
`
}
