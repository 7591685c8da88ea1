"""Which images become tasks, with what drawn in advance, and how many at once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import pytest

from lambdas import detect
from lambdas import review as handlers
from lambdas.domain.catalogue import curation
from lambdas.domain.catalogue import images as catalogue_images
from lambdas.domain.catalogue.images import CatalogueImage
from lambdas.domain.images.files import UnusableImageError
from lambdas.domain.register.arrivals import Arrival, GoneError
from lambdas.domain.review import task_opening
from lambdas.domain.review.desk import desk
from lambdas.domain.review.desk.task import Task, finished
from lambdas.domain.review.results import production, reviewer_statistics
from lambdas.domain.review.task_opening import Seen
from lambdas.domain.shared import clock
from lambdas.domain.shared.annotation import MAX_BOXES_PER_IMAGE, Box
from lambdas.domain.shared.records import NeededImages
from tests.fixtures.deployment import BUCKET, context
from tests.fixtures.images import picture
from tests.fixtures.rekognition import label
from tests.fixtures.reviews import ANN, LABELS, SIZE, Reviews, client_error, labelled, seen, submit_answer

KEY = "detect/latest.jpg"
WHOLE = (0.05, 0.075, 0.3, 0.25)
"""Of the image of 100 times 80 pixels, the box at 5, 6 of 30 times 20 pixels."""


def nobody(image: CatalogueImage) -> Seen | None:
    return None


def open_tasks(reviews: Reviews) -> list[Task]:
    return list(reviews.table.in_state("open"))


def unlabelled(reviews: Reviews, count: int) -> list[str]:
    return [catalogue_images.image_id(reviews.image(f"{n}").sha256) for n in range(count)]


# Images without labels


def test_images_without_labels_become_tasks_with_what_the_champion_sees(reviews: Reviews) -> None:
    ids = unlabelled(reviews, 3)
    sees = seen(("cat", 71.5, WHOLE))
    assert reviews.opener(review_workers_per_task=2).open_unlabelled(ids, lambda image: sees, 99) == 3
    for task in open_tasks(reviews):
        assert (task.reason, task.wanted, task.kind, task.suggested_by) == (
            "unlabelled",
            2,
            "detection",
            "v1",
        )
        (box,) = task.suggestions.boxes
        assert (box.box, box.confidence) == (Box("cat", 5, 6, 30, 20), 71.5)
        assert reviews.executions.inputs[task.id]["task"] == task.id


def test_no_more_tasks_are_opened_than_there_is_room_for(reviews: Reviews) -> None:
    ids = unlabelled(reviews, 5)
    opener = reviews.opener(review_open_limit=3)
    assert opener.room() == 3
    assert opener.open_unlabelled(ids, nobody, opener.room()) == 3
    assert opener.room() == 0
    assert opener.collect(nobody) == 0
    assert len(open_tasks(reviews)) == 3


def test_the_rest_follows_once_there_is_room(reviews: Reviews) -> None:
    unlabelled(reviews, 5)
    opener = reviews.opener(review_open_limit=3)
    assert opener.collect(nobody) == 3
    for task in open_tasks(reviews):
        reviews.resolver().resolve_task(submit_answer(reviews.table, task.id, ANN, labelled(), LABELS))
    assert opener.collect(nobody) == 2
    assert {task.image for task in open_tasks(reviews)}.isdisjoint(
        {task.image for task in reviews.table.in_state("done")}
    )


def test_a_collection_goes_on_where_the_last_one_stopped(
    reviews: Reviews, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given back only just now, the first images are not asked about again; those behind them are."""
    monkeypatch.setattr(task_opening, "_MAX_COLLECTED", 2)
    ids = sorted(unlabelled(reviews, 5))
    opener = reviews.opener()
    for collected in (2, 2, 1):
        assert opener.collect(nobody) == collected
        for task in open_tasks(reviews):
            reviews.table.update(task.id, lambda task: finished(task, "given_back", "no"))
    given_back = {catalogue_images.image_id(task.image) for task in reviews.table.in_state("given_back")}
    assert given_back == set(ids)
    assert [opener.collect(nobody) for _ in range(3)] == [0, 0, 0]


def test_among_more_images_than_there_is_room_for_is_chosen(reviews: Reviews) -> None:
    hashes = sorted(id.removeprefix("image#") for id in unlabelled(reviews, 6))
    asked: list[int] = []

    def choose(among: Sequence[str], count: int) -> Sequence[str]:
        assert list(among) == hashes
        asked.append(count)
        return hashes[::-1]

    assert reviews.opener(review_open_limit=2).collect(nobody, choose=choose) == 2
    assert asked == [4]
    assert {task.image for task in open_tasks(reviews)} == set(hashes[-2:])
    # For the rest there is room.
    assert reviews.opener(review_open_limit=99).collect(nobody, choose=choose) == 4
    assert asked == [4]


def test_only_what_is_not_labelled_is_asked_about(reviews: Reviews) -> None:
    """Nor is the champion asked about the others."""
    ids = unlabelled(reviews, 4)
    images = {image.id: image for image in catalogue_images.get_images(reviews.world.catalogue, ids)}
    curation.relabel(
        reviews.world.catalogue, images[ids[0]].sha256, "classification", ("cat",), (), "somebody"
    )
    curation.exclude(reviews.world.catalogue, images[ids[1]].sha256, "somebody")
    reviews.opener().open(images[ids[2]], "unlabelled", "detection", None)
    asked: list[str] = []

    def ask(image: CatalogueImage) -> Seen | None:
        asked.append(image.id)
        return None

    assert reviews.opener().open_unlabelled([*ids, "image#gone"], ask, 99) == 1
    assert asked == [ids[3]]


def test_an_image_is_asked_about_again_after_a_while(
    reviews: Reviews, monkeypatch: pytest.MonkeyPatch
) -> None:
    unlabelled(reviews, 1)
    opener = reviews.opener(review_cooldown_seconds=3600)
    opener.collect(nobody)
    (first,) = open_tasks(reviews)
    reviews.table.update(first.id, lambda task: finished(task, "given_back", "no"))
    assert opener.collect(nobody) == 0
    later = clock.in_seconds(3601)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert opener.collect(nobody) == 1
    (again,) = open_tasks(reviews)
    assert (again.image, again.id) == (first.image, first.id[:-1] + "2")


def test_nothing_is_opened_where_nothing_is_reviewed(reviews: Reviews) -> None:
    ids = unlabelled(reviews, 1)
    opener = reviews.opener(review_route="none")
    assert (opener.room(), opener.collect(nobody)) == (0, 0)
    assert opener.open_unlabelled(ids, nobody, opener.room()) == 0
    assert open_tasks(reviews) == []


def test_what_is_asked_for_is_what_the_labelled_images_have(reviews: Reviews) -> None:
    assert reviews.opener().kind() == "detection"
    reviews.world.image("labelled", "cat")
    assert reviews.opener().kind() == "classification"
    assert reviews.opener(review_kind="detection").kind() == "detection"
    assert reviews.opener(review_kind="classification").kind() == "classification"


def test_what_is_asked_for_is_what_most_labelled_images_have(reviews: Reviews) -> None:
    """Whichever comes first in the order of their hashes."""
    for number in range(6):
        reviews.world.image(f"boxed {number}", boxes=(Box("cat", 1, 1, 20, 20),))
    for number in range(5):
        reviews.world.image(f"whole {number}", "cat")
        assert reviews.opener().kind() == "detection"
    for number in range(5, 7):
        reviews.world.image(f"whole {number}", "cat")
    assert reviews.opener().kind() == "classification"


def test_a_task_whose_execution_did_not_start_is_there_for_the_sweeper(reviews: Reviews) -> None:
    ids = unlabelled(reviews, 1)
    reviews.executions.failures.append("ThrottlingException")
    with pytest.raises(type(client_error("")), match="ThrottlingException"):
        reviews.opener().open_unlabelled(ids, nobody, 1)
    (task,) = open_tasks(reviews)
    assert reviews.opener().start(task.id, task.route)


# What is drawn in advance


def test_suggestions_lie_within_the_image_the_surest_first(reviews: Reviews) -> None:
    image = reviews.image("a")
    sees = seen(
        ("cat", 50.0, (-0.1, 0.5, 0.3, 0.9)),
        ("dog", 90.0, (0.0, 0.0, 1.0, 1.0)),
        ("cat", 70.0, (0.5, 0.5, 0.001, 0.5)),
        ("cat", 60.0, (1.5, 0.5, 0.5, 0.5)),
    )
    suggested = task_opening.suggestions(sees, image, "detection")
    assert [(suggestion.label, suggestion.box) for suggestion in suggested.boxes] == [
        ("dog", Box("dog", 0, 0, *SIZE)),
        ("cat", Box("cat", 0, 40, 20, 40)),
    ]
    assert task_opening.suggestions(sees, image, "classification").boxes == ()


def test_no_more_is_drawn_than_an_image_may_have(reviews: Reviews) -> None:
    many = seen(*(("cat", 90 - n / 10, WHOLE) for n in range(MAX_BOXES_PER_IMAGE + 5)))
    boxes = task_opening.suggestions(many, reviews.image("a"), "detection").boxes
    assert len(boxes) == MAX_BOXES_PER_IMAGE
    assert boxes[-1].confidence == 90 - (MAX_BOXES_PER_IMAGE - 1) / 10


# Detections


def put(reviews: Reviews, data: bytes, key: str = KEY) -> str:
    """The version of an object in a bucket that keeps them."""
    s3 = reviews.world.s3
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    return s3.put_object(Bucket=BUCKET, Key=key, Body=data)["VersionId"]


def arrived(version: str | None) -> Arrival:
    return Arrival(BUCKET, KEY, version, 0, "")


def test_the_image_that_the_champion_saw_is_reviewed_whatever_came_under_its_key_since(
    reviews: Reviews,
) -> None:
    one, other = picture(1), picture(2)
    version = put(reviews, one)
    put(reviews, other)
    sees = seen(("cat", 40.0, (0.0, 0.0, 0.5, 0.5)))
    (task,) = reviews.opener().open_detected(reviews.world.s3, arrived(version), "low_confidence", sees)
    assert task.image == hashlib.sha256(one).hexdigest()
    assert reviews.world.s3.get_object(Bucket=BUCKET, Key=task.key)["Body"].read() == one
    assert task.suggestions.boxes[0].box == Box("cat", 0, 0, 40, 35)


def test_detections_that_are_not_reviewed(reviews: Reviews) -> None:
    version, sees = put(reviews, picture(1)), seen()
    s3, images = reviews.world.s3, reviews.world.catalogue

    def propose(**tuning: Any) -> Task | None:
        return next(iter(reviews.opener(**tuning).open_detected(s3, arrived(version), "sample", sees)), None)

    assert propose(review_route="none") is None
    assert reviews.world.keys("images/") == []
    task = propose(review_open_limit=1)
    assert task is not None
    assert propose() is None
    curation.relabel(images, task.image, "classification", ("cat",), (), "somebody")
    desk.delete(reviews.table, task.id, "Dot")
    assert propose() is None
    put(reviews, b"no image")
    with pytest.raises(UnusableImageError):
        reviews.opener().open_detected(s3, arrived(None), "sample", sees)
    s3.delete_object(Bucket=BUCKET, Key=KEY)
    with pytest.raises(GoneError):
        propose()


def test_as_many_test_images_are_asked_about_as_are_needed(reviews: Reviews) -> None:
    """By the event of an image under detect/ on which the champion sees a label that they are needed of."""
    reviews.world.loop_state.record_needed(NeededImages("v2", {"cat": 2}))
    sees = {"labels": [{"label": "cat", "confidence": 99.0, "box": None}], "model_version": "v1"}
    for number in range(3):
        version = put(reviews, picture(number), f"detect/{number}.jpg")
        proposal = {"key": f"detect/{number}.jpg", "version_id": version, "reason": "needed", **sees}
        event = {"Records": [{"messageId": "1", "body": json.dumps({"detection": proposal})}]}
        assert handlers.propose(event, context()) == {"batchItemFailures": []}
    tasks = open_tasks(reviews)
    assert len(tasks) == 2
    assert {(task.reason, task.why) for task in tasks} == {
        ("needed", "test images of cat are needed to compare v2 with the champion")
    }


def test_what_nobody_could_be_asked_about_is_not_counted_as_asked(reviews: Reviews) -> None:
    """While the desk is full, or the same image comes again and again."""
    needed, sees = NeededImages("v2", {"cat": 2}), seen(("cat", 99.0, WHOLE))
    s3, full, opener = reviews.world.s3, reviews.opener(review_open_limit=1), reviews.opener()
    first = arrived(put(reviews, picture(1)))
    assert len(full.open_needed(s3, first, sees, needed)) == 1
    for _ in range(3):
        assert full.open_needed(s3, first, sees, needed) == []
        assert opener.open_needed(s3, first, sees, needed) == []
    second = arrived(put(reviews, picture(2)))
    assert len(opener.open_needed(s3, second, sees, needed)) == 1
    third = arrived(put(reviews, picture(3)))
    assert opener.open_needed(s3, third, sees, needed) == []


def test_once_versions_are_decided_about_no_test_images_are_asked_for(reviews: Reviews) -> None:
    version = put(reviews, picture(1))
    opener, s3 = reviews.opener(), reviews.world.s3
    for needed in (NeededImages("v2"), NeededImages("v2", {"dog": 9})):
        assert opener.open_needed(s3, arrived(version), seen(("cat", 99.0, WHOLE)), needed) == []


def test_who_says_that_a_detection_is_wrong_is_heard_where_the_image_is_labelled(reviews: Reviews) -> None:
    version = put(reviews, picture(1))
    s3, images = reviews.world.s3, reviews.world.catalogue

    def wrong(**tuning: Any) -> Task | None:
        opener = reviews.opener(**tuning)
        tasks = opener.open_detected(s3, arrived(version), "requested", seen(), why="shop says so")
        return next(iter(tasks), None)

    first = wrong()
    assert first is not None
    assert wrong() is None, "its task is open"
    curation.relabel(images, first.image, "classification", ("cat",), (), "somebody")
    desk.delete(reviews.table, first.id, "Dot")
    assert wrong(review_route="none") is None
    # Nothing else ever looks at a labelled image: it is not left until there is room.
    full = reviews.image("b")
    reviews.opener().open(full, "unlabelled", "detection", None)
    again = wrong(review_open_limit=1)
    assert again is not None
    assert (again.reason, again.why, again.kind) == ("requested", "shop says so", "classification")
    assert [label.label for label in again.suggestions.labels] == ["cat"]
    desk.delete(reviews.table, again.id, "Dot")
    curation.exclude(images, first.image, "somebody")
    assert wrong() is None


# While uploads go on


@pytest.mark.parametrize(
    ("seconds", "unregistered", "opened"),
    [
        pytest.param(0, 0, 0, id="just registered"),
        pytest.param(301, 0, 1, id="nothing is on its way"),
        pytest.param(301, 1, 0, id="labels may be on their way"),
        pytest.param(3601, 1, 1, id="waited for long enough"),
    ],
)
def test_nobody_is_asked_about_an_image_whose_labels_may_be_on_their_way(
    reviews: Reviews, monkeypatch: pytest.MonkeyPatch, seconds: int, unregistered: int, opened: int
) -> None:
    world, image = reviews.world, reviews.image("a")
    world.tune(burst_quiet_seconds=300, burst_limit_seconds=3600)
    for number in range(unregistered):
        world.sqs.send_message(QueueUrl=world.queues["register"], MessageBody=str(number))
    sent: list[Any] = []
    monkeypatch.setattr(world.sqs, "send_message_batch", lambda **given: sent.append(given["Entries"]))
    later = clock.in_seconds(seconds)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert handlers.collect({}, context()) == {"opened": opened}
    assert reviews.table.count("open") == opened
    take(handlers.propose, {"image": image.sha256})
    assert reviews.table.count("open") == opened
    assert [[entry["DelaySeconds"] for entry in batch] for batch in sent] == [[300]] * (1 - opened)


def test_an_image_that_was_labelled_meanwhile_is_not_proposed_again(
    reviews: Reviews, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = reviews.image("a")
    curation.relabel(reviews.world.catalogue, image.sha256, "classification", ("cat",), (), "somebody")
    monkeypatch.setattr(reviews.world.sqs, "send_message_batch", lambda **given: pytest.fail("it was sent"))
    take(handlers.propose, {"image": image.sha256})
    assert reviews.table.count("open") == 0


# From a detection to the books


def messages(*bodies: dict[str, Any]) -> dict[str, Any]:
    return {
        "Records": [
            {"messageId": str(n), "body": json.dumps(body), "eventSource": "aws:sqs"}
            for n, body in enumerate(bodies)
        ]
    }


def detected(reviews: Reviews, key: str, version: str) -> None:
    """An image comes under detect/, is answered and proposed, and the proposal is taken."""
    event = {"detail": {"bucket": {"name": BUCKET}, "object": {"key": key, "version-id": version}}}
    take(detect.handle, event)
    take(handlers.propose, *reviews.world.received("review"))


def take(handle: Any, *bodies: dict[str, Any]) -> None:
    assert handle(messages(*bodies), context())["batchItemFailures"] == []


@pytest.mark.long
def test_samples_tell_how_right_the_champion_is_in_production(reviews: Reviews) -> None:
    """Under one key come three images: of four detections three are right, and one object is missed."""
    reviews.world.tune(review_sample_rate=1, review_confidence_threshold=0)
    reviews.world.champion("v1")
    reviews.world.fake.finds = lambda version, key: [
        label("cat", 95, (0.0, 0.0, 0.5, 0.5)),
        *([label("dog", 90, (0.5, 0.5, 0.5, 0.5))] if number == 0 else []),
    ]
    cat = {"label": "cat", "left": 0, "top": 0, "width": 40, "height": 35}
    dog = {"label": "dog", "left": 40, "top": 35, "width": 40, "height": 35}
    bodies = [labelled(cat), labelled(cat, dog), labelled(cat)]
    for number, answer in enumerate(bodies):
        detected(reviews, KEY, put(reviews, picture(number)))
        (task,) = open_tasks(reviews)
        assert (task.reason, task.suggested_by) == ("sample", "v1")
        reviews.resolver().resolve_task(submit_answer(reviews.table, task.id, ANN, answer, LABELS))
    precision = reviewer_statistics.precisions_of(reviews.table, ["v1"])["v1"]
    assert (precision.confirmed, precision.false, precision.missed, precision.images) == (3, 1, 1, 3)
    assert precision.value == 0.75
    by = production.read(reviews.table, "v1")
    (day,) = by.days
    kind = production.Kind("detect", "sure")
    assert (day, by.in_all()) == (task.created_at[:10], {kind: precision})
    assert {label: judged[kind].value for label, judged in by.labels.items()} == {"cat": 1, "dog": 0}


def test_what_the_champion_was_unsure_of_tells_nothing_of_how_right_it_is(reviews: Reviews) -> None:
    reviews.world.tune(review_sample_rate=1, review_confidence_threshold=60)
    reviews.world.champion("v1")
    reviews.world.fake.finds = lambda version, key: [label("cat", 40, (0.0, 0.0, 0.5, 0.5))]
    detected(reviews, KEY, put(reviews, picture()))
    (task,) = open_tasks(reviews)
    assert task.reason == "low_confidence"
    answer = labelled({"label": "cat", "left": 0, "top": 0, "width": 40, "height": 35})
    reviews.resolver().resolve_task(submit_answer(reviews.table, task.id, ANN, answer, LABELS))
    assert reviewer_statistics.precisions_of(reviews.table, ["v1"])["v1"].images == 0
    (kind,) = production.read(reviews.table, "v1").in_all()
    assert kind == production.Kind("detect", "unsure")
