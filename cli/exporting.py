"""The command `labelloop export`: write labelled images, their labels and their split to a folder."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ALL_COMPLETED, FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Self

from botocore.config import Config
from botocore.exceptions import ClientError
from rich.console import Console

from cli import formatting
from cli.deployment import CONFIG, Deployment, s3_client
from cli.output import CommandError
from cli.progress import Meter, meter
from cli.session import Session
from lambdas.domain.annotations import coco, sagemaker, writing, yolo
from lambdas.domain.annotations.types import ImageAnnotation, LabelledBox
from lambdas.domain.catalogue import curation
from lambdas.domain.catalogue import images as catalogue_images
from lambdas.domain.catalogue.images import CatalogueImage
from lambdas.domain.catalogue.split_ledger import Ledger
from lambdas.domain.register.arrivals import ANNOTATIONS, LABELED, UNLABELED
from lambdas.domain.shared import manifests
from lambdas.domain.shared.annotation import DATASET_TYPES, DatasetType
from lambdas.domain.snapshot import snapshots
from lambdas.domain.snapshot.snapshots import Snapshot

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

THREADS = 16
WINDOW = 4 * THREADS
"""Downloads that are begun and not written yet."""

_SUFFIXES = (".jpg", ".jpeg", ".png")
MAX_PART_BYTES = 250
"""Of a file's or a folder's name: Linux takes 255."""
_DEVICES = re.compile(
    r"(con|prn|aux|nul|com[0-9\u00b9\u00b2\u00b3]|lpt[0-9\u00b9\u00b2\u00b3])(\..*)?", re.IGNORECASE
)
"""What Windows takes for a device, whatever its suffix."""

_CONFIG = CONFIG.merge(Config(max_pool_connections=THREADS))


@dataclass(frozen=True)
class Options:
    """What to export, and how."""

    format: str = ""
    """Empty: coco for boxes, manifest for image-level labels."""
    snapshot: str = ""
    """Empty: the catalogue as it is now."""
    with_images: bool = True


@dataclass(frozen=True)
class ExportedImage:
    """A labelled image and the name that it is written under."""

    image: CatalogueImage
    dataset_type: DatasetType | None
    name: str

    def annotation(self) -> ImageAnnotation:
        image = self.image
        return ImageAnnotation(
            image=self.name,
            kind=image.kind,
            labels=image.labels,
            boxes=tuple(LabelledBox(b.label, b.left, b.top, b.width, b.height) for b in image.boxes),
            size=(image.width, image.height),
            normalised=False,
            dataset_type=self.dataset_type or "",
            file="",
            line=0,
        )


class Names:
    """Names of exported images: those that they were imported under, made unique."""

    def __init__(self) -> None:
        self._files: set[str] = set()
        self._folders: set[str] = set()

    def name(self, image: CatalogueImage) -> str:
        suffix = PurePosixPath(image.key).suffix
        for name in (*_names(image), f"{image.sha256}{suffix}"):
            file = writing.file_identity(name)
            folders = {str(folder) for folder in PurePosixPath(file).parents}
            if file not in self._files and file not in self._folders and not folders & self._files:
                self._files.add(file)
                self._folders |= folders
                return name
        raise CommandError(f"{image.id} is exported twice")


def _names(image: CatalogueImage) -> Iterator[str]:
    """The safe names that an image came under: first without the folder of its dataset, then with it."""
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
    """Whether it is an image's name inside a folder, on any system.

    https://learn.microsoft.com/en-us/windows/win32/fileio/naming-a-file
    """
    plain = name.isprintable() and not set(name) & set('\\:*?"<>|')
    is_image = PurePosixPath(name).suffix.lower() in _SUFFIXES
    return plain and is_image and all(map(_is_safe_part, name.split("/")))


def _is_safe_part(part: str) -> bool:
    # Beside it lies a file of its labels, with another suffix.
    fits = 0 < len(part.encode()) <= MAX_PART_BYTES
    return fits and not part.endswith((".", " ")) and not _DEVICES.fullmatch(part)


# Reading


def of_catalogue(deployment: Deployment) -> Iterator[ExportedImage]:
    """Every labelled image of the catalogue, with its dataset type if it has one."""
    names, ledger = Names(), Ledger.read(deployment.catalogue)
    for image in curation.find(deployment.catalogue, status="labelled"):
        yield ExportedImage(image, ledger.dataset_type_of(image.sha256), names.name(image))


def of_snapshot(deployment: Deployment, snapshot: str) -> Iterator[ExportedImage]:
    """The images of a snapshot, labelled as they were in it."""
    names = Names()
    for dataset_type in DATASET_TYPES:
        lines = snapshots.entries(deployment.s3, deployment.bucket, snapshot, dataset_type)
        for number, line in enumerate(lines, start=1):
            annotation = manifests.parse_line(line, number)
            sha256 = PurePosixPath(annotation.source_key).stem
            known = catalogue_images.get_image(deployment.catalogue, sha256)
            if known is None:
                raise CommandError(f"image {sha256} of snapshot {snapshot} is not in the catalogue")
            image = replace(known, kind=annotation.kind, labels=annotation.labels, boxes=annotation.boxes)
            yield ExportedImage(image, dataset_type, names.name(known))


def _entries(snapshot: Snapshot) -> int:
    backgrounds = snapshot.train_backgrounds + snapshot.test_backgrounds
    return snapshot.train_images + snapshot.test_images + backgrounds


# Writing


def run(session: Session, path: Path, options: Options) -> None:
    """Export images to a folder, as `labelloop export` does.

    Raises:
        CommandError: the folder is not empty, nothing is labelled, or the format cannot hold the labels.
    """
    _check_target(path)
    deployment = session.deployment()
    images, total = _chosen(deployment, options)
    remaining = iter(images)
    first = next(remaining, None)
    if first is None:
        raise CommandError(f"{deployment.name} has no labelled image to export")
    format = options.format or ("manifest" if first.image.kind == "classification" else "coco")
    counts: Counter[str] = Counter()
    with (
        meter(session.out.console, "Exporting", total) as progress,
        _Downloads(deployment.bucket, path, progress) as downloads,
    ):

        def annotations() -> Iterator[ImageAnnotation]:
            for image in chain([first], remaining):
                _check_kind(image, format)
                counts[image.dataset_type or "unassigned"] += 1
                if options.with_images:
                    downloads.add(image)
                else:
                    progress.advance()
                yield image.annotation()

        try:
            _WRITERS[format](path, annotations())
        except ValueError as error:
            raise CommandError(f"{path}: {error}") from error
        except OSError as error:
            raise CommandError(f"{path} cannot be written: {error.strerror}") from error
    document = {
        "path": str(path),
        "format": format,
        "snapshot": options.snapshot,
        "images": dict(counts),
        "downloaded": downloads.count,
        "missing": downloads.missing,
    }
    session.print_result(document, lambda: _show(session.out.console, document))
    if downloads.missing:
        raise CommandError(f"{formatting.count(len(downloads.missing), 'image')} could not be downloaded")


def _check_target(path: Path) -> None:
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise CommandError(
            f"{path} exists and is not an empty folder: name a new or an empty one", exit_code=2
        )
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CommandError(f"{path} cannot be made: {error.strerror}", exit_code=2) from error


def _check_kind(exported: ExportedImage, format: str) -> None:
    """Refuse an image whose labels the format cannot hold, before it is downloaded."""
    if exported.image.kind == "classification" and format in _OF_BOXES:
        raise CommandError(
            f"{format} holds boxes only, and {exported.name} has labels of the whole image: choose"
            " --format manifest",
            exit_code=2,
        )


def _chosen(deployment: Deployment, options: Options) -> tuple[Iterable[ExportedImage], int]:
    """The images to export, and their number."""
    if not options.snapshot:
        return of_catalogue(deployment), catalogue_images.count_by_status(deployment.catalogue)["labelled"]
    try:
        made = snapshots.read(deployment.s3, deployment.bucket, options.snapshot)
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchKey":
            raise
        raise CommandError(
            f"there is no snapshot {options.snapshot}: `labelloop versions VERSION` shows that of a version"
        ) from error
    return of_snapshot(deployment, options.snapshot), _entries(made)


class _Downloads:
    """Downloads images to their files in parallel, at most WINDOW of them at once."""

    def __init__(self, bucket: str, folder: Path, progress: Meter) -> None:
        self.count = 0
        self.missing: list[str] = []
        self._bucket, self._folder, self._progress = bucket, folder, progress
        self._s3 = client()
        self._pool = ThreadPoolExecutor(THREADS)
        self._waiting: dict[Future[int], ExportedImage] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._wait(ALL_COMPLETED)
        finally:
            self._pool.shutdown(cancel_futures=True)

    def add(self, exported: ExportedImage) -> None:
        if len(self._waiting) >= WINDOW:
            self._wait(FIRST_COMPLETED)
        self._waiting[self._pool.submit(self._fetch, exported)] = exported

    def _fetch(self, exported: ExportedImage) -> int:
        image = exported.image
        body = self._s3.get_object(Bucket=self._bucket, Key=image.key)["Body"].read()
        if hashlib.sha256(body).hexdigest() != image.sha256:
            raise CommandError(f"{image.key} does not have the content that its name says")
        target = self._folder / exported.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(body)
        return len(body)

    def _wait(self, until: str) -> None:
        done, _ = wait(self._waiting, return_when=until)
        for future in done:
            exported = self._waiting.pop(future)
            try:
                self._progress.advance(future.result())
                self.count += 1
            except ClientError as error:
                if error.response["Error"]["Code"] != "NoSuchKey":
                    raise
                self.missing.append(exported.image.key)
            except OSError as error:
                raise CommandError(f"{exported.name} cannot be written: {error.strerror}") from error


def client() -> S3Client:
    """An S3 client for THREADS downloads at once."""
    return s3_client(_CONFIG)


_WRITERS: dict[str, Callable[[Path, Iterable[ImageAnnotation]], None]] = {
    "coco": coco.write_coco,
    "yolo": yolo.write_yolo,
    "manifest": sagemaker.write_manifest,
}

_OF_BOXES = ("coco", "yolo")


def _show(console: Console, document: dict[str, Any]) -> None:
    counts = ", ".join(f"{count} {type}" for type, count in sorted(document["images"].items()))
    console.print(f"{document['path']}: {document['format']}, {counts}", markup=False, soft_wrap=True)
    console.print(f"{formatting.count(document['downloaded'], 'image')} downloaded")
    for key in document["missing"][:10]:
        console.print(f"missing: {key}", style="yellow", markup=False)
