"""Data sets on disk, and a deployment that registers what is sent to it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lambdas.domain import arrivals, registration
from lambdas.domain.arrivals import Arrival
from tests.cli.conftest import Cli
from tests.register.pictures import picture

BUCKET = "parts-data"
SIZE = (80, 70)


def write_images(folder: Path, names: Iterable[str], first: int = 0) -> list[str]:
    """Small images, each with its own content: their names."""
    written = []
    for number, name in enumerate(names, start=first):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(picture(number, size=SIZE, format="PNG" if "png" in name else "JPEG"))
        written.append(name)
    return written


def coco(names: Iterable[str], *, size: tuple[int, int] = SIZE, label: str = "bolt") -> dict[str, Any]:
    """Two boxes on each image, of two labels."""
    images = list(enumerate(names, start=1))
    boxes = [(label, [10, 12, 20, 22]), ("nut", [40, 30, 15, 25])]
    return {
        "images": [
            {"id": number, "file_name": name, "width": size[0], "height": size[1]} for number, name in images
        ],
        "categories": [{"id": 1, "name": label}, {"id": 2, "name": "nut"}],
        "annotations": [
            {"id": 10 * number + i, "image_id": number, "category_id": i + 1, "bbox": bbox}
            for number, _ in images
            for i, (_, bbox) in enumerate(boxes)
        ],
    }


def write_coco(folder: Path, number: int = 4, **more: Any) -> Path:
    """A COCO data set of so many images: its folder."""
    names = write_images(folder, [f"images/{i}.jpg" for i in range(number)])
    (folder / "annotations.json").write_text(json.dumps(coco(names, **more)))
    return folder


def keys(cli: Cli, prefix: str = "") -> list[str]:
    pages = cli.s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
    return [found["Key"] for page in pages for found in page.get("Contents", [])]


def register_all(cli: Cli) -> None:
    """Let every event come, also those of parts that are made meanwhile."""
    for number in range(10):
        waiting = keys(cli, "incoming/")
        if not waiting:
            return
        for key in waiting:
            arrival = Arrival(BUCKET, key, None, 0, f"{number:08X}")
            outcome = registration.register_object(cli.s3, cli.catalogue, arrival)
            arrivals.forget(cli.s3, [outcome])
    raise AssertionError(f"still there: {keys(cli, 'incoming/')}")


def catalogued(cli: Cli) -> dict[str, dict[str, Any]]:
    """The catalogue's images by a name that they came under, without the data set's folder."""
    found = {}
    for item in cli.catalogue.scan(ConsistentRead=True)["Items"]:
        if str(item["id"]).startswith("image#"):
            for source in item["sources"]:
                found[str(source).split("/", 3)[-1]] = item
    return found
