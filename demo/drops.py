"""What people drop into the bucket in the demo: pictures, manifests, folders."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from cli.deployment import Deployment
from lambdas.domain.register.arrivals import ANNOTATIONS, LABELED, UNLABELED
from lambdas.domain.shared import clock
from lambdas.domain.shared.annotation import Box
from lambdas.domain.shared.manifests import detection_entry, entry_line
from local.scenes import Scene

Sent = Callable[[], None]
"""Called after each picture."""


def incoming_key(scene: Scene) -> str:
    """Where a scene that a manifest speaks of is dropped."""
    return f"{ANNOTATIONS}{scene.name}.jpg"


def manifest(bucket: str, scenes: Iterable[Scene], moment: str) -> str:
    """A SageMaker manifest with the boxes of each scene, which names it by its incoming key."""
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


def send_pictures(deployment: Deployment, scenes: Iterable[Scene], sent: Sent) -> None:
    """Pictures whose labels a manifest brings."""
    for scene in scenes:
        _put(deployment, incoming_key(scene), scene.jpeg())
        sent()


def send_manifest(deployment: Deployment, name: str, scenes: Sequence[Scene]) -> None:
    body = manifest(deployment.bucket, scenes, clock.now())
    _put(deployment, f"{ANNOTATIONS}{name}.manifest", body.encode())


def send_by_folder(deployment: Deployment, scenes: Iterable[Scene], sent: Sent) -> None:
    """Pictures that carry their label in their folder."""
    for scene in scenes:
        _put(deployment, f"{LABELED}{scene.labels[0]}/{scene.name}.jpg", scene.jpeg())
        sent()


def send_unlabelled(deployment: Deployment, scenes: Iterable[Scene], sent: Sent) -> None:
    """Pictures of which nobody has said what they show."""
    for scene in scenes:
        _put(deployment, f"{UNLABELED}{scene.name}.jpg", scene.jpeg())
        sent()


def _put(deployment: Deployment, key: str, body: bytes) -> None:
    deployment.s3.put_object(Bucket=deployment.bucket, Key=key, Body=body)
