"""Label issues, from the list of them to the label that is mended."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lambdas.domain.catalogue import images as catalogue_images
from lambdas.domain.evaluation import issue_file, reading
from lambdas.domain.evaluation.issue_file import KeptIssues
from lambdas.domain.evaluation.label_issues import label_issues
from lambdas.domain.evaluation.records import Detection
from lambdas.domain.shared.annotation import Box
from lambdas.domain.shared.boxes import RelativeBox
from tests.fixtures.api_gateway import ANN, ApiResponse, Gateway
from tests.fixtures.console_deployment import BOX, ConsoleDeployment, evaluated_line
from tests.fixtures.deployment import BUCKET

LABELLED = (Box(**BOX),)
MENDED = (Box(**{**BOX, "label": "dog"}),)


@pytest.fixture
def image(deployment: ConsoleDeployment) -> str:
    """A test image with a cat, which v1 takes for a dog: its SHA-256."""
    sha256 = deployment.world.image("tested", boxes=LABELLED)
    deployment.evaluation("v1", evaluated_line(f"images/{sha256}.jpg"))
    return sha256


def listed(gateway: Gateway) -> Any:
    return gateway.ask("GET /api/label-issues").document


def answer(gateway: Gateway, issue: str, verdict: str = "accepted", version: str = "v1") -> ApiResponse:
    return gateway.ask(f"PUT /api/label-issues/{issue}", {"verdict": verdict, "version": version})


def boxes(deployment: ConsoleDeployment, sha256: str) -> tuple[Box, ...]:
    image = catalogue_images.get_image(deployment.world.catalogue, sha256)
    assert image is not None
    return image.boxes


def test_a_label_is_mended_and_given_back(
    deployment: ConsoleDeployment, gateway: Gateway, image: str
) -> None:
    (issue,) = listed(gateway)["issues"]
    assert issue["issue_type"] == "wrong_label"
    assert (issue["before"]["label"], issue["after"]["label"]) == ("cat", "dog")
    assert image in issue["image"]["url"]
    assert answer(gateway, issue["id"]).document["by"] == "rita"
    assert boxes(deployment, image) == MENDED
    after = listed(gateway)
    assert (after["issues"], after["answered"]) == ([], 1)
    assert answer(gateway, issue["id"]).status == 200, "twice"
    assert gateway.ask(f"DELETE /api/label-issues/{issue['id']}").status == 204
    assert boxes(deployment, image) == LABELLED
    assert listed(gateway)["total"] == 1
    assert gateway.ask(f"DELETE /api/label-issues/{issue['id']}").status == 404


def test_a_label_that_is_right_is_asked_about_once(
    deployment: ConsoleDeployment, gateway: Gateway, image: str
) -> None:
    (issue,) = listed(gateway)["issues"]
    answer(gateway, issue["id"], "rejected")
    assert boxes(deployment, image) == LABELLED
    assert listed(gateway)["total"] == 0
    assert answer(gateway, issue["id"]).status == 200, "thought of again"
    assert boxes(deployment, image) == MENDED


def test_nothing_is_answered_but_what_the_version_contradicts(
    deployment: ConsoleDeployment, gateway: Gateway, image: str
) -> None:
    other = deployment.world.image("another", boxes=LABELLED)
    (issue,) = listed(gateway)["issues"]
    before = deployment.dump()
    for made_up in ("a" * 24, "none", other):
        assert (answer(gateway, made_up).status, answer(gateway, made_up).code) == (404, "not_found")
    others: list[dict[str, Any]] = [{"image": other}, {"before": issue["before"], "after": None}]
    for members in others:
        refused = gateway.ask(
            f"PUT /api/label-issues/{issue['id']}", {"verdict": "accepted", "version": "v1", **members}
        )
        assert (refused.status, refused.code) == (422, "unknown_member")
    assert answer(gateway, issue["id"], "undone").code == "bad_answer"
    for version in ("v9", "v2", ""):
        refused = answer(gateway, issue["id"], version=version)
        assert (refused.status, refused.field) == (422, "version")
    assert deployment.dump() == before


def test_labels_that_nobody_may_give_any_more_are_not_given(
    deployment: ConsoleDeployment, gateway: Gateway, image: str
) -> None:
    (issue,) = listed(gateway)["issues"]
    gateway.ask("PUT /api/admin/labels?label=dog", {"retired": True}, who=ANN)
    refused = answer(gateway, issue["id"])
    assert (refused.status, refused.code) == (422, "bad_answer")
    assert boxes(deployment, image) == LABELLED
    assert answer(gateway, issue["id"], "rejected").status == 200


def test_images_that_were_labelled_otherwise_are_left_out(
    deployment: ConsoleDeployment, gateway: Gateway, image: str
) -> None:
    (issue,) = listed(gateway)["issues"]
    for labelled, status in (((Box("dog", 1, 1, 9, 9),), "labelled"), (LABELLED, "excluded")):
        deployment.world.image("tested", boxes=labelled, status=status)
        assert listed(gateway)["total"] == 0
        for verdict in ("accepted", "rejected"):
            refused = answer(gateway, issue["id"], verdict)
            assert (refused.status, refused.code) == (409, "conflict")


def test_a_mended_label_leaves_the_other_label_issues_of_its_image(
    deployment: ConsoleDeployment, gateway: Gateway
) -> None:
    """Whether they are asked about a page later, or were on the page already."""
    cow = Box(**{**BOX, "label": "cow"})
    sha256 = deployment.world.image("tested", boxes=(*LABELLED, cow))
    deployment.evaluation("v1", evaluated_line(f"images/{sha256}.jpg", truths=("cat", "cow")))
    first, second = sorted(listed(gateway)["issues"], key=lambda one: one["issue_type"], reverse=True)
    assert (first["before"]["label"], second["before"]["label"]) == ("cat", "cow")
    answer(gateway, first["id"])
    (still_open,) = listed(gateway)["issues"]
    assert still_open["id"] == second["id"]
    assert [one["label"] for one in still_open["others"]] == ["dog"], "as it is labelled now"
    answer(gateway, second["id"])
    assert boxes(deployment, sha256) == MENDED


def test_labels_have_the_names_that_they_have_now(
    deployment: ConsoleDeployment, gateway: Gateway, image: str
) -> None:
    (before,) = listed(gateway)["issues"]
    gateway.ask("POST /api/admin/labels/renaming?label=cat", {"name": "tom cat"}, who=ANN)
    (issue,) = listed(gateway)["issues"]
    assert issue["before"]["label"] == "tom cat"
    assert answer(gateway, before["id"]).status == 404, "as it was called when the page was loaded"
    answer(gateway, issue["id"])
    assert [box.label for box in boxes(deployment, image)] == ["dog"]
    assert listed(gateway)["total"] == 0


def test_labels_that_are_one_by_now_do_not_contradict_each_other(
    deployment: ConsoleDeployment, gateway: Gateway, image: str
) -> None:
    gateway.ask("POST /api/admin/labels/renaming?label=cat", {"name": "dog"}, who=ANN)
    assert listed(gateway)["total"] == 0


def keep(deployment: ConsoleDeployment, version: str, **members: Any) -> None:
    """Keep the label issue of v1's evaluation as the run of a version does."""
    thresholds = dict.fromkeys(["cat", "dog"], 0.5)
    evaluation = reading.read_evaluation(deployment.world.s3, (BUCKET, "training/v1/tested.json"), thresholds)
    assert evaluation is not None
    issues = [replace(issue, **members) for issue in label_issues(evaluation)]
    issue_file.write(deployment.world.s3, BUCKET, version, KeptIssues(tuple(issues), {"TRAIN": 8, "TEST": 2}))


def test_what_a_run_has_kept_is_shown(deployment: ConsoleDeployment, gateway: Gateway, image: str) -> None:
    keep(
        deployment,
        "v1",
        dataset="TRAIN",
        seen_by="near_duplicate",
        mistakenness=0.5,
        twin=f"images/{image}.jpg",
    )
    shown = listed(gateway)
    assert (shown["training_images"], shown["test_images"]) == (8, 2)
    (issue,) = shown["issues"]
    assert (issue["dataset"], issue["seen_by"], issue["mistakenness"]) == ("TRAIN", "near_duplicate", 0.5)
    assert issue["twin"]["image"] == image
    answer(gateway, issue["id"])
    assert boxes(deployment, image) == MENDED


def test_a_label_that_was_kept_is_not_asked_about_when_another_version_contradicts_it(
    deployment: ConsoleDeployment, gateway: Gateway, image: str
) -> None:
    (issue,) = listed(gateway)["issues"]
    given = answer(gateway, issue["id"], "rejected").document
    deployment.world.version("v9", f1=0.9, state="trained")
    seen = Detection("dog", 0.7, RelativeBox("dog", 0.06, 0.07, 0.28, 0.22))
    keep(deployment, "v9", detection=seen)
    shown = gateway.ask("GET /api/label-issues?version=v9").document
    assert (shown["issues"], shown["total"], shown["kept"]) == ([], 0, 1)
    (again,) = gateway.ask("GET /api/label-issues?version=v9&kept=true").document["issues"]
    assert again["kept"] == {"by": "rita", "at": given["at"]}
    assert again["after"]["confidence"] == 70
    assert answer(gateway, again["id"], version="v9").status == 200, "thought of again"
    assert boxes(deployment, image)[0].label == "dog"


def several(deployment: ConsoleDeployment, count: int) -> list[str]:
    """Test images that v1 contradicts as it does `image`."""
    images = [deployment.world.image(f"tested-{number}", boxes=LABELLED) for number in range(count)]
    deployment.evaluation("v1", *(evaluated_line(f"images/{sha256}.jpg") for sha256 in images))
    return images


def test_a_page_follows_what_was_shown_whatever_became_of_that(
    deployment: ConsoleDeployment, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others answer, and images are withdrawn, between two pages: none that comes after is passed over."""
    monkeypatch.setattr("lambdas.console.PAGE", 2)
    several(deployment, 5)
    first = listed(gateway)
    shown = [issue["id"] for issue in first["issues"]]
    assert (len(shown), first["total"], first["next"]) == (2, 5, shown[-1])
    answer(gateway, shown[0])
    answer(gateway, shown[1], "rejected")
    later: list[str] = []
    after = first["next"]
    while after is not None:
        page = gateway.ask(f"GET /api/label-issues?version=v1&after={after}").document
        later += [issue["id"] for issue in page["issues"]]
        after = page["next"]
    assert len({*shown, *later}) == 5 == len(shown) + len(later)
    every = gateway.ask("GET /api/label-issues?version=v1&after=unknown").document
    assert (every["total"], every["answered"]) == (3, 2)


def test_what_holds_no_longer_does_not_hide_what_comes_after(
    deployment: ConsoleDeployment, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lambdas.domain.console.label_issues.MAX_SHOWN", 2)
    images = several(deployment, 5)
    names = {sha256: f"tested-{number}" for number, sha256 in enumerate(images)}
    in_order = [issue["image"]["image"] for issue in everything(gateway)]
    for sha256 in in_order[:3]:
        deployment.world.image(names[sha256], boxes=LABELLED, status="excluded")
    assert [issue["image"]["image"] for issue in everything(gateway)] == in_order[3:]


def everything(gateway: Gateway) -> list[Any]:
    """All that is listed, page by page."""
    issues: list[Any] = []
    while page := gateway.ask(
        f"GET /api/label-issues?version=v1&after={issues[-1]['id'] if issues else ''}"
    ).document["issues"]:
        issues += page
    return issues


def test_a_label_that_was_kept_leaves_the_other_label_issues_of_its_image(
    deployment: ConsoleDeployment, gateway: Gateway
) -> None:
    """And stays among those that were kept once another label of the image is mended."""
    cow = Box(**{**BOX, "label": "cow"})
    sha256 = deployment.world.image("tested", boxes=(*LABELLED, cow))
    deployment.evaluation("v1", evaluated_line(f"images/{sha256}.jpg", truths=("cat", "cow")))
    first, second = sorted(listed(gateway)["issues"], key=lambda one: one["issue_type"], reverse=True)
    answer(gateway, second["id"], "rejected")
    deployment.world.version("v9", f1=0.9, state="trained")
    keep(deployment, "v9")
    answer(gateway, first["id"], version="v9")
    shown = gateway.ask("GET /api/label-issues?version=v9&kept=true").document
    assert [issue["id"] for issue in shown["issues"]] == [second["id"]]


def test_without_an_evaluation_there_is_a_sentence(deployment: ConsoleDeployment, gateway: Gateway) -> None:
    for version in deployment.world.fake.versions.values():
        version.pop("TestingDataResult", None)
    refused = gateway.ask("GET /api/label-issues")
    assert (refused.status, refused.code) == (404, "no_evaluation")
    assert gateway.ask("GET /api/label-issues?version=v9").code == "not_found"
