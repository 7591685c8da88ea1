"""`labelloop export`: labelled images, their labels and their sides, back out of a deployment."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ALL_COMPLETED, FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Self

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from rich.console import Console

from cli import words
from cli.deployment import CONFIG, Deployment
from cli.importing.progress import Meter, meter
from cli.output import CommandError
from cli.session import Session
from lambdas.domain.annotations import coco, sagemaker, yolo
from lambdas.domain.annotations.types import ImageAnnotation, LabelledBox
from lambdas.domain.catalogue import curation
from lambdas.domain.catalogue import images as catalogue_images
from lambdas.domain.catalogue.images import CatalogueImage
from lambdas.domain.catalogue.split_ledger import Ledger
from lambdas.domain.register.arrivals import ANNOTATIONS, LABELED, UNLABELED
from lambdas.domain.shared import manifests
from lambdas.domain.shared.annotation import DATASET_TYPES, DatasetType
from lambdas.domain.snapshot import snapshots

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

THREADS = 16
WINDOW = 4 * THREADS
"""Downloads in hand at once."""

_CONFIG = CONFIG.merge(Config(max_pool_connections=THREADS))


@dataclass(frozen=True)
class Options:
    format: str = ""
    """Empty: coco, or what takes image-level labels if that is what the images have."""
    snapshot: str = ""
    """Empty: the catalogue as it is now."""
    with_images: bool = True


@dataclass(frozen=True)
class Exported:
    """A labelled image under the name that it is written by."""

    image: CatalogueImage
    side: DatasetType | None
    name: str

    def as_found(self) -> ImageAnnotation:
        image = self.image
        return ImageAnnotation(
            image=self.name,
            kind=image.kind,
            labels=image.labels,
            boxes=tuple(LabelledBox(b.label, b.left, b.top, b.width, b.height) for b in image.boxes),
            size=(image.width, image.height),
            normalised=False,
            split=self.side or "",
            file="",
            line=0,
        )


class Names:
    """What images are called: as they were when they were dropped, and no two alike."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def name(self, image: CatalogueImage) -> str:
        suffix = PurePosixPath(image.key).suffix
        for name in (*_names(image), f"{image.sha256}{suffix}"):
            # Names that differ by case alone are one file on many machines.
            if name.lower() not in self._taken:
                self._taken.add(name.lower())
                return name
        raise CommandError(f"{image.id} is there twice")


def _names(image: CatalogueImage) -> Iterator[str]:
    """The names that it came under, without the folder of its data set, then with it; only safe ones."""
    keys = sorted(image.sources, key=lambda key: (not key.startswith(ANNOTATIONS), key))
    below = [
        key.removeprefix(folder)
        for key in keys
        for folder in (ANNOTATIONS, UNLABELED, LABELED)
        if key.startswith(folder)
    ]
    inside = [name.partition("/")[2] or name for name in below]
    yield from (name for name in inside + below if _is_safe(name))


def _is_safe(name: str) -> bool:
    parts = name.split("/")
    plain = name.isprintable() and not set(name) & set('\\:*?"<>|')
    return plain and all(part not in ("", ".", "..") for part in parts)


# Reading


def of_catalogue(deployment: Deployment) -> Iterator[Exported]:
    """Every labelled image, with its side if it has one."""
    names, ledger = Names(), Ledger.read(deployment.catalogue)
    for image in curation.find(deployment.catalogue, status="labelled"):
        yield Exported(image, ledger.dataset_type_of(image.sha256), names.name(image))


def of_snapshot(deployment: Deployment, snapshot: str) -> Iterator[Exported]:
    """The images of a snapshot, labelled as they were in it."""
    names = Names()
    for side in DATASET_TYPES:
        lines = snapshots.entries(deployment.s3, deployment.bucket, snapshot, side)
        for number, line in enumerate(lines, start=1):
            said = manifests.parse_line(line, number)
            sha256 = PurePosixPath(said.source_key).stem
            known = catalogue_images.get_image(deployment.catalogue, sha256)
            if known is None:
                raise CommandError(f"image {sha256} of snapshot {snapshot} is not in the catalogue")
            image = replace(known, kind=said.kind, labels=said.labels, boxes=said.boxes)
            yield Exported(image, side, names.name(known))


# Writing


def run(using: Session, path: Path, options: Options) -> None:
    """See `labelloop export --help`.

    Raises:
        CommandError: the folder is not empty, there is nothing to export, or the format has no place for it.
    """
    _check_target(path)
    deployment = using.deployment()
    chosen, total = _chosen(deployment, options)
    exported = iter(chosen)
    first = next(exported, None)
    if first is None:
        raise CommandError(f"{deployment.name} has no labelled image to export")
    format = options.format or ("manifest" if first.image.kind == "classification" else "coco")
    counts: Counter[str] = Counter()
    with (
        meter(using.out.console, "Exporting", total) as shown,
        _Downloads(deployment.bucket, path, shown) as downloads,
    ):

        def passing() -> Iterator[ImageAnnotation]:
            for each in chain([first], exported):
                _check_kind(each, format)
                counts[each.side or "unassigned"] += 1
                if options.with_images:
                    downloads.add(each)
                else:
                    shown.advance()
                yield each.as_found()

        try:
            _WRITERS[format](path, passing())
        except ValueError as error:
            raise CommandError(f"{path}: {error}") from error
    document = {
        "path": str(path),
        "format": format,
        "snapshot": options.snapshot,
        "images": dict(counts),
        "downloaded": downloads.count,
        "missing": downloads.missing,
    }
    using.tell(document, lambda: _show(using.out.console, document))
    if downloads.missing:
        raise CommandError(f"{words.count(len(downloads.missing), 'image')} could not be downloaded")


def _check_target(path: Path) -> None:
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise CommandError(f"{path} is there already: name a folder that is not, or is empty", exit_code=2)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CommandError(f"{path} cannot be made: {error.strerror}", exit_code=2) from error


def _check_kind(exported: Exported, format: str) -> None:
    """Before the image is downloaded. Raises CommandError."""
    if exported.image.kind == "classification" and format in _OF_BOXES:
        raise CommandError(
            f"{format} has a place for boxes only, and {exported.name} has labels of the whole image: choose"
            " --format manifest",
            exit_code=2,
        )


def _chosen(deployment: Deployment, options: Options) -> tuple[Iterable[Exported], int]:
    """The images, and how many they are."""
    if not options.snapshot:
        return of_catalogue(deployment), catalogue_images.count_by_status(deployment.catalogue)["labelled"]
    try:
        found = snapshots.read(deployment.s3, deployment.bucket, options.snapshot)
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchKey":
            raise
        raise CommandError(
            f"there is no snapshot {options.snapshot}: `labelloop models VERSION` tells that of a version"
        ) from error
    return of_snapshot(deployment, options.snapshot), found.train_images + found.test_images


class _Downloads:
    """Images on their way to their files, WINDOW of them in hand."""

    def __init__(self, bucket: str, folder: Path, shown: Meter) -> None:
        self.count = 0
        self.missing: list[str] = []
        self._bucket, self._folder, self._shown = bucket, folder, shown
        self._s3 = client()
        self._pool = ThreadPoolExecutor(THREADS)
        self._waiting: dict[Future[int], Exported] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._settle(ALL_COMPLETED)
        finally:
            self._pool.shutdown(cancel_futures=True)

    def add(self, exported: Exported) -> None:
        if len(self._waiting) >= WINDOW:
            self._settle(FIRST_COMPLETED)
        self._waiting[self._pool.submit(self._fetch, exported)] = exported

    def _fetch(self, exported: Exported) -> int:
        image = exported.image
        body = self._s3.get_object(Bucket=self._bucket, Key=image.key)["Body"].read()
        if hashlib.sha256(body).hexdigest() != image.sha256:
            raise CommandError(f"{image.key} does not have the content that its name says")
        target = self._folder / exported.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(body)
        return len(body)

    def _settle(self, until: str) -> None:
        done, _ = wait(self._waiting, return_when=until)
        for future in done:
            exported = self._waiting.pop(future)
            try:
                self._shown.advance(future.result())
                self.count += 1
            except ClientError as error:
                if error.response["Error"]["Code"] != "NoSuchKey":
                    raise
                self.missing.append(exported.image.key)
            except OSError as error:
                raise CommandError(f"{exported.name} cannot be written: {error.strerror}") from error


def client() -> S3Client:
    """A client for so many downloads at once."""
    return boto3.client("s3", config=_CONFIG)


_WRITERS: dict[str, Callable[[Path, Iterable[ImageAnnotation]], None]] = {
    "coco": coco.write_coco,
    "yolo": yolo.write_yolo,
    "manifest": sagemaker.write_manifest,
}

_OF_BOXES = ("coco", "yolo")


def _show(console: Console, document: dict[str, Any]) -> None:
    sides = ", ".join(f"{count} {side}" for side, count in sorted(document["images"].items()))
    console.print(f"{document['path']}: {document['format']}, {sides}", markup=False, soft_wrap=True)
    console.print(f"{words.count(document['downloaded'], 'image')} downloaded")
    for key in document["missing"][:10]:
        console.print(f"missing: {key}", style="yellow", markup=False)
