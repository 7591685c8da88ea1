"""What a version was evaluated to, as people see it; and where there is nothing to see, a sentence."""

from __future__ import annotations

import io
import json
from typing import Any
from urllib.parse import quote

import pytest

from lambdas.domain.catalogue import images as catalogue_images
from lambdas.domain.evaluation import shadow_answers
from lambdas.domain.shared.annotation import Box
from lambdas.domain.shared.records import ModelVersion, Run, SnapshotSummary
from tests.fixtures.api_gateway import ANN, Gateway
from tests.fixtures.console_deployment import BOX, ConsoleDeployment, Judged, evaluated_line
from tests.fixtures.deployment import BUCKET

SIDES = {side: BOX[side] for side in ("left", "top", "width", "height")}
LABELLED = (Box(**BOX),)


@pytest.fixture
def image(deployment: ConsoleDeployment) -> str:
    """A test image that is labelled as its evaluation has it."""
    return f"images/{deployment.world.image('tested', boxes=LABELLED)}.jpg"


def ask(gateway: Gateway, what: str, **query: str) -> Any:
    text = "&".join(f"{name}={quote(value)}" for name, value in query.items())
    return gateway.ask(f"GET /api/versions/v1/{what}?{text}").document


def label(document: Any, name: str) -> Any:
    return next(each for each in document["labels"] if each["label"] == name)


def test_the_figures_are_those_of_the_thresholds(
    deployment: ConsoleDeployment, gateway: Gateway, image: str
) -> None:
    right = Judged("cat", 80, True)
    deployment.evaluation("v1", evaluated_line(image, right), evaluated_line("images/b.jpg", right))
    document = ask(gateway, "evaluation")
    assert (document["f1"], document["images"], document["source"]) == (1, 2, "training")
    cat = label(document, "cat")
    assert cat["curve"] == [
        {"threshold": 80, "right": 2, "wrong": 0, "missed": 0},
        {"threshold": 81, "right": 0, "wrong": 0, "missed": 2},
    ]
    assert (cat["right"], cat["floor"], cat["own_threshold"]) == (2, 80, None)
    stricter = ask(gateway, "evaluation", threshold="cat:90")
    assert (label(stricter, "cat")["missed"], stricter["f1"]) == (2, 0)
    deployment.tune(label_thresholds={"cat": 85})
    ours = label(ask(gateway, "evaluation"), "cat")
    assert (ours["threshold"], ours["deployment_threshold"], ours["missed"]) == (85, 85, 2)


def test_a_mistake_with_its_picture(deployment: ConsoleDeployment, gateway: Gateway, image: str) -> None:
    deployment.evaluation("v1", evaluated_line(image))
    document = ask(gateway, "mistakes")
    (mistake,) = document["mistakes"]
    assert (document["total"], document["next"]) == (1, None)
    assert (mistake["kind"], mistake["size"]) == ("confusion", "small")
    assert mistake["judged"] == {
        "judgement": "confusion",
        "truth": {"label": "cat", "box": SIDES},
        "detection": {"label": "dog", "confidence": 90, "box": SIDES},
        "overlap": 1,
    }
    assert image in mistake["image"]["url"]
    assert mistake["image"]["state"] == ""
    assert ask(gateway, "mistakes", truth="cat", detected="dog")["total"] == 1
    assert ask(gateway, "mistakes", truth="", detected="dog")["total"] == 0
    assert ask(gateway, "mistakes", kind="missed")["total"] == 0
    sha256 = mistake["image"]["image"]
    assert ask(gateway, f"images/{sha256}")["judged"] == [mistake["judged"]]
    assert gateway.ask("GET /api/versions/v1/images/other").status == 404


def test_pages_of_mistakes(deployment: ConsoleDeployment, gateway: Gateway) -> None:
    deployment.evaluation("v1", *(evaluated_line(f"images/{number}.jpg") for number in range(30)))
    first = ask(gateway, "mistakes")
    rest = ask(gateway, "mistakes", offset=str(first["next"]))
    assert (len(first["mistakes"]), len(rest["mistakes"]), rest["next"]) == (24, 6, None)


def test_what_became_of_the_images(deployment: ConsoleDeployment, gateway: Gateway, image: str) -> None:
    world = deployment.world
    relabelled = world.image("relabelled", boxes=(Box("dog", 5, 6, 30, 20),))
    excluded = world.image("excluded", boxes=LABELLED, status="excluded")
    keys = [image, f"images/{relabelled}.jpg", f"images/{excluded}.jpg", "images/gone.jpg"]
    deployment.evaluation("v1", *map(evaluated_line, keys))
    known = {one["image"]["image"]: one["image"]["state"] for one in ask(gateway, "mistakes")["mistakes"]}
    assert [known[key[7:-4]] for key in keys] == ["", "relabelled", "withdrawn", "withdrawn"]


def test_a_label_that_was_renamed(deployment: ConsoleDeployment, gateway: Gateway) -> None:
    gateway.ask("POST /api/admin/labels/renaming?label=cat", {"name": "tom cat"}, who=ANN)
    assert label(ask(gateway, "evaluation"), "cat")["renamed_to"] == "tom cat"


def test_two_versions_side_by_side(deployment: ConsoleDeployment, gateway: Gateway, image: str) -> None:
    right = Judged("cat", 80, True)
    other = f"images/{deployment.world.image('other', boxes=LABELLED)}.jpg"
    deployment.evaluation("v1", evaluated_line(image, right), evaluated_line(other, right))
    deployment.evaluation("v0", evaluated_line(image), evaluated_line(other, right))
    compared = ask(gateway, "comparison", other="v0", change="better")
    assert (compared["images"], compared["better"], compared["worse"]) == (2, 1, 0)
    assert (compared["f1"], compared["other_f1"]) == (1, 0.6667)
    (change,) = compared["changes"]
    assert (change["mistakes"], change["other_mistakes"]) == (0, 1)
    assert [one["judgement"] for one in change["judged"]] == ["right"]
    assert [one["judgement"] for one in change["other_judged"]] == ["confusion"]
    assert ask(gateway, "comparison", other="v0")["changes"] == []
    assert gateway.ask("GET /api/versions/v1/comparison?other=v9").status == 404
    assert gateway.ask("GET /api/versions/v1/comparison").status == 422


@pytest.mark.parametrize(("cut", "tested", "unread"), [(-100, 2, 1), (None, 2, 0), (None, 5, 3)])
def test_lines_that_are_missing_or_cannot_be_read_are_counted(
    cut: int | None, tested: int, unread: int, deployment: ConsoleDeployment, gateway: Gateway
) -> None:
    """A file may be cut off in a line, and between two."""
    deployment.world.loop_state.update_run(Run("run-1", images=SnapshotSummary(test_images=tested)))
    deployment.evaluation("v1", evaluated_line("images/a.jpg"), evaluated_line("images/b.jpg")[:cut])
    document = ask(gateway, "evaluation")
    assert (document["images"], document["unread_lines"]) == (1 if cut else 2, unread)


# A sentence instead of figures


def refused(gateway: Gateway, version: str = "v1") -> str:
    answer = gateway.ask(f"GET /api/versions/{version}/evaluation")
    assert (answer.status, answer.code) == (404, "no_evaluation")
    assert gateway.ask(f"GET /api/versions/{version}/mistakes").code == "no_evaluation"
    return answer.message


def test_a_file_that_is_gone(deployment: ConsoleDeployment, gateway: Gateway) -> None:
    deployment.evaluation("v1", "{")
    assert "nothing in it can be read" in refused(gateway)
    file = {"S3Object": {"Bucket": BUCKET, "Name": "training/v1/gone.json"}}
    output = {"TestingDataResult": {"Output": {"Assets": [{"GroundTruthManifest": file}]}}}
    deployment.world.fake.versions["v1"] |= output
    assert "is gone" in refused(gateway)


def test_a_version_without_an_evaluation(deployment: ConsoleDeployment, gateway: Gateway) -> None:
    fake = deployment.world.fake
    fake.add_version("imported", "TRAINING_COMPLETED")
    assert "the engine has no evaluation of this version" in refused(gateway, "imported")
    file = {"S3Object": {"Bucket": "elsewhere", "Name": "tested.json"}}
    elsewhere = {"Output": {"Assets": [{"GroundTruthManifest": file}]}}
    fake.add_version("copied", "TRAINING_COMPLETED", TestingDataResult=elsewhere)
    assert "lies in another bucket" in refused(gateway, "copied")
    fake.add_version("now", "TRAINING_IN_PROGRESS")
    assert "is being trained" in refused(gateway, "now")
    deployment.world.loop_state.update_version(ModelVersion("deleted", snapshot="s1"))
    assert "has this version no more" in refused(gateway, "deleted")
    assert gateway.ask("GET /api/versions/unknown/evaluation").code == "not_found"


def test_the_gates_own_answers_where_the_training_has_left_none(
    deployment: ConsoleDeployment, gateway: Gateway, image: str
) -> None:
    world = deployment.world
    world.fake.versions["v1"].pop("TestingDataResult")
    shares = {"left": 0.05, "top": 0.06, "width": 0.3, "height": 0.2}
    answers = {image: [{"label": "cat", "confidence": 91.5, "box": shares}]}
    shadow_answers.keep(world.s3, BUCKET, "v1", answers)
    assert "the file" not in refused(gateway), "its snapshot is gone"
    snapshot = world.version_record("v1").snapshot
    known = catalogue_images.get_image(world.catalogue, image.removeprefix("images/").removesuffix(".jpg"))
    assert known is not None
    manifest = json.dumps(known.manifest_entry(BUCKET))
    world.s3.put_object(Bucket=BUCKET, Key=f"datasets/{snapshot}/test.manifest", Body=manifest.encode())
    document = ask(gateway, "evaluation")
    assert (document["source"], document["images"], document["f1"]) == ("endpoint", 1, 1)
    # It is kept for as long as the answers are the same.
    world.s3.delete_object(Bucket=BUCKET, Key=f"datasets/{snapshot}/test.manifest")
    assert ask(gateway, "evaluation") == document
    world.s3.put_object(
        Bucket=BUCKET, Key=f"datasets/{snapshot}/test.manifest", Body=f"{manifest}\n{manifest[:-9]}".encode()
    )
    shadow_answers.keep(world.s3, BUCKET, "v1", {image: [], "images/c.jpg": []})
    assert ask(gateway, "evaluation")["f1"] == 0
    file = f'{json.dumps({"image": image, "detections": answers[image]})}\n{{"image": "images/c.jpg", "det'
    world.s3.put_object(Bucket=BUCKET, Key=shadow_answers.key("v1"), Body=file.encode())
    document = ask(gateway, "evaluation")
    assert (document["images"], document["f1"], document["unread_lines"]) == (1, 1, 1)
    world.s3.put_object(Bucket=BUCKET, Key=shadow_answers.key("v1"), Body=b'{"image": ')
    assert "no evaluation" in refused(gateway)


@pytest.mark.parametrize("threshold", ["cat", "cat:", "cat:x", ":50", "cat:101", "cat:-1", "cat:nan"])
def test_a_threshold_that_is_none(threshold: str, deployment: ConsoleDeployment, gateway: Gateway) -> None:
    answer = gateway.ask(f"GET /api/versions/v1/evaluation?threshold={quote(threshold)}")
    assert (answer.status, answer.document["error"]["field"]) == (422, "threshold")


# The threshold that an administrator chooses


def test_a_chosen_threshold_holds_for_the_deployment(deployment: ConsoleDeployment, gateway: Gateway) -> None:
    asked = gateway.ask("PUT /api/admin/thresholds?label=cat", {"percent": 60}, who=ANN)
    assert asked.document == {"label_thresholds": {"cat": 60}}
    assert deployment.invoked == [
        ("pets-thresholds", "RequestResponse", {"label": "cat", "percent": 60, "by": "ann"})
    ]
    assert gateway.ask("GET /api/versions").document["label_thresholds"] == {"cat": 60}
    taken = gateway.ask("PUT /api/admin/thresholds?label=cat", {"percent": None}, who=ANN)
    assert taken.document == {"label_thresholds": {}}


def test_a_threshold_that_is_refused(deployment: ConsoleDeployment, gateway: Gateway) -> None:
    bodies: list[dict[str, Any]] = [{"percent": 101}, {"percent": "60"}, {}]
    for body in bodies:
        assert gateway.ask("PUT /api/admin/thresholds?label=cat", body, who=ANN).status == 422
    assert gateway.ask("PUT /api/admin/thresholds", {"percent": 60}, who=ANN).status == 422


def test_a_threshold_that_could_not_be_written(
    deployment: ConsoleDeployment, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = {"FunctionError": "Unhandled", "Payload": io.BytesIO(b"{}")}
    monkeypatch.setattr(deployment, "invoke", lambda **_: failed)
    refused = gateway.ask("PUT /api/admin/thresholds?label=cat", {"percent": 60}, who=ANN)
    assert (refused.status, refused.code) == (503, "busy")
