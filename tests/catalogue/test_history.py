"""The labels that an image had before: recorded whatever changes them, and given back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lambdas.domain.catalogue import curation, history
from lambdas.domain.catalogue import images as catalogue_images
from lambdas.domain.catalogue.errors import CatalogueError
from lambdas.domain.catalogue.history import PastLabels
from lambdas.domain.shared.annotation import Box
from tests.fixtures.incoming import DataBucket
from tests.register.test_registration import labelled_line

BOXES = (Box("cat", 1, 2, 30, 40), Box("dög", 5, 6, 30, 40))


def past(data_bucket: DataBucket, sha256: str) -> list[PastLabels]:
    return curation.past_labels(data_bucket.table, data_bucket.image(sha256))


def labelling(data_bucket: DataBucket, sha256: str) -> tuple[object, ...]:
    image = data_bucket.image(sha256)
    return image.status, image.kind, image.labels, image.boxes


def test_whatever_changes_labels_leaves_those_before(data_bucket: DataBucket) -> None:
    sha256 = data_bucket.upload("incoming/labeled/cat/a.jpg").sha256
    assert past(data_bucket, sha256) == []
    data_bucket.upload("incoming/labeled/dog/b.jpg")
    data_bucket.upload_manifest("m.manifest", labelled_line("incoming/labeled/cat/a.jpg", "cow"))
    curation.relabel(data_bucket.table, sha256, "detection", (), BOXES, "ann")
    curation.exclude(data_bucket.table, sha256, "bob")
    states = past(data_bucket, sha256)
    assert [(state.status, state.labels, len(state.boxes), state.origin) for state in states] == [
        ("labelled", ("cat",), 0, "folder"),
        ("conflict", (), 0, "folder"),
        ("labelled", ("cow",), 0, "annotation"),
        ("labelled", (), 2, "person"),
    ]
    assert (states[-1].boxes, states[-1].changed_by) == (BOXES, "ann")
    assert [state.changed_at for state in states] == sorted({state.changed_at for state in states})


def test_a_review_in_a_transaction_leaves_the_labels_before(data_bucket: DataBucket) -> None:
    sha256 = data_bucket.upload("incoming/labeled/cat/a.jpg").sha256
    image = data_bucket.image(sha256)
    answered = curation.relabelled(image, "detection", (), BOXES, "review by ann")
    assert catalogue_images.put_requests(data_bucket.table, image, answered)
    assert past(data_bucket, sha256) == [], "the transaction was not written, so cat is what it still is"
    curation.relabel(data_bucket.table, sha256, "detection", (), BOXES, "ann")
    assert [state.labels for state in past(data_bucket, sha256)] == [("cat",)]


def test_what_changes_no_label_leaves_nothing(data_bucket: DataBucket) -> None:
    sha256 = data_bucket.upload("incoming/unlabeled/a.jpg").sha256
    data_bucket.upload("incoming/unlabeled/again.jpg")
    data_bucket.upload_manifest("m.manifest", labelled_line("incoming/unlabeled/a.jpg", "cow"))
    assert past(data_bucket, sha256) == []
    assert history.read(data_bucket.table, sha256, 1_000) == []


@pytest.mark.parametrize("folder", ["labeled/cat", "unlabeled"])
def test_undo_gives_back_what_was_before_and_can_be_undone(data_bucket: DataBucket, folder: str) -> None:
    sha256 = data_bucket.upload(f"incoming/{folder}/a.jpg").sha256
    before = labelling(data_bucket, sha256)
    curation.relabel(data_bucket.table, sha256, "detection", (), BOXES, "ann")
    changed = labelling(data_bucket, sha256)
    order = data_bucket.image(sha256).annotation_order
    curation.undo(data_bucket.table, sha256, "bob")
    image = data_bucket.image(sha256)
    assert labelling(data_bucket, sha256) == before
    assert (image.label_origin, image.changed_by) == ("person", "bob")
    assert image.annotation_order > order
    curation.undo(data_bucket.table, sha256, "bob")
    assert labelling(data_bucket, sha256) == changed


def test_undo_gives_renamed_labels_back_by_their_new_names(data_bucket: DataBucket) -> None:
    sha256 = data_bucket.upload("incoming/unlabeled/a.jpg").sha256
    curation.relabel(data_bucket.table, sha256, "detection", (), BOXES, "ann")
    curation.relabel(data_bucket.table, sha256, "detection", (), (), "ann")
    curation.undo(data_bucket.table, sha256, "bob", names={BOXES[0].label: "tabby"})
    assert data_bucket.image(sha256).boxes[0] == replace(BOXES[0], label="tabby")


def test_undo_of_an_exclusion_and_to_an_older_state(data_bucket: DataBucket) -> None:
    sha256 = data_bucket.upload("incoming/unlabeled/a.jpg").sha256
    curation.exclude(data_bucket.table, sha256, "ann")
    curation.undo(data_bucket.table, sha256, "ann")
    assert data_bucket.image(sha256).status == "unlabelled"
    for label in ("cat", "dog", "cow"):
        curation.relabel(data_bucket.table, sha256, "classification", (label,), (), "ann")
    cat = next(state for state in past(data_bucket, sha256) if state.labels == ("cat",))
    curation.undo(data_bucket.table, sha256, "ann", cat.revision)
    assert data_bucket.image(sha256).labels == ("cat",)
    with pytest.raises(CatalogueError, match="no state 999"):
        curation.undo(data_bucket.table, sha256, "ann", 999)


def test_undo_without_a_history_is_refused(data_bucket: DataBucket) -> None:
    sha256 = data_bucket.upload("incoming/labeled/cat/a.jpg").sha256
    with pytest.raises(CatalogueError, match="no earlier labels"):
        curation.undo(data_bucket.table, sha256, "ann")
    with pytest.raises(CatalogueError, match="there is no"):
        curation.undo(data_bucket.table, "0" * 64, "ann")


def test_undo_meets_a_change_made_meanwhile(data_bucket: DataBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes back from the newest labels, not from those that were there when it began."""
    sha256 = data_bucket.upload("incoming/labeled/cat/a.jpg").sha256
    curation.relabel(data_bucket.table, sha256, "classification", ("dog",), (), "ann")
    real, meanwhile = catalogue_images.put_if, iter(["cow"])

    def put_if(*arguments: object) -> bool:
        if label := next(meanwhile, None):
            curation.relabel(data_bucket.table, sha256, "classification", (label,), (), "eve")
        return real(*arguments)  # pyrefly: ignore[bad-argument-type]

    monkeypatch.setattr(catalogue_images, "put_if", put_if)
    curation.undo(data_bucket.table, sha256, "bob")
    assert data_bucket.image(sha256).labels == ("dog",)


@pytest.mark.long
def test_the_history_is_bounded(data_bucket: DataBucket) -> None:
    sha256, long = "a" * 64, Box("é" * 255, 1, 2, 30, 40)
    for revision in range(1, history.MAX_STATES + 3):
        history.record(data_bucket.table, sha256, PastLabels(revision, "labelled", labels=(str(revision),)))
    kept = [state.revision for state in history.read(data_bucket.table, sha256, 1_000)]
    assert kept == list(range(3, history.MAX_STATES + 3))
    for revision in range(100, 100 + history.MAX_STATES):
        history.record(
            data_bucket.table, sha256, PastLabels(revision, "labelled", "detection", boxes=(long,) * 50)
        )
    kept = [state.revision for state in history.read(data_bucket.table, sha256, 1_000)]
    assert 5 < len(kept) < history.MAX_STATES and kept[-1] == 100 + history.MAX_STATES - 1


def test_a_state_is_recorded_once(data_bucket: DataBucket) -> None:
    state = PastLabels(4, "labelled", "classification", ("cat",), changed_by="ann")
    for _ in range(2):
        history.record(data_bucket.table, "a" * 64, state)
    history.record(data_bucket.table, "a" * 64, replace(state, revision=3))
    assert history.read(data_bucket.table, "a" * 64, 5) == [state]
