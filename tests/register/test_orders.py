"""Names that are used several times, and events in any order: no label is ever on an image that it was not
written for, nothing is lost, and the order in which events are handled does not matter.

S3's clock shows whole seconds, so moto's is set by hand.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moto.moto_api._internal.models import moto_api_backend

from lambdas.domain.catalogue import curation, pending
from lambdas.domain.register.arrivals import Arrival
from tests.fixtures.images import picture
from tests.fixtures.incoming import BUCKET, DataBucket
from tests.fixtures.tables import create_table
from tests.register.test_registration import labelled_line

KEY = "incoming/annotations/cam/a.jpg"
BEGIN = datetime(2026, 11, 27, 10, tzinfo=UTC)
PICTURES = {name: picture(number, size=(64, 64)) for number, name in enumerate("wxyz", start=1)}
HASHES = {name: hashlib.sha256(data).hexdigest() for name, data in PICTURES.items()}


def set_clock(patched: pytest.MonkeyPatch) -> list[float]:
    """Set S3's clock by hand: its seconds, in a list of one."""
    now = [0.0]

    def utcnow() -> datetime:
        # Moto orders versions by their time; S3 knows their order also within a second.
        now[0] += 0.001
        return (BEGIN + timedelta(seconds=now[0])).replace(tzinfo=None)

    patched.setattr("moto.s3.models.utcnow", utcnow)
    return now


@dataclass
class World:
    """What people upload, and the events about it that are not delivered yet."""

    bucket: DataBucket
    seconds: list[float]
    events: list[Arrival] = field(default_factory=list)
    files: int = 0

    def wait(self) -> None:
        self.seconds[0] = float(int(self.seconds[0]) + 10)

    def image(self, name: str, key: str = KEY) -> Arrival:
        self.events.append(self.bucket.put(key, PICTURES.get(name, b"junk")))
        return self.events[-1]

    def annotate(self, label: str, key: str = KEY, file: str = "") -> Arrival:
        self.files += 1
        name = file or f"incoming/annotations/cam/{self.files}.manifest"
        self.events.append(self.bucket.put(name, json.dumps(labelled_line(key, label)).encode()))
        return self.events[-1]

    def run(self, timeline: str) -> None:
        """Upload what a timeline says: small letters are images, other names annotations, = is one second."""
        for moment in timeline.split():
            self.wait()
            for what in moment.split("="):
                self.image(what) if what in "wxyz!" else self.annotate(what)

    def deliver(self, *order: int) -> None:
        """Deliver the events in this order, and then the rest."""
        for event in [self.events[number] for number in order] or self.events:
            self.bucket.register(event)
        if order:
            self.deliver_rest(order)

    def deliver_rest(self, delivered: tuple[int, ...]) -> None:
        for number, event in enumerate(self.events):
            if number not in delivered:
                self.bucket.register(event)

    def images(self) -> dict[str, str]:
        """What the images are labelled with: ? is a conflict, nothing is unlabelled."""
        names = {hash: name for name, hash in HASHES.items()}
        return {
            names[image.sha256]: "?" if image.status == "conflict" else ",".join(image.labels)
            for image in self.bucket.images()
        }


@pytest.fixture
def world(data_bucket: DataBucket, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(data_bucket, set_clock(monkeypatch))


@pytest.mark.parametrize(
    ("timeline", "images"),
    [
        ("x monday y tuesday", {"x": "monday", "y": "tuesday"}),
        ("monday x y tuesday", {"x": "monday", "y": "tuesday"}),
        ("monday x tuesday y", {"x": "?", "y": "?"}),
        ("x first corrected", {"x": "corrected"}),
        ("x first corrected y", {"x": "?", "y": "?"}),
        ("x=y label", {"x": "", "y": "label"}),
        ("! x label", {"x": "label"}),
        ("x first ! label y", {"x": "first", "y": "?"}),
    ],
)
@pytest.mark.parametrize("order", range(3))
def test_a_name_that_is_used_twice(world: World, timeline: str, images: dict[str, str], order: int) -> None:
    world.run(timeline)
    numbers = list(range(len(world.events)))
    if order:
        Random(order).shuffle(numbers)  # noqa: S311 not for secrets
    for number in numbers:
        world.bucket.register(world.events[number])
    assert world.images() == images
    assert world.bucket.keys("incoming/") == []


def test_an_overwritten_key_whose_second_event_was_lost(world: World) -> None:
    """The event that is sent again has no sequencer."""
    first, second = world.image("x"), world.image("y")
    world.bucket.register(first)
    world.wait()
    manifest = world.annotate("second")
    assert world.bucket.register(manifest).pending == 1, "it is for an image that has still to be registered"
    assert world.images() == {"x": ""}
    world.bucket.register(replace(second, sequencer=""))
    assert world.images() == {"x": "", "y": "second"}


def test_an_image_says_why_it_is_in_conflict(world: World) -> None:
    world.run("monday x tuesday y")
    world.deliver()
    for image in world.bucket.images():
        assert image.conflict_reason == (
            "line 1 of incoming/annotations/cam/2.manifest names incoming/annotations/cam/a.jpg, under which"
            " several files came, and can be for this one or for another: if it is for the last one, upload"
            f" the annotations again; if it is for this one, name {image.key} in them, or use"
            " `labelloop images relabel`"
        )


def test_a_conflict_ends_as_its_reason_says(world: World) -> None:
    world.run("monday x tuesday y")
    world.deliver()
    world.wait()
    world.bucket.register(world.annotate("tuesday"))
    assert world.images() == {"x": "?", "y": "tuesday"}
    world.bucket.register(world.annotate("monday", key=f"images/{HASHES['x']}.jpg"))
    assert world.images() == {"x": "monday", "y": "tuesday"}


def test_what_a_person_said_since_is_not_put_into_conflict(world: World) -> None:
    world.run("monday x tuesday")
    world.deliver()
    curation.relabel(world.bucket.table, HASHES["x"], "classification", ("person",), (), "ann")
    world.wait()
    world.bucket.register(world.image("y"))
    assert world.images() == {"x": "person", "y": "?"}


def test_an_image_that_is_deleted_before_it_is_registered_is_not_waited_for(world: World) -> None:
    x = world.image("x")
    world.wait()
    y, manifest = world.image("y"), world.annotate("y")
    world.bucket.s3.delete_object(**y.version)
    for event in (manifest, x, y):
        world.bucket.register(event)
    assert world.images() == {"x": "y"}


def test_names_match_in_whichever_unicode_form_they_are(world: World) -> None:
    """macOS names files in another form than most programs write."""
    composed, decomposed = "incoming/annotations/\u00dcbung.jpg", "incoming/annotations/U\u0308bung.jpg"
    world.image("x", decomposed)
    world.wait()
    world.annotate("label", composed)
    assert world.bucket.register(world.events[1]).pending == 1
    world.bucket.register(world.events[0])
    assert world.images() == {"x": "label"}


@pytest.mark.parametrize("image_first", [True, False])
def test_a_name_that_is_written_as_in_an_address(world: World, image_first: bool) -> None:
    world.image("x", "incoming/annotations/a b.jpg")
    world.wait()
    world.annotate("label", "incoming/annotations/a%20b.jpg")
    world.deliver(*((0, 1) if image_first else (1, 0)))
    assert world.images() == {"x": "label"}
    assert pending.count_pending(world.bucket.table) == 0


def test_a_name_is_taken_as_it_is_first(world: World) -> None:
    world.image("x", "incoming/annotations/a%20b.jpg")
    world.image("y", "incoming/annotations/a b.jpg")
    world.wait()
    world.annotate("label", "incoming/annotations/a%20b.jpg")
    world.deliver(2, 1, 0)
    assert world.images() == {"x": "label", "y": ""}


def test_an_image_that_comes_late_under_the_better_name(world: World) -> None:
    """The one that was labelled by the other name cannot keep a label that is not its own."""
    world.image("y", "incoming/annotations/a b.jpg")
    world.annotate("label", "incoming/annotations/a%20b.jpg")
    world.deliver()
    assert world.images() == {"y": "label"}
    world.bucket.register(world.image("x", "incoming/annotations/a%20b.jpg"))
    assert world.images() == {"y": "?", "x": "label"}
    assert pending.count_pending(world.bucket.table) == 0


def test_a_key_that_is_used_very_often(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lambdas.domain.register.matching.MAX_UPLOADS", 3)
    old = world.annotate("old")
    for name in "wxyz":
        world.wait()
        world.bucket.register(world.image(name))
    assert world.bucket.register(old).broken_lines == 1
    [line] = world.bucket.reason("annotations/cam/1.manifest")["lines"]
    assert (line["reason"], "images/<sha256>.jpg" in line["detail"]) == ("name_used_too_often", True)


# Any drops, in any order


_DROPS = st.lists(
    st.tuples(
        st.sampled_from("wxyz"),
        st.sampled_from(["image first", "annotation first"]),
        st.integers(0, 1),
        st.booleans(),
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda drop: drop[0],
)


def _play(world: World, drops: Any, random: Random) -> dict[str, str]:
    """Upload the drops while events are delivered: late, twice, in any order, or lost and sent again."""
    steps = list(_uploads(world, drops))
    undelivered: list[Arrival] = []
    while steps or undelivered:
        if steps and (not undelivered or random.random() < 0.6):
            steps.pop(0)()
            undelivered.append(world.events[-1])
            continue
        event = random.choice(undelivered)
        if random.random() < 0.3:
            event_again = replace(event, sequencer="")
            undelivered[undelivered.index(event)] = event_again
            event = event_again
        elif random.random() < 0.8:
            undelivered.remove(event)
        world.bucket.register(event)
    return world.images()


def _uploads(world: World, drops: Any) -> Iterator[Any]:
    """What uploads each file of the drops; each label begins with the image that it is for."""
    for image, style, corrections, quick in drops:
        annotations = [f"{image} {number}" for number in range(corrections + 1)]
        first, *corrected = annotations
        both = [lambda image=image: world.image(image), lambda first=first: world.annotate(first)]
        for number, step in enumerate(both if style == "image first" else both[::-1]):
            yield _after(world, step, wait=not (quick and number))
        for correction in corrected:
            yield _after(world, lambda correction=correction: world.annotate(correction), wait=True)


def _after(world: World, step: Any, *, wait: bool) -> Any:
    def upload() -> None:
        if wait:
            world.wait()
        step()

    return upload


@pytest.mark.long
@given(_DROPS, st.integers(0, 2**32))
@settings(max_examples=12)
def test_any_drops_under_one_name_in_any_order(clients: Any, drops: Any, seed: int) -> None:
    outcomes = []
    for order in (seed, seed + 1):
        s3, dynamodb = clients
        moto_api_backend.reset()
        s3.create_bucket(Bucket=BUCKET)
        s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        with pytest.MonkeyPatch.context() as patched:
            world = World(DataBucket(s3, create_table(dynamodb, "catalogue")), set_clock(patched))
            outcomes.append(_play(world, drops, Random(order)))  # noqa: S311
            assert world.bucket.keys("incoming/") == []
            assert pending.count_pending(world.bucket.table) == 0
    assert outcomes[0] == outcomes[1]
    for image, _, corrections, _ in drops:
        assert outcomes[0][image] in ("?", f"{image} {corrections}")
