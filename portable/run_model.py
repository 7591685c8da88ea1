"""Runs the model beside this file: python run_model.py IMAGE... (needs onnxruntime, numpy and Pillow).

What reaches the threshold of its label is shown; with --min-confidence 0, everything that the model sees.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

Seen = list[tuple[str, float, list[float]]]
HERE, GREY = Path(__file__).parent, (128, 128, 128)


def overlap(a: Any, b: Any) -> float:
    sides = (np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])).clip(0)
    return float(sides.prod() / ((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - sides.prod()))


def predict(image: Image.Image, model: Any, second: Any, facts: dict[str, Any]) -> Seen:
    """Labels, confidences (0 to 1) and, of a detector, left, top, right and bottom in pixels: all it sees."""
    labels, stage, canvas = facts["labels"], facts["second_stage"], tuple(facts["canvas"].values())
    scale = min(canvas[0] / image.width, canvas[1] / image.height)
    size = round(image.width * scale), round(image.height * scale)
    corner = (canvas[0] - size[0]) // 2, (canvas[1] - size[1]) // 2
    shown = Image.new("RGB", canvas, GREY)
    shown.paste(image.resize(size, Image.Resampling.BILINEAR, reducing_gap=3.0), corner)
    outputs = model.run(None, {"pixels": np.asarray(shown)[None]})
    if facts["task"] == "classification":
        return sorted(zip(labels, outputs[0].tolist(), [[]] * len(labels)), key=lambda seen: -seen[1])
    seen: list[Any] = []
    for score, number, place in zip(*outputs):
        box = ((place.reshape(2, 2) - corner) / scale).clip(0, image.size).ravel()
        apart = all(number != other or overlap(box, near) < 0.45 for other, _, near in seen)
        seen += [(number, float(score), box)] if apart and score >= (0.1 if stage else 0.01) else []
    for row, (_, score, box) in enumerate(seen if stage else ()):
        half, middle, side = (box[2:] - box[:2]).max() * 0.55, (box[:2] + box[2:]) / 2, stage["side"]
        large = side * max(1, int(2 * half / side))
        square, extent = (*(middle - half), *(middle + half)), Image.Transform.EXTENT
        crop = image.transform((large, large), extent, square, Image.Resampling.BILINEAR, fillcolor=GREY)
        shares = second.run(None, {"pixels": np.asarray(crop.reduce(large // side))[None]})[0][0, :-1]
        seen[row] = (shares.argmax(), float(score * shares.max()) ** 0.5, box)
    return [(labels[number], score, box.tolist()) for number, score, box in sorted(seen, key=lambda s: -s[1])]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("images", nargs="+", metavar="IMAGE")
    parser.add_argument("--min-confidence", dest="least", type=float, help="0 to 1, not the thresholds")
    given = parser.parse_args()
    if not 0 <= (given.least or 0) <= 1:
        parser.error("--min-confidence is from 0 to 1")
    first = onnxruntime.InferenceSession(HERE / "model.onnx")
    known = json.loads(first.get_modelmeta().custom_metadata_map["labelloop"])
    later = onnxruntime.InferenceSession(HERE / "second_stage.onnx") if known["second_stage"] else None
    least = known["thresholds"] if given.least is None else dict.fromkeys(known["labels"], given.least)
    for name in given.images:
        try:
            image = ImageOps.exif_transpose(Image.open(name)).convert("RGB")
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            parser.exit(1, f"{name} cannot be read: {getattr(error, 'strerror', None) or error}\n")
        seen = [each for each in predict(image, first, later, known) if each[1] >= least.get(each[0], 0.5)]
        print(json.dumps({"image": name, "seen": seen}))
