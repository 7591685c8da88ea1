from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from PIL import Image

from lambdas.domain.catalogue import images as catalogue_images
from lambdas.domain.catalogue import pending, snapshot_rows, sources
from lambdas.domain.images import files as image_files
from lambdas.domain.images import tiles
from lambdas.domain.register import arrivals as register_arrivals
from lambdas.domain.register import registration
from lambdas.domain.register.arrivals import Arrival, Outcome
from lambdas.domain.shared.annotation import Box
from tests.fixtures.images import GIF, encoded, picture
from tests.fixtures.incoming import BUCKET, DataBucket
from tests.shared.test_manifests import box, classification, detection


def ref(key: str, bucket: str = BUCKET) -> str:
    return f"s3://{bucket}/{key}"


def labelled_line(key: str, *labels: str) -> dict[str, Any]:
    return classification(*labels, source=ref(key))


def boxes_line(key: str, *boxes: dict[str, Any], size: tuple[int, int] = (80, 70)) -> dict[str, Any]:
    return detection(*boxes, size=size) | {"source-ref": ref(key)}


# Images


def test_a_labelled_folder(data_bucket: DataBucket) -> None:
    data = picture()
    outcome = data_bucket.upload("incoming/labeled/cat/deep/er/a.jpg", data)
    sha256 = hashlib.sha256(data).hexdigest()
    image = data_bucket.image(sha256)
    assert (outcome.kind, outcome.sha256, outcome.labels_changed) == ("registered", sha256, 1)
    assert (image.status, image.kind, image.labels, image.label_origin) == (
        "labelled",
        "classification",
        ("cat",),
        "folder",
    )
    assert (image.width, image.height, image.format, image.bytes) == (80, 70, "JPEG", len(data))
    assert image.perceptual_hash == image_files.inspect(data).perceptual_hash
    assert image.changed_at.endswith("Z")
    assert data_bucket.read(f"images/{sha256}.jpg") == data
    assert data_bucket.s3.head_object(Bucket=BUCKET, Key=image.key)["ContentType"] == "image/jpeg"
    assert data_bucket.keys("incoming/") == []


def test_an_unlabelled_image(data_bucket: DataBucket) -> None:
    outcome = data_bucket.upload("incoming/unlabeled/a.jpg")
    [image] = data_bucket.images()
    assert (image.status, image.labels, outcome.labels_changed) == ("unlabelled", (), 0)


def test_the_content_decides_the_extension(data_bucket: DataBucket) -> None:
    data_bucket.upload("incoming/labeled/cat/really-a-png.jpg", picture(format="PNG"))
    [image] = data_bucket.images()
    assert image.format == "PNG"
    assert data_bucket.keys("images/") == [f"images/{image.sha256}.png"]


@pytest.mark.parametrize(
    "name", ["a b", "a+b", "100%", "%20", "ä 中文 🐈", "a\nb", "a&b=c?d#e", "'\"", "a//b"]
)
def test_keys_keep_every_character(data_bucket: DataBucket, name: str) -> None:
    key = f"incoming/labeled/big cat/{name}.jpg"
    assert data_bucket.upload(key).kind == "registered"
    [image] = data_bucket.images()
    assert image.sources == {key}
    assert sources.images_of(data_bucket.table, key) == [image.sha256]
    assert data_bucket.upload(f"incoming/labeled/cat/{name}", b"junk").kind == "rejected"
    assert data_bucket.read(f"rejected/labeled/cat/{name}") == b"junk"
    assert data_bucket.keys("incoming/") == []


@pytest.mark.parametrize("label", ["big cat", "Straße", "中文", "a+b", "50%"])
def test_folder_names_that_are_labels(data_bucket: DataBucket, label: str) -> None:
    data_bucket.upload(f"incoming/labeled/{label}/a.jpg")
    [image] = data_bucket.images()
    assert image.labels == (label,)


def test_one_label_in_two_unicode_forms_is_one_label(data_bucket: DataBucket) -> None:
    data_bucket.upload("incoming/labeled/caf\u00e9/a.jpg")
    data_bucket.upload("incoming/labeled/cafe\u0301/a.jpg")
    [image] = data_bucket.images()
    assert (image.status, image.labels) == ("labelled", ("caf\u00e9",))


def test_the_same_event_ten_times(data_bucket: DataBucket) -> None:
    arrival = data_bucket.put("incoming/labeled/cat/a.jpg", picture())
    first = data_bucket.register(arrival)
    [image] = data_bucket.images()
    again = [data_bucket.register(arrival) for _ in range(9)]
    assert first.kind == "registered"
    assert {outcome.kind for outcome in again} == {"gone"}
    assert data_bucket.images() == [image]


def test_an_event_delivered_again_after_a_crash_before_the_last_step(
    data_bucket: DataBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrival = data_bucket.put("incoming/labeled/cat/a.jpg", picture())
    with monkeypatch.context() as crashing:
        crashing.setattr(register_arrivals, "delete_registered", lambda *_: None)
        for _ in range(3):
            data_bucket.register(arrival)
    [image] = data_bucket.images()
    assert (image.revision, set(image.sources)) == (1, {arrival.key})
    outcome = data_bucket.register(arrival)
    assert (outcome.kind, outcome.labels_changed) == ("duplicate", 0)
    assert data_bucket.images() == [image]
    assert data_bucket.keys("incoming/") == []


@pytest.mark.usefixtures("one_call_at_a_time")
def test_the_same_event_at_the_same_time(data_bucket: DataBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    arrival = data_bucket.put("incoming/labeled/cat/a.jpg", picture())
    together = threading.Barrier(8, timeout=20)
    opened = register_arrivals.open_object

    def checked(s3: Any, arrival: Arrival) -> Any:
        arrival_and_object = opened(s3, arrival)
        together.wait()
        return arrival_and_object

    monkeypatch.setattr(register_arrivals, "open_object", checked)
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(data_bucket.register, [arrival] * 8))
    assert sum(outcome.kind == "registered" for outcome in outcomes) == 1
    assert sum(outcome.labels_changed for outcome in outcomes) == 1
    [image] = data_bucket.images()
    assert (image.revision, image.labels) == (1, ("cat",))


def test_one_image_under_two_names(data_bucket: DataBucket) -> None:
    data_bucket.upload("incoming/labeled/cat/a.jpg")
    [before] = data_bucket.images()
    outcome = data_bucket.upload("incoming/labeled/cat/b.jpg")
    [image] = data_bucket.images()
    assert (outcome.kind, outcome.labels_changed) == ("duplicate", 0)
    assert image.sources == {"incoming/labeled/cat/a.jpg", "incoming/labeled/cat/b.jpg"}
    assert image.changed_at == before.changed_at


def test_one_image_under_very_many_names(data_bucket: DataBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registration, "MAX_SOURCES", 3)
    for number in range(5):
        data_bucket.upload(f"incoming/unlabeled/{number}.jpg")
    [image] = data_bucket.images()
    assert len(image.sources) == 3
    assert sources.images_of(data_bucket.table, "incoming/unlabeled/4.jpg") == [image.sha256]


def test_one_image_under_two_labels_is_a_conflict(data_bucket: DataBucket) -> None:
    data_bucket.upload("incoming/labeled/cat/a.jpg")
    [before] = data_bucket.images()
    outcome = data_bucket.upload("incoming/labeled/dog/a.jpg")
    [image] = data_bucket.images()
    assert outcome.labels_changed == 1
    assert (image.status, image.labels, image.kind) == ("conflict", (), None)
    assert "'cat', 'dog'" in image.conflict_reason
    assert image.changed_at > before.changed_at
    data_bucket.upload("incoming/labeled/cat/again.jpg")
    assert data_bucket.image(image.sha256).status == "conflict"


def test_a_label_for_an_image_that_had_none(data_bucket: DataBucket) -> None:
    data_bucket.upload("incoming/unlabeled/a.jpg")
    assert data_bucket.upload("incoming/labeled/cat/a.jpg").labels_changed == 1
    assert data_bucket.upload("incoming/unlabeled/b.jpg").labels_changed == 0
    [image] = data_bucket.images()
    assert (image.status, image.labels) == ("labelled", ("cat",))


def test_another_image_under_the_same_key(data_bucket: DataBucket) -> None:
    key = "incoming/labeled/cat/a.jpg"
    first, second = data_bucket.put(key, picture(1)), data_bucket.put(key, picture(2))
    newer = data_bucket.register(second)
    older = data_bucket.register(first)
    assert (older.kind, newer.kind) == ("registered", "registered")
    assert sources.images_of(data_bucket.table, key) == [newer.sha256, older.sha256], (
        "the older event came later"
    )
    assert data_bucket.keys("incoming/") == []


def test_events_without_a_version_lose_no_version(data_bucket: DataBucket) -> None:
    key = "incoming/labeled/cat/a.jpg"
    arrivals = [data_bucket.put(key, picture(1)), data_bucket.put(key, picture(2))]
    for arrival in arrivals:
        assert data_bucket.register(replace(arrival, version_id=None)).kind == "registered"
    assert len(data_bucket.images()) == 2
    assert data_bucket.keys("incoming/") == []


@pytest.mark.parametrize(
    "key", ["incoming/", "incoming/labeled/cat/", "images/a.jpg", "incoming/annotations/x/"]
)
def test_what_is_nothing_to_register(data_bucket: DataBucket, key: str) -> None:
    assert data_bucket.upload(key, b"").kind == "ignored"
    assert data_bucket.keys() == [key]


def test_an_object_deleted_since_the_event(data_bucket: DataBucket) -> None:
    arrival = data_bucket.put("incoming/labeled/cat/a.jpg", picture())
    data_bucket.s3.delete_object(Bucket=BUCKET, Key=arrival.key)
    assert data_bucket.register(arrival).kind == "gone", "hidden by a delete marker"
    arrival = data_bucket.put("incoming/labeled/cat/b.jpg", picture())
    data_bucket.s3.delete_object(**arrival.version)
    assert data_bucket.register(arrival).kind == "gone"
    assert data_bucket.images() == []


def test_an_object_that_goes_while_it_is_rejected(
    data_bucket: DataBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrival = data_bucket.put("incoming/labeled/x.jpg", picture())
    opened = register_arrivals.open_object

    def opened_and_deleted(s3: Any, arrival: Arrival) -> Any:
        arrival_and_object = opened(s3, arrival)
        data_bucket.s3.delete_object(**arrival.version)
        return arrival_and_object

    monkeypatch.setattr(register_arrivals, "open_object", opened_and_deleted)
    assert data_bucket.register(arrival).kind == "gone"
    assert data_bucket.keys("rejected/") == []


# Rejections


@pytest.mark.parametrize(
    ("key", "data", "reason"),
    [
        ("labeled/cat/a.jpg", b"", "empty"),
        ("labeled/cat/a.jpg", b"hello", "not_an_image"),
        ("labeled/cat/a.jpg", GIF, "unsupported_format"),
        ("unlabeled/a.jpg", picture(size=(300, 300))[:500], "truncated"),
        ("annotations/a.jpg", picture(size=(63, 80)), "too_small"),
        ("labeled/a.jpg", picture(), "no_label_folder"),
        ("labeled//a.jpg", picture(), "bad_label"),
        ("labeled/a\nb/a.jpg", picture(), "bad_label"),
        (f"labeled/{'x' * 256}/a.jpg", picture(), "bad_label"),
        ("a.jpg", picture(), "unknown_folder"),
        ("labelled/cat/a.jpg", picture(), "unknown_folder"),
        ("annotations/empty.manifest", b"\n\n", "empty"),
    ],
)
def test_what_cannot_be_used_is_rejected_with_its_reason(
    data_bucket: DataBucket, key: str, data: bytes, reason: str
) -> None:
    arrival = data_bucket.put(f"incoming/{key}", data)
    outcome = data_bucket.register(arrival)
    assert (outcome.kind, outcome.reason) == ("rejected", reason)
    assert data_bucket.read(f"rejected/{key}") == data
    document = data_bucket.reason(key)
    assert (document["key"], document["version_id"]) == (arrival.key, arrival.version_id)
    assert document["reason"] == reason
    assert document["detail"]
    assert document["at"].endswith("Z")
    assert data_bucket.keys("incoming/") == []
    assert data_bucket.images() == []


def test_too_many_bytes_are_rejected_without_being_read(
    data_bucket: DataBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("botocore.response.StreamingBody.read", lambda *_: pytest.fail("it was read"))
    monkeypatch.setattr(tiles, "MAX_FILE_BYTES", 15 * 1024 * 1024)
    outcome = data_bucket.upload("incoming/labeled/cat/a.jpg", bytes(15 * 1024 * 1024 + 1))
    assert outcome.reason == "too_many_bytes"


def test_a_rejected_key_that_leaves_no_room_for_its_reason(data_bucket: DataBucket) -> None:
    key = "incoming/labeled/cat/" + "x" * (1024 - 21)
    assert data_bucket.upload(key, b"junk").kind == "rejected"
    name = hashlib.sha256(key.encode()).hexdigest()
    assert f"rejected/{name}.reason.json" in data_bucket.keys("rejected/")


# Annotations


def test_image_level_labels_from_a_manifest(data_bucket: DataBucket) -> None:
    key = "incoming/annotations/a.jpg"
    sha256 = data_bucket.upload(key).sha256
    outcome = data_bucket.upload_manifest("m.manifest", labelled_line(key, "dog", "cat"))
    assert (outcome.kind, outcome.labels_changed, outcome.pending) == ("annotated", 1, 0)
    image = data_bucket.image(sha256)
    assert (image.status, image.labels, image.label_origin) == ("labelled", ("cat", "dog"), "annotation")
    assert data_bucket.keys("incoming/") == []
    assert data_bucket.keys("annotations/") == [f"annotations/{outcome.sha256}.manifest"]
    assert data_bucket.keys("rejected/") == []


def test_boxes_from_a_manifest_by_the_name_of_the_registered_image(data_bucket: DataBucket) -> None:
    sha256 = data_bucket.upload("incoming/unlabeled/a.jpg").sha256
    data_bucket.upload_manifest("m.JSONL", boxes_line(f"images/{sha256}.jpg", box(1, 2, 3, 4, 5)))
    image = data_bucket.image(sha256)
    assert (image.kind, image.boxes, image.label_names) == (
        "detection",
        (Box("Echo Dot", 2, 3, 4, 5),),
        ("Echo Dot",),
    )


def test_an_annotation_beats_folders_and_settles_their_conflict(data_bucket: DataBucket) -> None:
    data_bucket.upload("incoming/labeled/cat/a.jpg")
    sha256 = data_bucket.upload("incoming/labeled/dog/a.jpg").sha256
    data_bucket.upload_manifest("m.manifest", labelled_line("incoming/labeled/cat/a.jpg", "dog"))
    image = data_bucket.image(sha256)
    assert (image.status, image.labels, image.conflict_reason) == ("labelled", ("dog",), "")
    assert data_bucket.upload("incoming/labeled/bird/a.jpg").labels_changed == 0
    assert data_bucket.image(sha256).labels == ("dog",)


def test_the_newest_annotation_wins_in_whichever_order_they_are_handled(data_bucket: DataBucket) -> None:
    key = "incoming/annotations/a.jpg"
    sha256 = data_bucket.upload(key).sha256
    bodies = [json.dumps(labelled_line(key, label)).encode() for label in ("old", "new")]
    old, new = (data_bucket.put(f"incoming/annotations/{i}.manifest", body) for i, body in enumerate(bodies))
    assert data_bucket.register(new).labels_changed == 1
    newest = data_bucket.image(sha256)
    assert data_bucket.register(old).labels_changed == 0
    assert data_bucket.image(sha256) == newest
    assert newest.labels == ("new",)


def test_relabelling_moves_changed_at_and_saying_the_same_again_does_not(data_bucket: DataBucket) -> None:
    key = "incoming/annotations/a.jpg"
    sha256 = data_bucket.upload(key).sha256
    moments = []
    for number, label in enumerate(("cat", "dog", "dog")):
        data_bucket.upload_manifest(f"{number}.manifest", labelled_line(key, label))
        moments.append(data_bucket.image(sha256).changed_at)
    assert moments[0] < moments[1] == moments[2]


def test_the_last_of_two_lines_about_one_image_counts(data_bucket: DataBucket) -> None:
    key = "incoming/annotations/a.jpg"
    lines = [labelled_line(key, "first"), labelled_line(key, "last")]
    data_bucket.upload_manifest("before.manifest", *lines)
    sha256 = data_bucket.upload(key).sha256
    assert data_bucket.image(sha256).labels == ("last",)
    data_bucket.upload_manifest("after.manifest", *reversed(lines))
    assert data_bucket.image(sha256).labels == ("first",)


def test_an_annotation_without_boxes_says_that_nothing_is_on_the_image(data_bucket: DataBucket) -> None:
    """As a reviewer's answer does: nobody need be asked again, and an export has it."""
    key = "incoming/labeled/cat/a.jpg"
    sha256 = data_bucket.upload(key).sha256
    assert data_bucket.upload_manifest("m.manifest", boxes_line(key)).labels_changed == 1
    assert (data_bucket.image(sha256).status, data_bucket.image(sha256).kind) == ("labelled", "detection")
    assert [(row.sha256, row.labels) for row in snapshot_rows.labelled(data_bucket.table)] == [(sha256, ())]
    assert list(catalogue_images.ids(data_bucket.table, "unlabelled")) == []


@pytest.mark.parametrize("by_content", [False, True])
def test_an_annotation_waits_for_its_image(data_bucket: DataBucket, by_content: bool) -> None:
    data, key = picture(), "incoming/annotations/late.jpg"
    sha256 = hashlib.sha256(data).hexdigest()
    named = f"images/{sha256}.jpg" if by_content else key
    outcome = data_bucket.upload_manifest("m.manifest", labelled_line(named, "cat"))
    assert (outcome.pending, outcome.labels_changed) == (1, 0)
    assert data_bucket.upload(key, data).labels_changed == 1
    assert data_bucket.image(sha256).labels == ("cat",)
    items = data_bucket.table.scan()["Items"]
    assert len(items) == 3, "an image, its label's entry and its source, nothing pending"


def test_the_split_of_a_data_set_waits_with_its_annotation(data_bucket: DataBucket) -> None:
    key = "incoming/annotations/late.jpg"
    data_bucket.upload_manifest("m.manifest", labelled_line(key, "cat") | {"labelloop-split": "TEST"})
    assert data_bucket.image(data_bucket.upload(key).sha256).requested_dataset_type == "TEST"


def test_the_newest_of_several_waiting_annotations_counts(data_bucket: DataBucket) -> None:
    key = "incoming/annotations/late.jpg"
    bodies = [json.dumps(labelled_line(key, label)).encode() for label in ("old", "new")]
    old, new = (data_bucket.put(f"incoming/annotations/{i}.manifest", body) for i, body in enumerate(bodies))
    data_bucket.register(new)
    data_bucket.register(old)
    assert data_bucket.image(data_bucket.upload(key).sha256).labels == ("new",)


def before_a_history_is_written(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object]) -> None:
    """Have something happen after the next history of a key was read, and before it is written."""
    put_history = sources.put_history

    def put_history_late(*arguments: Any) -> bool:
        monkeypatch.setattr(sources, "put_history", put_history)
        happens()
        return put_history(*arguments)

    monkeypatch.setattr(sources, "put_history", put_history_late)


def test_an_image_that_comes_while_its_annotation_is_written_down(
    data_bucket: DataBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, comes = "incoming/annotations/a.jpg", list[Outcome]()
    before_a_history_is_written(monkeypatch, lambda: comes.append(data_bucket.upload(key)))
    outcome = data_bucket.upload_manifest("m.manifest", labelled_line(key, "cat"))
    assert (comes[0].labels_changed, outcome.pending, outcome.labels_changed) == (0, 0, 1)
    [image] = data_bucket.images()
    assert image.labels == ("cat",)
    assert pending.count_pending(data_bucket.table) == 0


def test_an_annotation_that_comes_while_its_image_is_registered(
    data_bucket: DataBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, comes = "incoming/annotations/a.jpg", list[Outcome]()
    line = labelled_line(key, "cat")
    before_a_history_is_written(
        monkeypatch, lambda: comes.append(data_bucket.upload_manifest("m.manifest", line))
    )
    assert data_bucket.upload(key).labels_changed == 1
    assert comes[0].pending == 1
    [image] = data_bucket.images()
    assert image.labels == ("cat",)
    assert pending.count_pending(data_bucket.table) == 0


@pytest.mark.parametrize("image_first", [True, False])
def test_an_image_and_an_annotation_that_names_its_content_at_the_same_time(
    data_bucket: DataBucket, monkeypatch: pytest.MonkeyPatch, image_first: bool
) -> None:
    data, key = picture(), "incoming/annotations/a.jpg"
    line = labelled_line(f"images/{hashlib.sha256(data).hexdigest()}.jpg", "cat")
    put_pending, update_image = pending.put_pending, catalogue_images.update_image

    def put_pending_late(*arguments: Any) -> None:
        assert data_bucket.upload(key, data).labels_changed == 0
        put_pending(*arguments)

    def update_image_late(*arguments: Any, **more: Any) -> Any:
        monkeypatch.setattr(catalogue_images, "update_image", update_image)
        assert data_bucket.upload_manifest("m.manifest", line).pending == 1
        return update_image(*arguments, **more)

    if image_first:
        monkeypatch.setattr(pending, "put_pending", put_pending_late)
        assert data_bucket.upload_manifest("m.manifest", line).labels_changed == 1
    else:
        monkeypatch.setattr(catalogue_images, "update_image", update_image_late)
        assert data_bucket.upload(key, data).labels_changed == 1
    [image] = data_bucket.images()
    assert (image.labels, pending.count_pending(data_bucket.table)) == (("cat",), 0)


def test_good_lines_are_taken_and_every_bad_one_is_told(data_bucket: DataBucket) -> None:
    key = "incoming/annotations/a.jpg"
    sha256 = data_bucket.upload(key).sha256
    outcome = data_bucket.upload_manifest(
        "deep/m.manifest",
        "{",
        boxes_line(key, box(0, 1, 1, 9, 9)),
        "",
        boxes_line(key, box(0, 60, 1, 40, 9), size=(200, 200)),
        boxes_line(key, box(0, 60, 1, 40, 9)),
        classification("cat", source=ref(key, "another-bucket")),
        labelled_line("detect/a.jpg", "cat"),
        labelled_line("images/abc.jpg", "cat"),
        labelled_line("incoming/annotations/missing.jpg", "cat"),
    )
    assert (outcome.broken_lines, outcome.labels_changed, outcome.pending) == (6, 1, 1)
    assert len(data_bucket.image(sha256).boxes) == 1
    document = data_bucket.reason("annotations/deep/m.manifest")
    assert document["reason"] == "broken_lines"
    assert [(line["line"], line["reason"]) for line in document["lines"]] == [
        (1, "not_json"),
        (4, "image_size_differs"),
        (5, "box_outside"),
        (6, "other_bucket"),
        (7, "source_ref_elsewhere"),
        (8, "source_ref_elsewhere"),
    ]
    assert data_bucket.keys("annotations/") == [f"annotations/{outcome.sha256}.manifest"]
    assert data_bucket.keys("incoming/") == []


@pytest.mark.parametrize("image_first", [True, False])
def test_the_good_boxes_of_a_line_are_taken_and_the_bad_ones_told(
    image_first: bool, data_bucket: DataBucket
) -> None:
    """A box below 0 is seen to be bad in the line, one outside only on the image."""
    key = "incoming/annotations/a.jpg"
    line = boxes_line(key, box(0, -5, 1, 9, 9), box(0, 1, 1, 9, 9), box(0, 60, 1, 40, 9))
    del line["bounding-box"]["image_size"]
    if image_first:
        data_bucket.upload(key)
    outcome = data_bucket.upload_manifest("m.manifest", line)
    image = data_bucket.image(data_bucket.upload(key).sha256)
    assert image.boxes == (Box("Echo", 1, 1, 9, 9),)
    broken_lines = [
        (entry["line"], entry["reason"]) for entry in data_bucket.reason("annotations/m.manifest")["lines"]
    ]
    if image_first:
        assert (outcome.broken_lines, broken_lines) == (2, [(1, "box_outside")] * 2)
        return
    assert broken_lines == [(1, "box_outside")]
    late = json.loads(data_bucket.read("rejected/annotations/m.manifest.line-1.reason.json"))
    assert (late["reason"], "60" in late["detail"]) == ("box_outside", True)


def test_a_line_without_a_good_box_does_not_say_that_nothing_is_there(data_bucket: DataBucket) -> None:
    key = "incoming/annotations/a.jpg"
    sha256 = data_bucket.upload(key).sha256
    for bad in (box(0, -5, 1, 9, 9), box(0, 60, 1, 40, 9)):
        assert data_bucket.upload_manifest("m.manifest", boxes_line(key, bad)).broken_lines == 1
        assert data_bucket.image(sha256).status == "unlabelled"


def test_images_that_never_come_can_be_counted(data_bucket: DataBucket) -> None:
    keys = [f"incoming/annotations/{number}.jpg" for number in range(3)]
    for key in keys:
        data_bucket.upload_manifest(f"{key[-5]}.manifest", labelled_line(key, "cat"))
    assert pending.count_pending(data_bucket.table) == 3
    assert pending.oldest_pending(data_bucket.table, 2) == keys[:2]
    data_bucket.upload(keys[0])
    assert pending.count_pending(data_bucket.table) == 2
    assert catalogue_images.count_by_status(data_bucket.table) == {
        "unlabelled": 0,
        "labelled": 1,
        "conflict": 0,
        "excluded": 0,
    }


def test_a_waiting_annotation_that_does_not_fit_its_image_is_told(data_bucket: DataBucket) -> None:
    key = "incoming/annotations/late.jpg"
    data_bucket.upload_manifest("m.manifest", boxes_line(key, box(0, 1, 1, 9, 9), size=(800, 700)))
    outcome = data_bucket.upload(key)
    assert (outcome.kind, outcome.labels_changed) == ("registered", 0)
    assert data_bucket.image(outcome.sha256).status == "unlabelled"
    document = json.loads(data_bucket.read("rejected/annotations/m.manifest.line-1.reason.json"))
    assert (document["reason"], document["line"], document["image"]) == ("image_size_differs", 1, key)
    assert pending.count_pending(data_bucket.table) == 0


def test_a_manifest_outside_annotations_is_no_image(data_bucket: DataBucket) -> None:
    outcome = data_bucket.upload(
        "incoming/unlabeled/m.manifest", json.dumps(labelled_line("incoming/a", "x")).encode()
    )
    assert outcome.reason == "not_an_image"
    assert "incoming/annotations/" in data_bucket.reason("unlabeled/m.manifest")["detail"]


def test_a_batch_leaves_incoming_in_one_request(
    data_bucket: DataBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also the exact version that was registered: what was uploaded over it stays for its own event."""
    first, other = (
        data_bucket.put(f"incoming/unlabeled/{name}.jpg", picture(size=(90, 90 + len(name)))) for name in "ab"
    )
    odd = data_bucket.put("incoming/unlabeled/line\nbreak.jpg", picture(size=(90, 120)))
    outcomes = [
        registration.register_object(data_bucket.s3, data_bucket.table, arrival)
        for arrival in (first, other, odd)
    ]
    data_bucket.put(first.key, picture(size=(90, 150)))
    requests: list[Any] = []
    delete = data_bucket.s3.delete_objects

    def counted(**given: Any) -> Any:
        requests.append(given)
        return delete(**given)

    monkeypatch.setattr(data_bucket.s3, "delete_objects", counted)
    register_arrivals.delete_registered(data_bucket.s3, outcomes)
    assert len(requests) == 1
    assert data_bucket.keys("incoming/") == [first.key]


# Images that are turned


def turned(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(Image.linear_gradient("L").resize((100, 70)).convert("RGB"), "JPEG", exif=exif)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_sizes_and_boxes_are_of_the_image_upright(data_bucket: DataBucket, orientation: int) -> None:
    key = "incoming/annotations/a.jpg"
    size = (70, 100) if orientation > 4 else (100, 70)
    sha256 = data_bucket.upload(key, turned(orientation)).sha256
    assert (data_bucket.image(sha256).width, data_bucket.image(sha256).height) == size
    outcome = data_bucket.upload_manifest("m.manifest", boxes_line(key, box(0, 60, 1, 9, 60), size=size))
    assert (outcome.broken_lines, outcome.labels_changed) == (0, 1)
    stored = data_bucket.upload_manifest("n.manifest", boxes_line(key, box(0, 1, 1, 9, 9), size=(100, 70)))
    assert stored.broken_lines == (1 if orientation > 4 else 0)


def test_an_orientation_that_cannot_be_read_turns_nothing(data_bucket: DataBucket) -> None:
    data = turned(6).replace(b"Exif\0\0MM", b"Exif\0\0XX").replace(b"Exif\0\0II", b"Exif\0\0XX")
    image = data_bucket.image(data_bucket.upload("incoming/unlabeled/a.jpg", data).sha256)
    assert (image.width, image.height) == (100, 70)
