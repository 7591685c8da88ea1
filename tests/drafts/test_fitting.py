"""From what is labelled to drafts and to the order in which the rest is asked about."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from botocore.exceptions import ClientError

from lambdas import review as handlers
from lambdas.domain.catalogue import embeddings
from lambdas.domain.catalogue import images as catalogue_images
from lambdas.domain.catalogue.embeddings import ImageFeatures
from lambdas.domain.drafts import choice, embedding
from lambdas.domain.drafts.fitting import Fitting
from lambdas.domain.review.desk import desk, drafts
from lambdas.domain.review.desk.drafts import DraftHead, Order, drafting
from lambdas.domain.review.desk.task import Suggestion, Suggestions, Task
from lambdas.domain.review.results import draft_precision
from lambdas.domain.review.results.draft_precision import LabelDrafts
from lambdas.domain.shared import clock
from lambdas.domain.shared.annotation import Box, Kind
from lambdas.domain.shared.tuning import Tuning
from portable.embedding import Embedder
from portable.images import Canvas
from tests.drafts.test_head import images
from tests.fixtures.deployment import BUCKET, context
from tests.fixtures.images import picture
from tests.fixtures.reviews import ANN, BEN, CLAIM_SECONDS, Reviews, submit_answer

TRUNK = "trunk-1"
LABELS = ("bolt", "nut", "screw")


class TinyGraph:
    """Stands for the trunk's graph: the mean of each colour."""

    def run(self, pixels: Any) -> dict[str, Any]:
        return {"features": pixels[0].mean((0, 1)).astype(np.float32)}


EMBEDDER = Embedder(TinyGraph(), Canvas(32, 32), TRUNK)  # pyrefly: ignore[bad-argument-type]


def embed(reviews: Reviews, hashes: Sequence[str], features: Any, objects: Any = None) -> None:
    """Give images embeddings, and their objects, if those are known."""
    whole, parts = packed(features), packed(objects) if objects is not None else [b""] * len(hashes)
    known = {sha256: ImageFeatures(*each) for sha256, *each in zip(hashes, whole, parts, strict=True)}
    embeddings.put_embeddings(reviews.world.catalogue, known, TRUNK)


def packed(features: Any) -> list[bytes]:
    return [row.astype("<f2").tobytes() for row in features]


def label(reviews: Reviews, count: int) -> None:
    """So many labelled images, with embeddings."""
    hashes = [reviews.world.image(f"known {n}", LABELS[n % 3]) for n in range(count)]
    embed(reviews, hashes, images(count)[0])


def ask(reviews: Reviews, count: int, kind: Kind = "classification", **task: Any) -> list[Task]:
    """So many open tasks about images with embeddings, of the three labels in turn."""
    tasks = [reviews.task(f"new {n}", kind=kind, **task) for n in range(count)]
    embed(reviews, [task.image for task in tasks], images(count, seed=7)[0])
    return tasks


def fitting(reviews: Reviews, trunk: str = TRUNK, **tuning: Any) -> Fitting:
    return Fitting(reviews.world.catalogue, reviews.table, Tuning(**tuning), trunk)


def claim(
    reviews: Reviews, count: int, who: desk.Reviewer = ANN, usable: Sequence[str] = LABELS
) -> list[Task]:
    """Claim as the desk's handler does."""
    table, catalogue = reviews.table.table, reviews.world.catalogue
    head, order = drafts.head_of(table), drafts.order_of(table).tasks

    def features_of(sha256: str) -> bytes | None:
        known = embeddings.get_embeddings(catalogue, [sha256], TRUNK).get(sha256)
        return known.image if known else None

    draft = drafting(head, features_of, usable)
    return desk.claim(reviews.table, who, count, CLAIM_SECONDS, order=order, draft=draft)


def test_after_some_labels_the_queue_is_drafted(reviews: Reviews) -> None:
    label(reviews, 12)
    ask(reviews, 5)
    assert fitting(reviews).refit(clock.now()) == []
    claimed = claim(reviews, 5)
    assert len(claimed) == 5
    for task in claimed:
        number = int(next(n for n in range(5) if reviews.image(f"new {n}").sha256 == task.image))
        (suggestion,) = task.suggestions.labels
        assert suggestion.label == LABELS[number % 3]
        assert suggestion.confidence >= drafts.MIN_CONFIDENCE
        assert (task.drafted_from, task.suggested_by) == (12, "")
        assert reviews.read(task).suggestions == task.suggestions


def test_a_label_that_nobody_may_give_any_more_is_not_drafted(reviews: Reviews) -> None:
    label(reviews, 12)
    ask(reviews, 3)
    fitting(reviews).refit(clock.now())
    drafted = [task.suggestions.labels for task in claim(reviews, 3, usable=LABELS[:2])]
    assert sorted(one.label for labels in drafted for one in labels) == [*LABELS[:2]]


def test_a_head_that_was_begun_earlier_takes_no_newer_one_s_place(reviews: Reviews) -> None:
    table = reviews.table.table
    older, newer = (DraftHead(TRUNK, images, clock.now()) for images in (5, 6))
    for head in (older, newer, older):
        drafts.put_head(table, head)
    assert drafts.head_of(table) == newer


def test_what_is_held_comes_again_once(reviews: Reviews) -> None:
    label(reviews, 12)
    ask(reviews, 3)
    fitting(reviews).refit(clock.now())
    held = [task.id for task in claim(reviews, 1)]
    again = [task.id for task in claim(reviews, 3)]
    assert again[:1] == held
    assert len(again) == len(set(again)) == 3


def test_a_draft_is_no_label(reviews: Reviews) -> None:
    label(reviews, 12)
    (task,) = ask(reviews, 1)
    fitting(reviews).refit(clock.now())
    claim(reviews, 1)
    assert reviews.image_of(task).status == "unlabelled"


@pytest.mark.parametrize(
    ("task", "tuning"),
    [
        ({"kind": "detection"}, {}),
        ({"suggested_by": "v1"}, {}),
        ({"suggestions": Suggestions(labels=(Suggestion("nut", 100),))}, {}),
        ({}, {"review_drafts": False}),
    ],
    ids=[
        "boxes are asked for",
        "a version was asked",
        "it has labels to be corrected",
        "there are to be none",
    ],
)
def test_what_is_not_drafted(reviews: Reviews, task: dict[str, Any], tuning: dict[str, Any]) -> None:
    label(reviews, 12)
    (before,) = ask(reviews, 1, **task)
    fitting(reviews, **tuning).refit(clock.now())
    (claimed,) = claim(reviews, 1)
    assert (claimed.suggestions, claimed.drafted_from) == (before.suggestions, 0)


@pytest.mark.parametrize("count", [0, 1, 4])
def test_too_few_labels_draft_nothing(reviews: Reviews, count: int) -> None:
    label(reviews, count)
    ask(reviews, 2)
    fitting(reviews).refit(clock.now())
    assert all(task.suggestions == Suggestions() for task in claim(reviews, 2))


def test_where_the_head_is_unsure_there_is_no_draft(reviews: Reviews) -> None:
    label(reviews, 12)
    (task,) = ask(reviews, 1)
    embed(reviews, [task.image], images(3)[0].mean(0, keepdims=True))
    fitting(reviews).refit(clock.now())
    assert claim(reviews, 1)[0].suggestions == Suggestions()


def test_an_image_without_an_embedding_has_no_draft(reviews: Reviews) -> None:
    label(reviews, 12)
    reviews.task("new", kind="classification")
    fitting(reviews).refit(clock.now())
    assert claim(reviews, 1)[0].drafted_from == 0


def test_a_draft_stays_while_somebody_has_seen_it(reviews: Reviews) -> None:
    label(reviews, 12)
    (task,) = ask(reviews, 1, wanted=2)
    fitting(reviews).refit(clock.now())
    (first,) = claim(reviews, 1)
    drafts.put_head(reviews.table.table, DraftHead(TRUNK, 99, clock.now()))
    (second,) = claim(reviews, 1, BEN)
    assert second.suggestions == first.suggestions != Suggestions()
    assert reviews.read(task).drafted_from == 12


def test_drafts_that_nobody_has_seen_follow_newer_heads(reviews: Reviews) -> None:
    label(reviews, 12)
    (task,) = ask(reviews, 1)
    fitting(reviews).refit(clock.now())
    (first,) = claim(reviews, 1)
    desk.release(reviews.table, first.id, ANN)
    drafts.put_head(
        reviews.table.table, DraftHead(TRUNK, 99, clock.now(), False, ("nut",), (99.0,), 1.0, 0.0, bytes(80))
    )
    assert [one.label for one in claim(reviews, 1)[0].suggestions.labels] == ["nut"]
    assert reviews.read(task).drafted_from == 99


def test_it_is_counted_how_often_drafts_are_right(reviews: Reviews) -> None:
    label(reviews, 12)
    ask(reviews, 3)
    fitting(reviews).refit(clock.now())
    for task in claim(reviews, 3):
        drafted = task.suggestions.labels[0].label
        answer = "screw" if drafted == "nut" else drafted
        answered = submit_answer(
            reviews.table, task.id, ANN, {"verdict": "labelled", "labels": [answer]}, set(LABELS)
        )
        reviews.resolver().resolve_task(answered)
    assert draft_precision.of_labels(reviews.table.table) == [
        LabelDrafts("bolt", 1, 0),
        LabelDrafts("nut", 0, 1),
        LabelDrafts("screw", 1, 0),
    ]


def test_the_first_ones_are_claimed_in_the_order_that_tells_most(reviews: Reviews) -> None:
    label(reviews, 12)
    tasks = ask(reviews, 12)
    fitting(reviews, review_random_share=0.0).refit(clock.now())
    order = drafts.order_of(reviews.table.table)
    assert (order.by, len(order.tasks)) == ("embeddings", 12)
    assert order.tasks != tuple(task.id for task in tasks)
    claimed = [task.id for who in (ANN, BEN) for task in claim(reviews, 3, who)]
    assert claimed == list(order.tasks[:6])


def seen(left: int = 10) -> Suggestions:
    return Suggestions((Suggestion("bolt", 90.0, left, 10, 20, 20),))


def test_where_the_champion_sees_objects_those_are_what_orders(reviews: Reviews) -> None:
    """Whole images look all alike here: only their objects tell which are unlike those that are labelled."""
    alike = np.ones((12, 40))
    bolt = Box("bolt", 5, 5, 20, 20)
    hashes = [reviews.world.image(f"known {n}", boxes=(bolt,)) for n in range(6)]
    embed(reviews, hashes, alike[:6], images(18)[0][::3])
    tasks = [reviews.task(f"new {n}", suggestions=seen(), suggested_by="v1") for n in range(12)]
    embed(reviews, [task.image for task in tasks], alike, images(12, seed=7)[0])
    fitting(reviews, review_random_share=0.0).refit(clock.now())
    order = drafts.order_of(reviews.table.table)
    first = [[task.id for task in tasks].index(id) % 3 for id in order.tasks[:2]]
    assert order.by == "embeddings"
    assert sorted(first) == [1, 2], "what is labelled is of the first kind"


def test_of_images_alike_the_one_with_most_objects_comes_first(reviews: Reviews) -> None:
    boxes = [Suggestion("bolt", 90.0, 10 * n, 10, 8, 8) for n in range(8)]
    counts = [1, 2, 8, 3, 1]
    tasks = [
        reviews.task(f"new {n}", suggestions=Suggestions(tuple(boxes[:count])), suggested_by="v1")
        for n, count in enumerate(counts)
    ]
    embed(reviews, [task.image for task in tasks], np.ones((5, 40)), images(15)[0][::3])
    fitting(reviews, review_random_share=0.0).refit(clock.now())
    assert drafts.order_of(reviews.table.table).tasks[0] == tasks[2].id


def test_where_few_objects_are_known_whole_images_are_compared(reviews: Reviews) -> None:
    label(reviews, 12)
    tasks = ask(reviews, 9)
    fitting(reviews, review_random_share=0.0).refit(clock.now())
    before = drafts.order_of(reviews.table.table).tasks
    embed(reviews, [tasks[0].image], images(1, seed=7)[0], 50 * np.ones((1, 40)))
    fitting(reviews, review_random_share=0.0).refit(clock.now())
    assert drafts.order_of(reviews.table.table).tasks == before


def test_tasks_that_are_not_in_the_order_come_in_their_turn(reviews: Reviews) -> None:
    (first, urgent, last) = (
        reviews.task("a"),
        reviews.task("b", reason="requested"),
        reviews.task("c"),
    )
    drafts.put_order(reviews.table.table, [last.id, "gone-1"], "chance")
    assert [task.id for task in claim(reviews, 3)] == [last.id, urgent.id, first.id]


def test_an_ordered_task_that_somebody_has_is_passed_over(reviews: Reviews) -> None:
    first, second, third = (reviews.task(name) for name in "abc")
    drafts.put_order(reviews.table.table, [third.id, second.id, first.id], "chance")
    assert [task.id for task in claim(reviews, 1)] == [third.id]
    assert [task.id for task in claim(reviews, 2, BEN)] == [second.id, first.id]


def test_without_a_trunk_the_champion_s_detections_order(reviews: Reviews) -> None:
    sees = {"sure": 99.0, "unsure": 51.0, "sure too": 98.0}
    for name, confidence in sees.items():
        suggested = Suggestions(labels=(Suggestion("cat", confidence),))
        reviews.task(name, suggestions=suggested, suggested_by="v1")
    fitting(reviews, trunk="", review_random_share=0.0).refit(clock.now())
    order = drafts.order_of(reviews.table.table)
    (first,) = claim(reviews, 1)
    assert (order.by, first.suggestions.labels[0].confidence) == ("detections", 51.0)
    head = drafts.head_of(reviews.table.table)
    assert head and head.trunk == ""


def test_without_anything_to_go_by_chance_orders(reviews: Reviews) -> None:
    tasks = [reviews.task(f"{n}") for n in range(8)]
    fitting(reviews, trunk="").refit(clock.now())
    order = drafts.order_of(reviews.table.table)
    assert order.by == "chance"
    assert set(order.tasks) == {task.id for task in tasks}
    assert order.tasks != tuple(task.id for task in tasks)


def test_where_nothing_is_open_there_is_no_order(reviews: Reviews) -> None:
    fitting(reviews, trunk="").refit(clock.now())
    assert drafts.order_of(reviews.table.table) == Order()


def test_random_images_keep_their_share_of_the_order(reviews: Reviews) -> None:
    tasks = ask(reviews, 30)
    fitting(reviews, review_random_share=0.5).refit(clock.now())
    images_of = {task.id: task.image for task in tasks}
    first = drafts.order_of(reviews.table.table).tasks[:10]
    assert sum(choice.is_random(images_of[id], 0.5) for id in first) == 5


def test_what_is_fitted_after_it_was_wanted_is_not_fitted_again(reviews: Reviews) -> None:
    label(reviews, 6)
    wanted = clock.now()
    assert fitting(reviews).refit(wanted) == []
    assert fitting(reviews).refit(wanted) is None
    assert fitting(reviews, trunk="").refit(wanted) is not None, "another trunk was deployed"
    assert fitting(reviews).refit(clock.now()) == []


def test_more_images_than_there_is_room_for_are_chosen_from(reviews: Reviews) -> None:
    label(reviews, 6)
    asked = ask(reviews, 2)
    new = [reviews.image(f"unasked {n}").sha256 for n in range(9)]
    embed(reviews, new, images(9, seed=8)[0])
    order = fitting(reviews).choose(sorted([*new, *(task.image for task in asked)]), 4)
    assert len(order) == 4
    assert set(order) < set(new)


def test_a_head_survives_its_table(reviews: Reviews) -> None:
    head = DraftHead("t", 7, clock.now(), True, ("a", "b"), (0.25, -1.0), 2.0, 0.0, bytes(range(8)))
    drafts.put_head(reviews.table.table, head)
    assert drafts.head_of(reviews.table.table) == head


# Embeddings


def stored(reviews: Reviews, name: str, body: bytes) -> str:
    image = reviews.image(name)
    reviews.world.s3.put_object(Bucket=BUCKET, Key=image.key, Body=body)
    return image.sha256


def embedded(reviews: Reviews, hashes: Sequence[str]) -> int:
    world = reviews.world
    return embedding.embed_missing(
        world.s3, BUCKET, world.catalogue, EMBEDDER, hashes, boxes_of=lambda image: image.boxes
    )


def test_an_image_is_embedded_once(reviews: Reviews) -> None:
    hashes = [stored(reviews, f"{n}", picture(n)) for n in range(2)]
    assert embedded(reviews, hashes) == 2
    assert embedded(reviews, [*hashes, "unknown"]) == 0
    known = embeddings.get_embeddings(reviews.world.catalogue, hashes, TRUNK)
    assert {(len(each.image), each.objects) for each in known.values()} == {(2 * 3, b"")}
    assert embeddings.get_embeddings(reviews.world.catalogue, hashes, "another trunk") == {}


def test_an_image_is_embedded_once_more_when_its_objects_are_known(reviews: Reviews) -> None:
    sha256 = stored(reviews, "a", picture())
    assert embedded(reviews, [sha256]) == 1
    (before,) = embeddings.get_embeddings(reviews.world.catalogue, [sha256], TRUNK).values()
    reviews.world.image("a", boxes=(Box("bolt", 5, 5, 20, 20),))
    assert fitting(reviews).refit(clock.now()) == [sha256]
    assert [embedded(reviews, [sha256]) for _ in range(2)] == [1, 0]
    (after,) = embeddings.get_embeddings(reviews.world.catalogue, [sha256], TRUNK).values()
    assert (after.image, len(after.objects)) == (before.image, 2 * 3)
    assert fitting(reviews).refit(clock.now()) == []


def test_objects_are_where_labels_say_or_else_the_champion(reviews: Reviews) -> None:
    labelled = reviews.world.image("labelled", boxes=(Box("nut", 1, 2, 3, 4),))
    suggested = reviews.task("suggested", suggestions=seen(left=30), suggested_by="v1")
    unseen, unasked = reviews.task("unseen"), reviews.image("not asked about")
    hashes = (labelled, suggested.image, unseen.image, unasked.sha256)
    read = [catalogue_images.get_image(reviews.world.catalogue, sha256) for sha256 in hashes]
    assert [[box.left for box in handlers._objects_of(image)] for image in read if image] == [
        [1],
        [30],
        [],
        [],
    ]


def test_what_cannot_be_read_is_not_tried_again(reviews: Reviews) -> None:
    """Else heads would be fitted for ever, as they wait for it."""
    hashes = [stored(reviews, "broken", b"no image"), reviews.image("without a file").sha256]
    assert embedded(reviews, hashes) == 2
    assert embedding.missing(reviews.world.catalogue, EMBEDDER, hashes) == []
    ask(reviews, 1)
    reviews.world.image("broken", "bolt")
    assert set(fitting(reviews).refit(clock.now()) or ()).isdisjoint(hashes)


def test_what_s3_does_not_give_keeps_no_other_image_from_its_embedding(
    reviews: Reviews, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is it waited for for ever: without the permission to list, what is gone is denied."""
    good, denied = stored(reviews, "good", picture()), reviews.image("denied")
    for name in ("good", "denied"):
        reviews.task(name, kind="classification")
    get = reviews.world.s3.get_object

    def guarded(**request: Any) -> Any:
        if request["Key"] == denied.key:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetObject")
        return get(**request)

    monkeypatch.setattr(reviews.world.s3, "get_object", guarded)
    assert embedded(reviews, [denied.sha256, good]) == 1
    monkeypatch.setattr(handlers, "_embedder", lambda: EMBEDDER)
    monkeypatch.setenv("REVIEW_QUEUE_URL", reviews.world.queues["review"])
    handlers._refit(clock.now())
    wanted = [json.loads(body) for body in messages(reviews)]
    assert {"embed": [denied.sha256]} in wanted
    handlers._refit(clock.now(), 1)
    assert len(messages(reviews)) == len(wanted), "it has not become fewer"


def messages(reviews: Reviews) -> list[str]:
    queue = reviews.world.queues["review"]
    received = reviews.world.sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, VisibilityTimeout=0)
    return [message["Body"] for message in received.get("Messages", [])]


def test_what_is_asked_about_or_labelled_gets_its_embedding_whoever_opened_its_task(
    reviews: Reviews, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashes = {stored(reviews, "asked", picture()), stored(reviews, "imported", picture(1))}
    reviews.task("asked", kind="classification")
    reviews.world.image("imported", "bolt")
    monkeypatch.setattr(handlers, "_embedder", lambda: EMBEDDER)
    monkeypatch.setenv("REVIEW_QUEUE_URL", reviews.world.queues["review"])
    record = {"messageId": "1", "body": f'{{"fit": "{clock.now()}"}}'}
    handlers.propose({"Records": [record]}, context())
    (wanted,) = (body for body in messages(reviews) if "embed" in body)
    handlers.propose({"Records": [{"messageId": "2", "body": wanted}]}, context())
    assert embeddings.get_embeddings(reviews.world.catalogue, sorted(hashes), TRUNK).keys() == hashes
    handlers._refit(clock.now())
    head = drafts.head_of(reviews.table.table)
    assert head and head.images == 1
    assert drafts.order_of(reviews.table.table).by == "embeddings"


def test_without_a_trunk_s_file_there_is_none(caplog: pytest.LogCaptureFixture) -> None:
    handlers._embedder.cache_clear()
    assert handlers._embedder() is None
    handlers._embedder.cache_clear()


def test_the_curve_is_drawn_once_for_the_same_images(reviews: Reviews) -> None:
    label(reviews, 60)
    fitting(reviews, review_random_share=0.5).draw_curve()
    curve = drafts.curve_of(reviews.table.table)
    assert curve and curve["images"] == 60
    assert curve["points"][-1]["f1"] > 0.9
    assert curve["gain"]["labels"] == curve["points"][-1]["labels"]
    fitting(reviews, review_random_share=0.5).draw_curve()
    assert drafts.curve_of(reviews.table.table) == curve


def test_the_curve_is_drawn_anew_for_as_many_other_images(
    reviews: Reviews, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of more images than are looked at the newest count, and there are always as many."""
    monkeypatch.setattr("lambdas.domain.drafts.fitting.MAX_IMAGES", 45)
    label(reviews, 50)
    fitting(reviews, review_random_share=0.5).draw_curve()
    before = drafts.curve_of(reviews.table.table)
    embed(reviews, [reviews.world.image("one more", "bolt")], images(1)[0])
    fitting(reviews, review_random_share=0.5).draw_curve()
    after = drafts.curve_of(reviews.table.table)
    assert before and after and before["images"] == after["images"] == 45
    assert after["drawn_at"] > before["drawn_at"]
