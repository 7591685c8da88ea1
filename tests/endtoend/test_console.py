"""The console's pages on the embedded stack, as people use them in Chromium.

Each test goes on where the one before it ended.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from cli.selftest import datasets, models, runs
from cli.selftest.datasets import DatasetBench
from cli.selftest.models import ModelBench
from cli.selftest.probe import Verdict, put
from cli.selftest.runs import RunBench
from infra.routes import ROUTES
from lambdas.domain.engines.rekognition import custom_labels
from lambdas.domain.review.desk.task import Suggestion, Task
from lambdas.domain.shared.annotation import Box
from local.people import Person
from local.scenes import Scene, detection_scenes
from tests.browser import PATIENCE_MS, chromium
from tests.fixtures.console_pages import (
    add_people,
    client,
    delete_open_tasks,
    desk_is_ready,
    execution_status,
    fill_in,
    image_of,
    short_tokens,
    signed_in,
    task_of,
    tasks,
)
from tests.fixtures.deployed_loop import Loop, until

LABELLED = 40
WAITING = 4
"""Images that nobody has labelled, for the pages that need some."""
TOKEN_SECONDS = 20
TRAINED_MS = 10 * PATIENCE_MS
AGE = re.compile(r"^[0-9.]+ s$|^[0-9]+ min [0-9]+ s$")


@dataclass(frozen=True)
class Before:
    """What others have left in the deployment."""

    labelled: int
    deleted: int
    done: int


@pytest.fixture(scope="module")
def loop(parts: Loop) -> Loop:
    return parts


@pytest.fixture(scope="module", autouse=True)
def before(loop: Loop, people: dict[str, Person]) -> Before:
    """No task is open."""
    delete_open_tasks(loop, people["ann"])
    table = tasks(loop)
    return Before(len(labelled(loop)), table.count("deleted"), table.count("done"))


@pytest.fixture(scope="module")
def people(loop: Loop) -> dict[str, Person]:
    return add_people(loop, {"ann": "administrators", "rita": "reviewers", "ben": "reviewers"})


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@dataclass(frozen=True)
class Seen:
    """A picture, and what the champion sees in it: labels with confidences in percent, the surest first."""

    scene: Scene
    detections: tuple[tuple[str, float], ...]


@pytest.fixture(scope="module")
def seen(loop: Loop) -> Iterator[Seen]:
    """Pictures in which the champion sees several objects and is unsure of one, none of them twice."""
    return _seen(loop)


def _seen(loop: Loop) -> Iterator[Seen]:
    champion = loop.loop_state.champion()
    assert champion is not None
    for scene in detection_scenes(30, seed=80):
        answer = loop.rekognition.detect_custom_labels(
            ProjectVersionArn=champion.version_arn, Image={"Bytes": scene.jpeg()}
        )
        detections = [(label["Name"], label["Confidence"]) for label in answer["CustomLabels"]]
        if len(detections) > 1 and any(confidence < 100 for _, confidence in detections):
            yield Seen(scene, tuple(sorted(detections, key=lambda detection: -detection[1])))


# Runs


def test_a_run_is_followed_while_it_happens(
    loop: Loop, people: dict[str, Person], browser: Browser, before: Before
) -> None:
    loop.drop_by_manifest(detection_scenes(LABELLED, seed=1), "first")
    until(lambda: len(labelled(loop)) == before.labelled + LABELLED, 60, "the images are registered")
    page, complaints = signed_in(browser, loop, people["rita"], "runs")
    expect(page.get_by_role("heading", name="No runs yet")).to_be_visible()
    page.evaluate("window.loadedOnce = true")
    loop.start("RetrainMachineArn", "first-model", {"trigger": "manual"})
    row = page.get_by_role("row").filter(has_text="Running")
    row.get_by_role("link").click()
    training = step(page, "Train the model")
    expect(training).to_contain_text("Running")
    expect(step(page, "Make the dataset snapshot")).to_contain_text("Done")
    expect(step(page, "Report")).to_contain_text("Not started")
    expect(page.get_by_text("Step 7 of 11: train the model.")).to_be_visible()
    expect(training).to_contain_text("Done", timeout=TRAINED_MS)
    expect(page.get_by_text("Ended: New champion.")).to_be_visible(timeout=TRAINED_MS)
    run = loop.run("first-model")
    assert run.outcome == "promoted", run
    expect(page.get_by_role("region", name="Result")).to_contain_text(str(run.reason))
    expect(page.get_by_role("link", name=str(run.version))).to_be_visible()
    assert page.evaluate("window.loadedOnce")
    with page.expect_popup() as opened:
        page.get_by_role("link", name="Dataset report").click()
    expect(opened.value).to_have_title(re.compile("dataset report$"))
    page.get_by_role("link", name="All runs").click()
    expect(page.get_by_role("row").filter(has_text=str(run.version))).to_contain_text("New champion")
    assert complaints == []
    page.context.close()


def test_a_run_that_a_gate_rejects_says_why(loop: Loop, people: dict[str, Person], browser: Browser) -> None:
    loop.tune(min_test_images_per_label=1000)
    run = loop.retrain("not-proven", force=True)
    loop.tune(min_test_images_per_label=1)
    assert run.outcome == "rejected"
    page, _ = signed_in(browser, loop, people["rita"], "runs")
    row = page.get_by_role("row").filter(has_text="Not promoted")
    expect(row).to_contain_text(str(run.reason))
    row.get_by_role("link").click()
    expect(page.get_by_text("and does not go into production.")).to_be_visible()
    expect(page.get_by_role("region", name="Result")).to_contain_text(str(run.reason))
    (verdict,) = run.verdicts
    gate = page.get_by_role("region", name="Gates").get_by_role("listitem")
    for reason in verdict.reasons:
        expect(gate).to_contain_text(reason)
    expect(step(page, "Promote")).to_contain_text("Skipped")
    page.context.close()


def test_what_can_be_read_is_read(loop: Loop, people: dict[str, Person]) -> None:
    """The functions may ask whatever they need to."""
    ann = client(loop, people["ann"])
    routes = [route for some in ROUTES.values() for route in some]
    read = [route.removeprefix("GET ") for route in routes if route.startswith("GET ") and "{" not in route]
    assert len(read) > 9
    for path in read:
        document = ann.get(path + ("?label=nut" if path.endswith("/labels/images") else ""))
        assert document
        assert not document.get("unread"), path
    assert {"first-model", "not-proven"} <= {run["id"] for run in ann.get("/api/runs")["runs"]}
    assert ann.get("/api/runs/first-model")["steps"][0]["state"] == "done"


def step(page: Page, title: str) -> Locator:
    return page.get_by_role("listitem").filter(has=page.get_by_text(title, exact=True))


def labelled(loop: Loop) -> list[Any]:
    return [image for image in loop.images() if image.status == "labelled"]


def open_page(page: Page, name: str) -> None:
    """By its place in the navigation."""
    page.get_by_role("navigation", name="Main").get_by_role("link", name=name, exact=True).click()


def test_versions_are_compared(loop: Loop, people: dict[str, Person], browser: Browser) -> None:
    page, _ = signed_in(browser, loop, people["rita"], "versions")
    champion, rejected = (loop.run(name) for name in ("first-model", "not-proven"))
    for run, badge in ((champion, "Champion"), (rejected, "Rejected")):
        card = page.get_by_role("article").filter(has=page.get_by_role("heading", name=str(run.version)))
        expect(card).to_contain_text(badge)
        expect(card).to_contain_text(f"{shown(run.f1 or 0, 3)} overall F1")
        for verdict in run.verdicts:
            for reason in verdict.reasons:
                expect(card).to_contain_text(reason)
        for label in run.labels:
            row = card.get_by_role("row").filter(has=page.get_by_role("rowheader", name=label.label))
            expect(row.get_by_role("cell").first).to_have_text(shown(label.f1, 2))
    expect(page.get_by_role("article").first).to_contain_text(str(rejected.version))
    page.context.close()


def shown(f1: float, digits: int) -> str:
    """As JavaScript rounds: half up, where Python rounds to even."""
    return str(Decimal(f1).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP))


# What the champion sees


def test_a_picture_is_tried_and_what_was_found_is_confirmed(
    loop: Loop, people: dict[str, Person], browser: Browser, seen: Iterator[Seen]
) -> None:
    picture = next(seen)
    page, complaints = signed_in(browser, loop, people["rita"], "try")
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose an image").click()
    chooser.value.set_files({"name": "bench.jpg", "mimeType": "image/jpeg", "buffer": picture.scene.jpeg()})
    expect(page.get_by_role("heading", name="Detections")).to_be_visible()
    # As the slider stands at first: from the model's thresholds on, as it answers by itself.
    listed = page.get_by_role("region", name="Detections").get_by_role("listitem")
    expect(listed).to_have_text([f"{name}{confidence:.1f} %" for name, confidence in picture.detections])
    tags = page.locator("figure span")
    expect(tags).to_have_text([f"{name} {confidence:.0f} %" for name, confidence in picture.detections])
    page.get_by_role("button", name="Send to review").click()
    expect(page.get_by_text("Sent to review.")).to_be_visible()

    task = only_task(loop)
    assert task.reason == "requested"
    open_page(page, "Review")
    desk_is_ready(page)
    assert task_of(page) == task.id
    expect(page.locator(".box.proposed")).to_have_count(len(task.suggestions.boxes))
    page.keyboard.press("Enter")
    until(lambda: image_of(loop, task.id).status == "labelled", 60, "the answer is in the catalogue")
    assert set(image_of(loop, task.id).boxes) == {as_box(one) for one in task.suggestions.boxes}
    assert complaints == []
    page.context.close()


def only_task(loop: Loop) -> Task:
    """The one that is open."""

    def open_task() -> Task | None:
        waiting = list(tasks(loop).in_state("open"))
        assert len(waiting) < 2
        return waiting[0] if waiting else None

    return until(open_task, 60, "there is a task")


def as_box(one: Suggestion) -> Box:
    return Box(one.label, one.left, one.top, one.width, one.height)


def test_a_detection_that_the_model_is_unsure_of_is_corrected(
    loop: Loop, people: dict[str, Person], browser: Browser, seen: Iterator[Seen]
) -> None:
    loop.put("detect/bench.jpg", next(seen).scene.jpeg())
    task = only_task(loop)
    assert task.reason == "low_confidence"
    page, _ = signed_in(browser, loop, people["rita"])
    desk_is_ready(page)
    assert task_of(page) == task.id
    expect(page.get_by_text("the model is not sure of what it detects", exact=True)).to_be_visible()
    first, *others = task.suggestions.boxes
    label = "washer" if first.label != "washer" else "nut"
    boxes = page.get_by_role("region", name="Boxes").get_by_role("button")
    boxes.first.click()
    page.get_by_role("region", name="Labels").get_by_role("button", name=label, exact=True).click()
    expect(boxes.first).to_contain_text(label)
    expect(page.locator(".box.proposed")).to_have_count(len(others))
    boxes.last.click()
    page.get_by_role("button", name="Delete box").click()
    expect(boxes).to_have_count(len(others))
    page.get_by_role("button", name="Confirm").click()
    until(lambda: image_of(loop, task.id).status == "labelled", 60, "the answer is in the catalogue")
    corrected = [replace(first, label=label), *others[:-1]]
    assert set(image_of(loop, task.id).boxes) == {as_box(one) for one in corrected}
    until(lambda: execution_status(loop, task.id) == "SUCCEEDED", 60, "its execution has gone on")
    page.context.close()


# Administration


def test_tasks_are_managed(loop: Loop, people: dict[str, Person], browser: Browser, before: Before) -> None:
    for scene in detection_scenes(WAITING, seed=90):
        loop.put(f"incoming/unlabeled/{scene.name}.jpg", scene.jpeg())
    until(lambda: tasks(loop).count("open") == WAITING, 60, "every image is a task")
    page, complaints = signed_in(browser, loop, people["ann"], "admin/tasks")
    rows = page.get_by_role("table").get_by_role("row").filter(has=page.get_by_role("cell"))
    expect(rows).to_have_count(WAITING)
    for row in rows.all():
        expect(row.get_by_role("cell").nth(2)).to_have_text(AGE)
    image = next(tasks(loop).in_state("open")).image
    row = rows.filter(has=page.get_by_role("button", name=f"View image {image[:12]}"))
    reassign(page, row, "rita")
    expect(page.get_by_text("The task is assigned to rita.")).to_be_visible()
    expect(row).to_contain_text("rita until")
    expect(tab(page, "Claimed")).to_have_text("Claimed 1")
    reassign(page, row, "")
    expect(row).to_contain_text("nobody")
    row.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Delete the task", exact=True).click()
    expect(rows).to_have_count(WAITING - 1)
    for state, count in (("Deleted", before.deleted + 1), ("Done", before.done + 2)):
        tab(page, state).click()
        expect(tab(page, state)).to_have_text(f"{state} {count}")
        expect(rows).to_have_count(count)
    open_page(page, "Reviewers")
    rita = page.get_by_role("row").filter(has_text="rita")
    expect(rita.get_by_role("cell").nth(1)).to_have_text("2")
    assert complaints == []
    page.context.close()


def tab(page: Page, state: str) -> Locator:
    return page.get_by_role("group", name="Filter by state").get_by_role("button", name=state)


def reassign(page: Page, row: Locator, reviewer: str) -> None:
    """Give the row's task to somebody, or free it."""
    row.get_by_role("button", name="Reassign").click()
    chosen = page.get_by_role("dialog").get_by_role("combobox", name="Reviewer")
    chosen.select_option(reviewer)
    name = "Reassign" if reviewer else "Release"
    page.get_by_role("dialog").get_by_role("button", name=name, exact=True).click()
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_a_label_is_defined_shown_at_the_desk_and_retired(
    loop: Loop, people: dict[str, Person], browser: Browser
) -> None:
    page, complaints = signed_in(browser, loop, people["ann"], "admin/labels")
    page.get_by_role("button", name="Edit gear").click()
    form = page.get_by_role("dialog")
    form.get_by_label("Colour").fill("#006e6e")
    form.get_by_label("Key").fill("G")
    form.get_by_label("Instruction").fill("Every wheel with teeth")
    form.get_by_role("checkbox", name="Image 1 with gear", exact=True).check()
    form.get_by_role("button", name="Save").click()
    expect(form).to_have_count(0)
    card = page.get_by_role("listitem").filter(has=page.get_by_role("heading", name="gear"))
    expect(card).to_contain_text("Every wheel with teeth")
    assert_is_painted(card.get_by_alt_text("Example 1 of gear"))

    desk, _ = signed_in(browser, loop, people["rita"])
    gear = desk.get_by_role("region", name="Labels").get_by_role("listitem").filter(has_text="gear")
    look_until(desk, lambda: gear.locator("kbd").text_content() == "G")
    expect(gear.locator(".swatch")).to_have_css("background-color", "rgb(0, 110, 110)")
    gear.get_by_role("button", name="How to label gear").click()
    expect(gear).to_contain_text("Every wheel with teeth")
    assert_is_painted(gear.get_by_alt_text("Example 1 of gear"))

    page.get_by_role("button", name="Retire gear").click()
    expect(card).to_contain_text("Retired")
    # A box that was drawn in advance may still have it; how to label it is told no more.
    look_until(desk, lambda: not gear.get_by_role("button", name="How to label gear").is_visible())
    expect(
        desk.get_by_role("region", name="Labels").get_by_role("button", name="nut", exact=True)
    ).to_be_visible()
    page.get_by_role("button", name="Restore gear").click()
    expect(card).not_to_contain_text("Retired")
    assert complaints == []
    page.context.close()
    desk.context.close()


def assert_is_painted(picture: Locator) -> None:
    picture.scroll_into_view_if_needed()
    until(lambda: picture.evaluate("image => image.complete && image.naturalWidth > 0"), 30, "it is loaded")


def look_until(desk: Page, look: Callable[[], bool]) -> None:
    """Load the desk anew until it shows what an administrator has changed: the API takes some seconds."""

    def looked() -> bool:
        desk.reload()
        desk_is_ready(desk)
        return look()

    until(looked, 60, "the desk shows it")


def test_administration_is_for_administrators(
    loop: Loop, people: dict[str, Person], browser: Browser
) -> None:
    page, _ = signed_in(browser, loop, people["ben"], "admin/tasks")
    expect(page.get_by_role("heading", name="Administrators only")).to_be_visible()
    places = page.get_by_role("navigation", name="Main").get_by_role("link")
    expect(places).to_have_text(
        ["Home", "Review", "Runs", "Model versions", "Dataset", "Wrong labels", "Batches", "Costs", "Try it"]
    )
    icon = page.evaluate("fetch('/favicon.ico').then((answer) => answer.headers.get('content-type'))")
    assert icon == "image/svg+xml"
    page.context.close()


# A sign-in that ends


def test_what_is_drawn_outlives_the_sign_in(loop: Loop, people: dict[str, Person], browser: Browser) -> None:
    """Tokens that last no longer than seconds, and are not renewed because she was signed out everywhere."""
    with short_tokens(loop, TOKEN_SECONDS):
        rita = client(loop, people["rita"])
        assert rita.get("/api/me")["name"] == "rita"
        page, complaints = signed_in(browser, loop, people["rita"])
        desk_is_ready(page)
        answered = task_of(page)
        loop.client("cognito-idp").admin_user_global_sign_out(
            UserPoolId=loop.outputs["UserPoolId"], Username="rita"
        )
        page.keyboard.press("n")
        expect(page.get_by_text("Your session has expired.")).to_be_visible()
        expect(page.get_by_text("1 to send")).to_be_visible()
        drawn = task_of(page)
        assert drawn != answered
        boxes = page.get_by_role("region", name="Boxes").get_by_role("listitem")
        before = boxes.count()
        page.get_by_role("button", name="New box").click()
        expect(boxes).to_have_count(before + 1)
        until(lambda: rita.try_to("GET", "/api/me").status == 401, 2 * TOKEN_SECONDS, "the token has expired")
    page.get_by_role("button", name="Sign in again").click()
    fill_in(page, people["rita"])
    desk_is_ready(page)
    assert task_of(page) == drawn
    expect(boxes).to_have_count(before + 1)
    until(lambda: tasks(loop).get(answered).outcome == "nothing", 60, "the answer is delivered")  # pyrefly: ignore[missing-attribute]
    expect(page.get_by_text("1 to send")).to_have_count(0)
    page.reload()
    desk_is_ready(page)
    assert task_of(page) == drawn
    expect(boxes).to_have_count(before + 1)
    page.keyboard.press("Enter")
    until(lambda: image_of(loop, drawn).status == "labelled", 60, "the answer is in the catalogue")
    assert len(image_of(loop, drawn).boxes) == before + 1
    assert complaints == []
    page.context.close()


# What a selftest asks


def test_the_engine_answers_a_selftest_as_is_assumed_of_aws(loop: Loop) -> None:
    """The questions of `labelloop selftest`, asked about the versions that the runs above have trained."""
    project = f"{loop.name}-selftest"
    asked = DatasetBench(loop.rekognition, loop.s3, loop.bucket, project, pause=0.1)
    asked.prepare(list(detection_scenes(4, seed=90)))
    answers = [put(probe, asked) for probe in datasets.QUESTIONS]
    promoted, rejected = loop.run("first-model"), loop.run("not-proven")
    arn = loop.outputs["ProjectArn"]
    champion, idle = (
        custom_labels.describe_version(loop.rekognition, arn, str(run.version))
        for run in (promoted, rejected)
    )
    assert champion is not None and idle is not None
    about_run = RunBench(loop.stepfunctions, loop.rekognition, loop.s3, loop.bucket, arn, promoted, champion)
    answers += [put(probe, about_run) for probe in runs.QUESTIONS]
    (scene,) = detection_scenes(1, seed=80)
    for version, questions in ((champion, models.RUNNING), (idle, models.IDLE)):
        bench = ModelBench(loop.rekognition, loop.s3, loop.bucket, version, scene)
        answers += [put(probe, bench) for probe in questions]
    others = [answer for answer in answers if answer.verdict is not Verdict.AS_ASSUMED]
    # Only where the desk was used before has an image without boxes been trained with.
    assert {answer.answered for answer in others} <= {
        "UnansweredError: no image of the training is without boxes"
    }
