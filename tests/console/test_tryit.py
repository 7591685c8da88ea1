"""Trying the champion, where S3 or Rekognition say no."""

from __future__ import annotations

from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from lambdas.domain.console import tryit
from lambdas.domain.images.files import MAX_BYTES
from lambdas.domain.images.tiles import Tiling
from lambdas.domain.shared.annotation import Box
from lambdas.domain.shared.errors import ApiError
from lambdas.domain.shared.records import ModelVersion
from lambdas.domain.shared.scores import LabelScore
from lambdas.services import services
from tests.fixtures.api_gateway import Gateway
from tests.fixtures.coloured_objects import scene
from tests.fixtures.console_deployment import TRIED, ConsoleDeployment
from tests.fixtures.deployment import BUCKET, World
from tests.fixtures.images import encoded
from tests.fixtures.rekognition import error, label


def test_names_are_new_every_time() -> None:
    names = {tryit.new_id() for _ in range(100)}
    assert len(names) == 100
    assert {tryit.key(name) for name in names} == {f"try/{name}" for name in names}


@pytest.mark.parametrize(
    "id", ["", "x", "../" * 10 + "ab", "0" * 31, "0" * 33, "G" * 32, "0" * 31 + "\n", "0" * 31 + "/"]
)
def test_no_other_name_is_a_key(id: str) -> None:
    with pytest.raises(ApiError) as refused:
        tryit.key(id)
    assert refused.value.status == 404


class Store:
    """S3 with one object, of which nothing has to be read."""

    def __init__(self, size: int, code: str = "") -> None:
        self.size, self.code = size, code

    def get_object(self, **_: Any) -> dict[str, Any]:
        if self.code:
            raise error(self.code)
        return {"ContentLength": self.size, "Body": None}


def ask(store: Store) -> Any:
    s = services()
    return tryit.ask(
        s.patient_detector,
        cast(Any, store),
        s.loop_state,
        BUCKET,
        TRIED,
        tuning=s.tuning,
        tiling=Tiling(),
        tell=lambda request: None,
    )


def test_an_object_too_large_to_be_an_image_is_not_read(deployment: ConsoleDeployment) -> None:
    with pytest.raises(ApiError, match="cannot be used") as refused:
        ask(Store(MAX_BYTES + 1))
    assert (refused.value.status, refused.value.code) == (422, "bad_image")


def test_an_image_that_has_not_arrived(deployment: ConsoleDeployment) -> None:
    with pytest.raises(ApiError, match="has not arrived") as refused:
        ask(Store(1, "NoSuchKey"))
    assert refused.value.status == 404


def test_what_s3_refuses_otherwise_is_a_failure(deployment: ConsoleDeployment) -> None:
    with pytest.raises(ClientError):
        ask(Store(1, "AccessDenied"))


@pytest.mark.parametrize("code", ["InvalidImageFormatException", "ImageTooLargeException"])
def test_an_image_that_rekognition_does_not_take(
    code: str, deployment: ConsoleDeployment, gateway: Gateway
) -> None:
    deployment.world.fake.fail_next("detect_custom_labels", code)
    refused = gateway.ask(f"POST /api/try/{TRIED}/detection")
    assert (refused.status, refused.code) == (422, "bad_image")


@pytest.mark.parametrize("code", ["AccessDeniedException", "InvalidS3ObjectException"])
def test_what_rekognition_refuses_otherwise_is_a_failure(
    code: str, deployment: ConsoleDeployment, gateway: Gateway
) -> None:
    deployment.world.fake.fail_next("detect_custom_labels", code)
    with pytest.raises(ClientError):
        gateway.ask(f"POST /api/try/{TRIED}/detection")


def send(world: World, size: tuple[int, int]) -> str:
    """Name of an image that somebody has sent."""
    id = tryit.new_id()
    data = encoded(scene(*size, [Box("bolt", 2000, 100, 80, 60)]), "JPEG")
    world.s3.put_object(Bucket=BUCKET, Key=tryit.key(id), Body=data)
    return id


def test_a_large_image_is_tried_in_tiles(
    deployment: ConsoleDeployment, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = deployment.world.fake
    seen = [label("bolt", 51.0, (0.4, 0.4, 0.1, 0.1))]
    monkeypatch.setattr(fake, "finds", lambda version, key: seen)
    id = send(deployment.world, (4200, 300))
    document = gateway.ask(f"POST /api/try/{id}/detection").document
    assert (document["width"], document["height"]) == (4200, 300)
    assert len(document["labels"]) > 1, "one in each tile"
    task = deployment.reviews.table.get(gateway.ask(f"POST /api/try/{id}/review").document["task"])
    assert task is not None
    assert (task.width, task.height, task.reason) == (1280, 300, "requested")


def test_an_image_of_more_tiles_than_somebody_waits_for_is_refused_with_what_helps(
    deployment: ConsoleDeployment, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = send(deployment.world, (4200, 300))
    monkeypatch.setattr(tryit, "MAX_TILES", 4)
    refused = gateway.ask(f"POST /api/try/{id}/detection")
    assert (refused.status, refused.code) == (422, "bad_image")
    assert "are 5 tiles" in str(refused.document)
    monkeypatch.setattr(tryit, "MAX_TILES", 5)
    monkeypatch.setattr(tryit, "TILES_SECONDS", -1)
    assert gateway.ask(f"POST /api/try/{id}/detection").status == 503


def test_labels_of_the_whole_image_have_no_box(
    deployment: ConsoleDeployment, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deployment.world.fake, "finds", lambda version, key: [label("night", 71.25)])
    assert gateway.ask(f"POST /api/try/{TRIED}/detection").document["labels"] == [
        {"name": "night", "confidence": 71.25}
    ]


def test_what_the_thresholds_leave_out_is_seen_and_not_suggested_to_reviewers(
    deployment: ConsoleDeployment, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = (LabelScore("cat", f1=0.9, precision=0.9, recall=0.9, test_images=9, threshold=0.28),)
    deployment.world.loop_state.update_version(ModelVersion("v1", labels=scores))
    seen = [label("cat", 46.0, (0.1, 0.2, 0.5, 0.25)), label("cat", 12.0, (0.5, 0.5, 0.2, 0.2))]
    monkeypatch.setattr(deployment.world.fake, "finds", lambda version, key: seen)
    asked: list[Any] = []
    real = deployment.world.fake.detect_custom_labels

    def detect(**request: Any) -> Any:
        asked.append(request.get("MinConfidence"))
        return real(**request)

    monkeypatch.setattr(deployment.world.fake, "detect_custom_labels", detect)
    document = gateway.ask(f"POST /api/try/{TRIED}/detection").document
    assert [each["confidence"] for each in document["labels"]] == [46.0, 12.0]
    assert (document["thresholds"], asked) == ({"cat": 28.0}, [0])
    assert document["model_version_arn"] == deployment.world.fake.versions["v1"]["ProjectVersionArn"]
    task = deployment.reviews.table.get(gateway.ask(f"POST /api/try/{TRIED}/review").document["task"])
    assert task is not None
    assert [box.confidence for box in task.suggestions.boxes] == [46.0]


def test_without_the_thresholds_the_model_decides_what_counts(
    deployment: ConsoleDeployment, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    real = deployment.world.fake.detect_custom_labels

    def detect(**request: Any) -> Any:
        asked.append(request.get("MinConfidence"))
        return real(**request)

    monkeypatch.setattr(deployment.world.fake, "detect_custom_labels", detect)
    assert gateway.ask(f"POST /api/try/{TRIED}/detection").document["thresholds"] == {}
    assert asked == [None]
