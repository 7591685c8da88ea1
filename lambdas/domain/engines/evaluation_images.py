"""What a training's own evaluation says of each test image, so that two trainings can be compared on those
that both were tested on."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Any

from lambdas.domain.evaluation import file_lines
from lambdas.domain.shared.comparison import Comparison, Counts, ImageCounts
from lambdas.domain.shared.frozen import frozen

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from lambdas.domain.engines.port import Version


Truth = tuple[Any, ...]
"""What an image was labelled with; two are equal if nobody has labelled it otherwise in between."""


@frozen
class EvaluatedImage:
    """A test image as it was labelled, and how right the version was about it."""

    truth: Truth
    counts: ImageCounts


Evaluated = Mapping[str, EvaluatedImage]
"""Test images by their source-ref."""
Pairs = tuple[list[ImageCounts], list[ImageCounts]]
"""The counts of two versions on the same images, in the same order."""


def read(s3: S3Client, version: Version) -> Evaluated:
    """What the evaluation of the version says of its test images; nothing if there is no such file.

    Format: https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/im-evaluation-manifest-snapshot-api.html

    The manifest's order is that of the images' hashes, and so are the first images of two evaluations as far
    as possible the same. A line of another form says nothing about its image, and no run fails for it.
    """
    if version.tested is None:
        return {}
    texts = file_lines.read_lines(s3, version.tested) or ()
    evaluated: dict[str, EvaluatedImage] = {}
    for text in islice(texts, file_lines.MAX_IMAGES):
        with suppress(AttributeError, KeyError, TypeError, ValueError):
            line = json.loads(text)
            evaluated[line["source-ref"]] = EvaluatedImage(_truth(line), _counts(line))
    return evaluated


def shared(version: Evaluated, other: Evaluated) -> Pairs:
    """What two versions were like on the test images that both were tested on with the same labels.

    A test dataset grows, and images are labelled otherwise: there may be none.
    """
    images = sorted(
        image for image, one in version.items() if image in other and other[image].truth == one.truth
    )
    return [version[image].counts for image in images], [other[image].counts for image in images]


def in_words(comparison: Comparison, whose: str) -> str:
    """The comparison in one sentence; `whose` is that of the other version, such as "the champion's"."""
    images = f"the {comparison.images} test images of both trainings"
    return comparison.in_words("by its training's evaluation", whose, images)


def _truth(line: Mapping[str, Any]) -> Truth:
    attributes = file_lines.attributes(line, file_lines.TRAINING)
    return tuple(sorted(truth for value, metadata in attributes for truth in _truths(value, metadata)))


def _truths(value: Any, metadata: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, Mapping):
        for box in value.get("annotations", []):
            label = metadata.get("class-map", {}).get(str(box["class_id"]), "")
            yield label, *(round(box[side]) for side in ("left", "top", "width", "height"))
    else:
        yield (metadata.get("class-name", ""),)


def _counts(line: Mapping[str, Any]) -> ImageCounts:
    counted: dict[str, Counter[str]] = {}
    for value, metadata in file_lines.attributes(line, file_lines.EVALUATION):
        for label, details in _judged(value, metadata):
            verdicts = (name for name, applies in details.items() if applies is True)
            counted.setdefault(label, Counter()).update(verdicts)
    return {
        label: Counts(names["is-true-positive"], names["is-false-positive"], names["is-false-negative"])
        for label, names in counted.items()
    }


def _judged(value: Any, metadata: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The labels that were predicted or missed on an image, with how each was judged."""
    if isinstance(value, Mapping):
        boxes = zip(value.get("annotations", []), metadata.get("objects", []), strict=True)
        for box, judged in boxes:
            yield metadata.get("class-map", {}).get(str(box["class_id"]), ""), judged[file_lines.DETAILS]
    else:
        yield metadata.get("class-name", ""), metadata[file_lines.DETAILS]
