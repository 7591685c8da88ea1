"""Renaming a label, and merging it into another: its definition, and every image that has it."""

from __future__ import annotations

from typing import Any

import pytest

from lambdas.domain.catalogue import curation
from lambdas.domain.catalogue.images import CatalogueImage
from lambdas.domain.review.desk import label_renaming, labels
from lambdas.domain.review.desk.label_renaming import Renamed
from lambdas.domain.review.desk.labels import LabelDefinition
from lambdas.domain.shared.annotation import Box
from tests.fixtures.reviews import Reviews

CAT, TOM, DOG = (Box(label, 5, 6, 30, 20) for label in ("cat", "tom", "dog"))


def boxed(reviews: Reviews, name: str, *boxes: Box) -> CatalogueImage:
    image = reviews.image(name)
    curation.relabel(reviews.world.catalogue, image.sha256, "detection", (), boxes, "ann")
    return image


def part(reviews: Reviews, old: str, new: str, cursor: str = "") -> Renamed:
    offered = labels.offered(reviews.table, reviews.world.loop_state, reviews.world.catalogue)
    definition = next(each for each in offered if each.label == old)
    return label_renaming.rename(
        reviews.table, reviews.world.catalogue, definition, new, cursor=cursor, by="ann"
    )


def renamed(reviews: Reviews, old: str, new: str) -> list[Renamed]:
    """Every part of a renaming."""
    parts = [part(reviews, old, new)]
    while parts[-1].cursor:
        parts.append(part(reviews, old, new, parts[-1].cursor))
    return parts


def current(reviews: Reviews, image: CatalogueImage) -> CatalogueImage:
    (known,) = (each for each in curation.find(reviews.world.catalogue) if each.sha256 == image.sha256)
    return known


def on(reviews: Reviews, image: CatalogueImage) -> tuple[str, ...]:
    known = current(reviews, image)
    return tuple(box.label for box in known.boxes) or known.labels


def test_a_new_name_has_the_definition_of_the_old_one(reviews: Reviews) -> None:
    members: dict[str, Any] = {"colour": "#112233", "key": "k", "instruction": "Every cat."}
    labels.put(reviews.table, "cat", members)
    (first, *_) = renamed(reviews, "cat", "tom")
    assert first.definition == LabelDefinition("tom", **members)
    old = labels.get(reviews.table, "cat")
    assert old is not None
    assert (old.retired, old.key, old.renamed_to) == (True, "", "tom")


def test_images_keep_whatever_else_is_on_them(reviews: Reviews) -> None:
    labels.put(reviews.table, "cat", {})
    both, other = boxed(reviews, "a", CAT, DOG), boxed(reviews, "b", DOG)
    whole = reviews.image("c")
    curation.relabel(reviews.world.catalogue, whole.sha256, "classification", ("ant", "cat"), (), "ann")
    assert sum(each.relabelled for each in renamed(reviews, "cat", "tom")) == 2
    assert (on(reviews, both), on(reviews, other), on(reviews, whole)) == (
        ("tom", "dog"),
        ("dog",),
        ("ant", "tom"),
    )
    (past,) = curation.past_labels(reviews.world.catalogue, current(reviews, whole))[-1:]
    assert past.labels == ("ant", "cat")


def test_two_labels_become_one(reviews: Reviews) -> None:
    for label in ("cat", "tom"):
        labels.put(reviews.table, label, {"instruction": f"Every {label}."})
    twice = boxed(reviews, "a", CAT, TOM)
    parts = renamed(reviews, "cat", "tom")
    assert parts[0].definition.instruction == "Every tom."
    assert on(reviews, twice) == ("tom",)


def test_an_excluded_image_is_renamed_and_stays_excluded(reviews: Reviews) -> None:
    labels.put(reviews.table, "cat", {})
    image = boxed(reviews, "a", CAT)
    curation.exclude(reviews.world.catalogue, image.sha256, "ann")
    renamed(reviews, "cat", "tom")
    known = current(reviews, image)
    assert (known.status, known.label_names) == ("excluded", ("tom",))


@pytest.mark.long
def test_a_renaming_goes_on_where_it_stopped(reviews: Reviews, monkeypatch: pytest.MonkeyPatch) -> None:
    labels.put(reviews.table, "cat", {})
    images = [boxed(reviews, f"image {number}", CAT) for number in range(7)]
    monkeypatch.setattr(label_renaming, "MAX_RELABELLED", 2)
    monkeypatch.setattr(label_renaming, "MAX_SEARCHED", 3)
    first = part(reviews, "cat", "tom")
    assert (first.relabelled, first.cursor.startswith("labelled:image#")) == (2, True)
    # Whoever asked has gone, and somebody begins again.
    parts = renamed(reviews, "cat", "tom")
    assert sum(each.relabelled for each in parts) == 5
    assert {current(reviews, image).label_names for image in images} == {("tom",)}


def test_a_renaming_back_takes_the_old_name_into_use_again(reviews: Reviews) -> None:
    labels.put(reviews.table, "cat", {"key": "k"})
    image = boxed(reviews, "a", CAT)
    renamed(reviews, "cat", "tom")
    renamed(reviews, "tom", "cat")
    cat, tom = labels.get(reviews.table, "cat"), labels.get(reviews.table, "tom")
    assert cat is not None
    assert tom is not None
    assert (cat.retired, cat.renamed_to, tom.retired, tom.renamed_to) == (False, "", True, "cat")
    assert current(reviews, image).label_names == ("cat",)
