"""Puts images and manifests into the bucket, as people do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from cli.deployment import Deployment
from lambdas.domain.register.arrivals import ANNOTATIONS, LABELED, UNLABELED
from lambdas.domain.shared import clock
from lambdas.domain.shared.annotation import Box
from lambdas.domain.shared.manifests import detection_entry, entry_line
from local.scenes import Scene

OnSent = Callable[[int], None]
"""Called after each image with the number of images that were sent."""


def incoming_key(scene: Scene) -> str:
    """The key of a scene's image whose labels come in a manifest."""
    return f"{ANNOTATIONS}{scene.name}.jpg"


def manifest(bucket: str, scenes: Iterable[Scene], moment: str) -> str:
    """A SageMaker manifest with the boxes of each scene, by the incoming key of its image."""
    return "\n".join(entry_line(_entry(bucket, scene, moment)) for scene in scenes) + "\n"


def _entry(bucket: str, scene: Scene, moment: str) -> dict[str, object]:
    return detection_entry(
        bucket,
        incoming_key(scene),
        width=scene.image.width,
        height=scene.image.height,
        boxes=[Box(box.label, box.left, box.top, box.width, box.height) for box in scene.boxes],
        changed_at=moment,
    )


def send_images(deployment: Deployment, scenes: Iterable[Scene], on_sent: OnSent) -> None:
    """Put images into the bucket whose labels come in a manifest."""
    for number, scene in enumerate(scenes, start=1):
        _put(deployment, incoming_key(scene), scene.jpeg())
        on_sent(number)


def send_manifest(deployment: Deployment, name: str, scenes: Sequence[Scene]) -> None:
    """Put a manifest with the boxes of the scenes into the bucket."""
    body = manifest(deployment.bucket, scenes, clock.now())
    _put(deployment, f"{ANNOTATIONS}{name}.manifest", body.encode())


def send_by_folder(deployment: Deployment, scenes: Iterable[Scene], on_sent: OnSent) -> None:
    """Put images into folders that are named by their label."""
    for number, scene in enumerate(scenes, start=1):
        _put(deployment, f"{LABELED}{scene.labels[0]}/{scene.name}.jpg", scene.jpeg())
        on_sent(number)


def send_unlabelled(deployment: Deployment, scenes: Iterable[Scene], on_sent: OnSent) -> None:
    """Put images without labels into the bucket."""
    for number, scene in enumerate(scenes, start=1):
        _put(deployment, f"{UNLABELED}{scene.name}.jpg", scene.jpeg())
        on_sent(number)


def _put(deployment: Deployment, key: str, body: bytes) -> None:
    deployment.s3.put_object(Bucket=deployment.bucket, Key=key, Body=body)
