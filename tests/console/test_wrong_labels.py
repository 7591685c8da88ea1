"""Labels that a version contradicts, from the list of them to the label that is mended."""

from __future__ import annotations

from typing import Any

import pytest

from lambdas.domain.catalogue import images as catalogue_images
from lambdas.domain.shared.annotation import Box
from tests.fixtures.api_gateway import ANN, Gateway
from tests.fixtures.console_deployment import BOX, ConsoleDeployment, evaluated_line

LABELLED = (Box(**BOX),)


@pytest.fixture
def image(deployment: ConsoleDeployment) -> str:
    """A test image with a cat, which v1 takes for a dog: its SHA-256."""
    sha256 = deployment.world.image("tested", boxes=LABELLED)
    deployment.evaluation("v1", evaluated_line(f"images/{sha256}.jpg"))
    return sha256


def listed(gateway: Gateway) -> Any:
    return gateway.ask("GET /api/wrong-labels").document


def body(suspect: Any, verdict: str = "accepted") -> dict[str, Any]:
    after = {name: suspect["after"][name] for name in ("label", "box")}
    return {
        "verdict": verdict,
        "image": suspect["image"]["image"],
        "before": suspect["before"],
        "after": after,
        "version": "v1",
    }


def boxes(deployment: ConsoleDeployment, sha256: str) -> tuple[Box, ...]:
    image = catalogue_images.get_image(deployment.world.catalogue, sha256)
    assert image is not None
    return image.boxes


def test_a_label_is_mended_and_given_back(
    deployment: ConsoleDeployment, gateway: Gateway, image: str
) -> None:
    (suspect,) = listed(gateway)["suspects"]
    assert suspect["accusation"] == "wrong_label"
    assert (suspect["before"]["label"], suspect["after"]["label"]) == ("cat", "dog")
    assert image in suspect["image"]["url"]
    answer = gateway.ask(f"PUT /api/wrong-labels/{suspect['id']}", body(suspect))
    assert answer.document["by"] == "rita"
    assert boxes(deployment, image) == (Box(**{**BOX, "label": "dog"}),)
    after = listed(gateway)
    assert (after["suspects"], after["checked"]) == ([], 1)
    assert gateway.ask(f"DELETE /api/wrong-labels/{suspect['id']}").status == 204
    assert boxes(deployment, image) == LABELLED
    assert listed(gateway)["total"] == 1
    assert gateway.ask(f"DELETE /api/wrong-labels/{suspect['id']}").status == 404


def test_a_label_that_is_right_is_asked_about_once(
    deployment: ConsoleDeployment, gateway: Gateway, image: str
) -> None:
    (suspect,) = listed(gateway)["suspects"]
    gateway.ask(f"PUT /api/wrong-labels/{suspect['id']}", body(suspect, "rejected"))
    assert boxes(deployment, image) == LABELLED
    assert listed(gateway)["total"] == 0


def test_images_that_were_labelled_otherwise_are_left_out(
    deployment: ConsoleDeployment, gateway: Gateway, image: str
) -> None:
    (suspect,) = listed(gateway)["suspects"]
    deployment.world.image("tested", boxes=(Box("dog", 1, 1, 9, 9),))
    assert listed(gateway)["total"] == 0
    refused = gateway.ask(f"PUT /api/wrong-labels/{suspect['id']}", body(suspect))
    assert (refused.status, refused.code) == (409, "conflict")
    deployment.world.image("tested", boxes=LABELLED, status="excluded")
    assert listed(gateway)["total"] == 0


def test_labels_have_the_names_that_they_have_now(
    deployment: ConsoleDeployment, gateway: Gateway, image: str
) -> None:
    gateway.ask("POST /api/admin/labels/renaming?label=cat", {"name": "tom cat"}, who=ANN)
    (suspect,) = listed(gateway)["suspects"]
    assert suspect["before"]["label"] == "tom cat"
    gateway.ask(f"PUT /api/wrong-labels/{suspect['id']}", body(suspect))
    assert [box.label for box in boxes(deployment, image)] == ["dog"]
    assert listed(gateway)["total"] == 0


def test_labels_that_are_one_by_now_do_not_contradict_each_other(
    deployment: ConsoleDeployment, gateway: Gateway, image: str
) -> None:
    gateway.ask("POST /api/admin/labels/renaming?label=cat", {"name": "dog"}, who=ANN)
    assert listed(gateway)["total"] == 0


def test_without_an_evaluation_there_is_a_sentence(deployment: ConsoleDeployment, gateway: Gateway) -> None:
    for version in deployment.world.fake.versions.values():
        version.pop("TestingDataResult", None)
    refused = gateway.ask("GET /api/wrong-labels")
    assert (refused.status, refused.code) == (404, "no_evaluation")
    assert gateway.ask("GET /api/wrong-labels?version=v9").code == "not_found"


@pytest.mark.parametrize(
    "change",
    [
        {"before": None, "after": None},
        {"after": {"label": "unheard of", "box": {"left": 5, "top": 6, "width": 30, "height": 20}}},
        {"after": {"label": "dog", "box": None}},
        {"after": {"label": "dog", "box": {"left": 90, "top": 90, "width": 30, "height": 30}}},
        {"verdict": "undone"},
        {"after": {"label": "dog", "box": {"left": -1, "top": 6, "width": 30, "height": 20}}},
    ],
    ids=["nothing", "an unknown label", "a label for a box", "outside", "a verdict", "before the image"],
)
def test_an_answer_that_cannot_be(
    change: dict[str, Any], deployment: ConsoleDeployment, gateway: Gateway, image: str
) -> None:
    (suspect,) = listed(gateway)["suspects"]
    refused = gateway.ask(f"PUT /api/wrong-labels/{suspect['id']}", body(suspect) | change)
    assert (refused.status, refused.code) == (422, "bad_answer")
    assert boxes(deployment, image) == LABELLED
    assert gateway.ask("PUT /api/wrong-labels/none", body(suspect)).status == 404
