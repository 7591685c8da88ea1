"""The results of a batch in COCO's format for results: https://cocodataset.org/#format-results .

Two documents, as COCO's own tools take them: `images.json`, a dataset of the images and categories without
annotations, and `results.json`, the detections; `COCO("images.json").loadRes("results.json")` of pycocotools
brings the two together. Both are written while the lines are read, so that memory does not grow with them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lambdas.domain.batch import files
from lambdas.domain.batch.files import ResultLine
from lambdas.domain.shared.frozen import frozen

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

IMAGES, RESULTS = "images.json", "results.json"
PART_BYTES = 8 * 1024 * 1024
"""Of an upload in parts. S3 takes 5 MB or more for each but the last, and 10,000 of them: 80 GB in all.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html"""

MAX_IMAGES = 2_000_000
"""That one function writes in a fraction of its 15 minutes: with three objects an image 10^6 of them took a
processor 53 s, and a function of 1 GB has about half of one. More are fetched by `labelloop batch results`.
https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html"""

Write = Callable[[str], Any]
"""Takes the next piece of a document."""


@frozen
class Written:
    """What of the lines could be said in COCO's format, and what could not."""

    images: int = 0
    detections: int = 0
    failed: int = 0
    """Images that nobody could look at: they are left out, for COCO has nothing to say of them."""
    without_box: int = 0
    """Detections that were left out: labels of a whole image, and boxes in an image of unknown size."""


def category_ids(labels: Iterable[str], numbers: Mapping[str, int]) -> dict[str, int]:
    """An id for each label, in the order of the ids.

    Args:
        numbers: those that labels have for good (`ClassIds`). A label that has none, as no version was
            evaluated on it, gets one behind them.
    """
    wanted = set(labels)
    known = sorted((numbers[label], label) for label in wanted if label in numbers)
    first = max(numbers.values(), default=-1) + 1
    new = enumerate(sorted(wanted - set(numbers)), start=first)
    return {label: id for id, label in [*known, *new]}


def write(
    name: str, lines: Iterable[ResultLine], categories: dict[str, int], images: Write, results: Write
) -> Written:
    """Write both documents.

    Args:
        name: of the batch. Images that were uploaded for it are called as they were before.
        categories: id of each label.
        images, results: where the two documents go.
    """
    uploaded, written = files.images_prefix(name), Written()
    info = {"description": f"LabelLoop batch {name}"}
    images(f'{{"info": {json.dumps(info)}, "images": [')
    results("[")
    for line in lines:
        if line.status == "failed":
            written = _more(written, failed=1)
            continue
        images((",\n" if written.images else "\n") + json.dumps(_image(line, uploaded), ensure_ascii=False))
        detections = _detections(line, categories)
        for number, detection in enumerate(detections, start=written.detections):
            results((",\n" if number else "\n") + json.dumps(detection))
        left_out = len(line.labels) - len(detections)
        written = _more(written, images=1, detections=len(detections), without_box=left_out)
    names = [{"id": id, "name": label, "supercategory": ""} for label, id in categories.items()]
    images(f'\n], "annotations": [], "categories": {json.dumps(names, ensure_ascii=False)}}}\n')
    results("\n]\n")
    return written


def upload(
    s3: S3Client, bucket: str, name: str, lines: Iterable[ResultLine], categories: dict[str, int]
) -> Written:
    """Write both documents into the bucket, beside the batch's results.

    Either is there whole, or not at all.
    """
    with (
        _Upload(s3, bucket, files.coco_key(name, IMAGES)) as images,
        _Upload(s3, bucket, files.coco_key(name, RESULTS)) as results,
    ):
        return write(name, lines, categories, images.write, results.write)


class _Upload:
    """An object of unknown length, sent in parts while it is made. Used in a `with` block.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html
    """

    def __init__(self, s3: S3Client, bucket: str, key: str) -> None:
        self._s3 = s3
        self._target: Any = {"Bucket": bucket, "Key": key}
        self._buffer = bytearray()
        self._parts: list[Any] = []
        self._id = ""

    def __enter__(self) -> _Upload:
        created = self._s3.create_multipart_upload(**self._target, ContentType="application/json")
        self._id = created["UploadId"]
        return self

    def write(self, text: str) -> None:
        self._buffer += text.encode()
        if len(self._buffer) >= PART_BYTES:
            self._send()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._s3.abort_multipart_upload(**self._target, UploadId=self._id)
            return
        self._send()
        self._s3.complete_multipart_upload(
            **self._target, UploadId=self._id, MultipartUpload={"Parts": self._parts}
        )

    def _send(self) -> None:
        number = len(self._parts) + 1
        sent = self._s3.upload_part(
            **self._target, UploadId=self._id, PartNumber=number, Body=bytes(self._buffer)
        )
        self._parts.append({"PartNumber": number, "ETag": sent["ETag"]})
        self._buffer.clear()


def _image(line: ResultLine, uploaded: str) -> dict[str, Any]:
    return {
        "id": int(line.id),
        "file_name": line.key.removeprefix(uploaded),
        "width": line.width,
        "height": line.height,
        "coco_url": f"s3://{line.bucket}/{line.key}",
    }


def _detections(line: ResultLine, categories: dict[str, int]) -> Sequence[dict[str, Any]]:
    if line.width is None or line.height is None:
        return ()
    width, height = line.width, line.height
    return [
        {
            "image_id": int(line.id),
            "category_id": categories[label["label"]],
            "bbox": _pixels(label["box"], width, height),
            "score": round(label["confidence"] / 100, 6),
        }
        for label in line.labels
        if label.get("box")
    ]


def _pixels(box: dict[str, float], width: int, height: int) -> list[float]:
    """Left, top, width and height in pixels from the image's upper left corner, as COCO has them."""
    sizes = (("left", width), ("top", height), ("width", width), ("height", height))
    return [round(box[side] * size, 2) for side, size in sizes]


def _more(written: Written, **more: int) -> Written:
    return Written(**{name: value + more.get(name, 0) for name, value in vars(written).items()})
