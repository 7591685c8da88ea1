"""`labelloop diff`: what two model versions were trained and tested on, and how that differs."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from cli import history
from cli.deployment import Deployment
from cli.formatting import count
from cli.output import CommandError
from lambdas.domain.shared.frozen import frozen
from lambdas.domain.snapshot import difference
from lambdas.domain.snapshot.difference import ImageDifference, SnapshotDifference

if TYPE_CHECKING:
    from rich.console import Console

    from lambdas.domain.shared.records import ModelVersion

_SHA256 = re.compile("[0-9a-f]{64}")


@frozen
class VersionDifference:
    """How the snapshots of two versions differ."""

    first: ModelVersion
    second: ModelVersion
    snapshots: SnapshotDifference

    @property
    def settings(self) -> dict[str, list[Any]] | None:
        """Settings that differed when the versions were judged, before and after; None: not known."""
        before, after = self.first.settings, self.second.settings
        if before is None or after is None:
            return None
        names = sorted({*before, *after})
        return {
            name: [before.get(name), after.get(name)] for name in names if before.get(name) != after.get(name)
        }

    def as_dict(self) -> dict[str, Any]:
        return {
            "versions": [self.first.id, self.second.id],
            "snapshots": [self.first.trained_on, self.second.trained_on],
            "f1": [self.first.f1, self.second.f1],
            "settings": self.settings,
            **self.snapshots.as_dict(),
        }


def between(deployment: Deployment, first: str, second: str) -> VersionDifference:
    """How what the second version was trained and tested on differs from that of the first.

    Raises:
        CommandError: there is no such version, or its snapshot is not known or gone.
    """
    versions = history.version(deployment, first), history.version(deployment, second)
    for version in versions:
        if not version.trained_on:
            raise CommandError(f"{version.id} was not trained by this deployment: its snapshot is not known")
    s3, bucket = deployment.s3, deployment.bucket
    try:
        snapshots = difference.between(s3, bucket, str(versions[0].trained_on), str(versions[1].trained_on))
    except s3.exceptions.NoSuchKey as error:
        names = " or ".join(str(version.trained_on) for version in versions)
        raise CommandError(f"the files of the snapshot {names} are not in s3://{bucket} any more") from error
    return VersionDifference(*versions, snapshots)


def show(console: Console, between_versions: VersionDifference) -> None:
    """Print the summary, then what has become of each label, then of each image."""
    first, second, snapshots = between_versions.first, between_versions.second, between_versions.snapshots
    for version, images in ((first, snapshots.before), (second, snapshots.after)):
        console.print(f"{version.id}: snapshot {version.trained_on}, {count(images, 'image')}", markup=False)
    for name, (before, after) in (between_versions.settings or {}).items():
        console.print(f"setting {name}: {before} -> {after}", markup=False)
    if not snapshots.images:
        console.print("Both have the same images with the same labels.")
        return
    parts = [f"{number} {change}" for change, number in snapshots.counts.items() if number]
    console.print(f"{', '.join(parts)}", markup=False)
    labels = Table("label", "before", "after", "came", "went", box=None, header_style="bold")
    for label in snapshots.labels:
        labels.add_row(escape(label.label), *map(str, (label.before, label.after, label.came, label.went)))
    console.print(labels)
    images = Table("image", "dataset", "change", "labels", box=None, header_style="bold")
    for image in snapshots.images:
        images.add_row(escape(_short(image.key)), image.dataset, image.change, escape(_labels(image)))
    console.print(images)


def _short(key: str) -> str:
    """An image as `labelloop images show` takes it: the first digits of its hash, if that is its name."""
    name = PurePosixPath(key).stem
    return name[:12] if _SHA256.fullmatch(name) else key


def _labels(image: ImageDifference) -> str:
    sides = [", ".join(labels) or "nothing" for labels in (image.before, image.after) if labels is not None]
    return " -> ".join(dict.fromkeys(sides))
