"""Production images that people answered lately, in the shadow gate."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from lambdas import promote
from lambdas.domain.catalogue import curation
from lambdas.domain.catalogue import images as catalogue_images
from lambdas.domain.catalogue.images import CatalogueImage
from lambdas.domain.promote import production_images
from tests.fixtures.deployment import World
from tests.fixtures.rekognition import label
from tests.promote.test_handlers import (
    RUN,
    answers_of,
    call,
    leases,
    snapshot_of_cats_and_dogs,
    truths,
)

__all__ = ["leases"]


def answered(world: World, name: str, shown: str, source: str = "detect/", origin: str = "person") -> str:
    """An image that somebody has labelled, as what it was asked about: its key."""
    sha256 = world.image(name, shown)

    def change(image: CatalogueImage | None) -> CatalogueImage:
        assert image is not None
        made: CatalogueImage = replace(image, sources=frozenset({f"{source}{name}.jpg"}), label_origin=origin)  # pyrefly: ignore[bad-argument-type]
        return made

    catalogue_images.update_image(world.catalogue, sha256, change)
    return f"images/{sha256}.jpg"


def show_nothing(world: World, key: str) -> None:
    """Let people have answered that nothing with a label is on it."""

    def change(image: CatalogueImage | None) -> CatalogueImage:
        assert image is not None
        return replace(image, labels=())

    catalogue_images.update_image(world.catalogue, Path(key).stem, change)


def test_only_what_people_answered_about_production_and_nobody_has_learned_counts(world: World) -> None:
    first, second, third = (
        answered(world, name, "cat", f"{folder}/")
        for name, folder in (
            ("one", "detect"),
            ("two", "applications/shop"),
            ("three", "batches/night/review"),
        )
    )
    answered(world, "four", "cat", "incoming/unlabeled/")
    answered(world, "five", "cat", origin="annotation")
    learned = answered(world, "six", "cat")
    show_nothing(world, answered(world, "seven", "cat"))
    recent = production_images.recent(world.catalogue, 9, "classification", {learned})
    assert [image.key for image in recent] == [third, second, first], "the latest first"
    assert len(production_images.recent(world.catalogue, 2, "classification", set())) == 2
    assert production_images.recent(world.catalogue, 0, "classification", set()) == []
    assert production_images.recent(world.catalogue, 9, "detection", set()) == []


def test_an_image_that_was_withdrawn_a_moment_ago_does_not_count(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = answered(world, "one", "cat")
    newest = catalogue_images.newest_ids(world.catalogue, "labelled", 9)
    curation.exclude(world.catalogue, Path(key).stem, "ann")
    monkeypatch.setattr(catalogue_images, "newest_ids", lambda *arguments: newest)
    assert production_images.recent(world.catalogue, 9, "classification", set()) == []


@pytest.mark.parametrize(("right", "passed"), [(True, True), (False, False)])
def test_a_challenger_that_is_worse_in_production_is_rejected(
    right: bool, passed: bool, world: World
) -> None:
    made = snapshot_of_cats_and_dogs(world)
    truth = truths(world, made)
    world.champion("old", snapshot=made)
    world.version("new", "RUNNING", snapshot=made)
    world.tune(min_f1=0.5, undecided="better", shadow_production_images=30)
    production = {answered(world, f"seen {n}", "cat"): "cat" for n in range(30)}

    def finds(version: str, key: str) -> list[dict[str, object]]:
        if key in production and version == "new" and not right:
            return [label("dog")]
        return [label({**truth, **production}[key])]

    world.fake.finds = finds
    answer = call(promote.shadow_evaluate, version="new", run=RUN, rollback=False)
    assert answer["passed"] is passed
    assert "on production images" in answer["reason"]
    assert "the same 30 that people answered lately" in answer["reason"]
    assert production.keys() <= answers_of(world, "old").keys()
    before = len(world.fake.called("detect_custom_labels"))
    call(promote.shadow_evaluate, version="new", run=RUN, rollback=False)
    asked = world.fake.called("detect_custom_labels")[before:]
    assert len(asked) == 2 * len(truth) + len(production), "the champion's answers in production are known"


@pytest.mark.parametrize("gone_for", [("old", "new"), ("new",)])
def test_production_images_that_are_all_deleted_keep_no_version_from_being_judged(
    gone_for: tuple[str, ...], world: World
) -> None:
    made = snapshot_of_cats_and_dogs(world)
    truth = truths(world, made)
    world.champion("old", snapshot=made)
    world.version("new", "RUNNING", snapshot=made)
    deleted = answered(world, "seen", "cat")

    def finds(version: str, key: str) -> list[dict[str, object]]:
        if key == deleted and version in gone_for:
            raise ClientError({"Error": {"Code": "InvalidS3ObjectException"}}, "DetectCustomLabels")
        return [label(truth.get(key, "cat"))]

    world.fake.finds = finds
    answer = call(promote.shadow_evaluate, version="new", run=RUN, rollback=False)
    assert "on production images" not in answer["reason"]
    assert deleted not in answers_of(world, "old")


def test_images_that_the_challenger_has_learned_are_not_among_them(world: World) -> None:
    production = {answered(world, f"seen {n}", "cat"): "cat" for n in range(20)}
    made = snapshot_of_cats_and_dogs(world)
    train = {key for key in production if key in world.read(f"datasets/{made}/train.manifest")}
    assert train
    world.champion("old", snapshot=made)
    world.version("new", "RUNNING", snapshot=made)
    world.fake.finds = lambda version, key: [label("cat")]
    call(promote.shadow_evaluate, version="new", run=RUN, rollback=False)
    assert not train & {
        request["Image"]["S3Object"]["Name"] for request in world.fake.called("detect_custom_labels")
    }
