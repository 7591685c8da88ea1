"""Clips under detect/: their answers, also over several functions, and those that cannot be used."""

from __future__ import annotations

import json
import time
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from PIL import Image

from lambdas.domain.detect.champion import NoChampionError
from lambdas.domain.detect.detection import MAX_FAILURES, Detected
from lambdas.domain.images.tiles import Tiling
from lambdas.domain.shared.tuning import Tuning
from lambdas.domain.video import answering, frames
from lambdas.domain.video.answering import Answered, Answerer
from lambdas.domain.video.frames import Clip
from lambdas.domain.video.progress import Progress
from tests.fixtures.clips import clip_bytes, scenes, write_sound
from tests.fixtures.deployment import BUCKET, World
from tests.fixtures.rekognition import label

KEY, RESULT = "detect/a/clip.mp4", "results/a/clip.mp4.json"
LINES, ANNOTATED = "results/a/clip.mp4.jsonl", "results/a/clip.mp4.annotated.mp4"
ARRIVED = "2026-01-01T10:00:00.000000Z"
SURE = [label("bolt", 95.0, (0.1, 0.2, 0.3, 0.4))]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return clip_bytes(tmp_path_factory.mktemp("clips"))


class Stack:
    """A deployment with a champion, and a clip under detect/."""

    def __init__(self, world: World, data: bytes, **tuning: Any) -> None:
        self.world = world
        self.tuning = Tuning.from_dict({"review_sample_rate": 0.0, **tuning})
        self.proposed: list[tuple[str, Detected]] = []
        world.fake.finds = lambda version, key: SURE
        self.put(data)

    def put(self, data: bytes) -> None:
        put = self.world.s3.put_object(Bucket=BUCKET, Key=KEY, Body=data)
        self.version, self.etag = put.get("VersionId"), put["ETag"]

    def propose(self, detected: Detected, key: str, version_id: str | None) -> bool:
        self.proposed.append((key, detected))
        return True

    def answer(self, seconds: float = 600, **event: Any) -> Answered:
        answerer = Answerer(
            self.world.fake.engine,
            self.world.s3,
            self.world.loop_state,
            BUCKET,
            self.tuning,
            Tiling(),
            self.propose,
            time.monotonic() + seconds,
        )
        return answerer.answer(KEY, version_id=self.version, arrived_at=ARRIVED, **event)

    @property
    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.world.read(RESULT))
        return document

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.world.read(LINES).splitlines()]

    def annotated(self) -> list[Image.Image]:
        data = self.world.s3.get_object(Bucket=BUCKET, Key=ANNOTATED)["Body"].read()
        with frames.opened(BytesIO(data)) as clip:
            return [frame.picture() for frame in clip.frames()]


@pytest.fixture
def stack(world: World, data: bytes) -> Stack:
    world.champion("v1")
    return Stack(world, data)


class Slices:
    """Ends each run after some packets, as if its time were over."""

    def __init__(self, packets: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left = self.packets = packets
        packets_of = Clip._packets

        def few(clip: Clip) -> Any:
            for packet in packets_of(clip):
                if self.left == 0:
                    clip.stopped = True
                    return
                self.left -= 1
                yield packet

        monkeypatch.setattr(Clip, "_packets", few)

    def again(self) -> None:
        self.left = self.packets


def test_a_clip_is_answered_beside(stack: Stack) -> None:
    assert stack.answer() == Answered("answered", RESULT, 2, 9.75)
    document = stack.document
    assert document.pop("at") and document.pop("annotated_bytes") and document.pop("version_id")
    assert document == {
        "clip": KEY,
        "frames_per_second": 1.0,
        "status": "answered",
        "seconds": 9.75,
        "duration": 10.0,
        "frames": 10,
        "asked": 2,
        "proposed": 0,
        "damaged": 0,
        "model_versions": ["v1"],
        "answers": LINES,
        "annotated": ANNOTATED,
        "annotated_frames": 10,
        "annotated_size": [162, 122],
    }
    assert [(line["frame"], line["seconds"]) for line in stack.lines] == [(0, 0.0), (20, 5.0)]
    assert stack.lines[0] | {"labels": []} == {
        "clip": KEY,
        "frame": 0,
        "seconds": 0.0,
        "size": {"width": 162, "height": 122},
        "model_version": "v1",
        "labels": [],
    }
    assert stack.lines[0]["labels"][0]["box"] == {"left": 0.1, "top": 0.2, "width": 0.3, "height": 0.4}
    assert len(stack.annotated()) == 10
    assert stack.world.s3.head_object(Bucket=BUCKET, Key=ANNOTATED)["ContentType"] == "video/mp4"


def test_an_event_that_comes_twice_asks_nothing_twice(stack: Stack) -> None:
    stack.answer()
    asked = len(stack.world.fake.called("detect_custom_labels"))
    assert stack.answer().outcome == "answered"
    assert len(stack.world.fake.called("detect_custom_labels")) == asked


@pytest.mark.parametrize("packets", [13, 22])
def test_a_clip_that_takes_longer_than_a_function_runs_goes_on_where_it_stopped(
    stack: Stack, packets: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    slices = Slices(packets, monkeypatch)
    outcomes = list[str]()
    while not outcomes or outcomes[-1] == "continued":
        slices.again()
        outcomes.append(stack.answer().outcome)
    assert len(outcomes) > 2
    assert outcomes[-1] == "answered"
    assert [(line["frame"], line["seconds"]) for line in stack.lines] == [(0, 0.0), (20, 5.0)]
    assert (stack.document["frames"], stack.document["asked"]) == (10, 2)
    assert "reason" not in stack.document and "next" not in stack.document
    slices.left = 1000
    assert len(stack.annotated()) == 10


def test_what_a_killed_function_has_written_is_written_anew(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    slices = Slices(24, monkeypatch)
    assert stack.answer().outcome == "continued"
    put = stack.world.s3.put_object

    def killed(**request: Any) -> Any:
        if request["Key"] == RESULT:
            raise KeyboardInterrupt
        return put(**request)

    slices.left = 1000
    monkeypatch.setattr(stack.world.s3, "put_object", killed)
    with pytest.raises(KeyboardInterrupt):
        stack.answer()
    monkeypatch.setattr(stack.world.s3, "put_object", put)
    assert stack.answer().outcome == "answered"
    assert [line["frame"] for line in stack.lines] == [0, 20]
    assert len(stack.annotated()) == stack.document["annotated_frames"] == 10


def test_of_two_functions_that_work_on_one_clip_the_later_gives_up(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lines would take the place of those of the other, which may be further by then."""
    slices = Slices(24, monkeypatch)
    is_nested = False
    finds = stack.world.fake.finds

    def overtaken(version: str, key: str) -> list[dict[str, Any]]:
        nonlocal is_nested
        if not is_nested:
            is_nested = True
            slices.left = 1000
            assert stack.answer().outcome == "answered"
            slices.left = 0
        return finds(version, key)

    stack.world.fake.finds = overtaken
    assert stack.answer().outcome == "overtaken"
    assert stack.document["status"] == "answered"
    assert len(stack.lines) == 2


def test_without_a_champion_the_clip_waits_and_goes_on_later(stack: Stack) -> None:
    calls = 0

    def sleeps(version: str, key: str) -> list[dict[str, Any]]:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise ClientError(
                {"Error": {"Code": "ResourceNotReadyException", "Message": "stopped"}}, "DetectCustomLabels"
            )
        return SURE

    stack.world.fake.finds = sleeps
    assert stack.answer().outcome == "waiting"
    document = stack.document
    assert (document["status"], document["reason"]) == ("waiting", "the champion v1 is not running")
    assert (document["asked"], document["frames"]) == (1, 5), "what was answered stays"
    (waiting,) = stack.world.loop_state.waiting_images(10)
    assert (waiting.key, waiting.arrived_at) == (KEY, ARRIVED)
    assert stack.answer().outcome == "answered"
    assert [line["frame"] for line in stack.lines] == [0, 20]
    assert "reason" not in stack.document


def test_a_clip_that_fails_too_often_does_not_wake_a_champion_again(world: World, data: bytes) -> None:
    stack = Stack(world, data)
    with pytest.raises(NoChampionError):
        stack.answer(failures=MAX_FAILURES)
    assert world.loop_state.waiting_images(1) == []
    assert stack.document["status"] == "waiting"


def test_an_error_of_a_service_keeps_what_was_answered(stack: Stack) -> None:
    calls = 0

    def fails(version: str, key: str) -> list[dict[str, Any]]:
        nonlocal calls
        calls += 1
        if calls == 2:
            error: Any = {"Error": {"Code": "InternalServerError", "Message": "sorry"}}
            raise ClientError(error, "DetectCustomLabels")
        return SURE

    stack.world.fake.finds = fails
    with pytest.raises(ClientError, match="sorry"):
        stack.answer()
    assert (stack.document["status"], stack.document["asked"]) == ("in progress", 1)
    assert stack.answer().outcome == "answered"
    assert calls == 3


def test_a_frame_that_the_service_does_not_take_is_a_line(stack: Stack) -> None:
    stack.world.fake.fail_next("detect_custom_labels", "InvalidImageFormatException")
    assert stack.answer().outcome == "answered"
    assert stack.lines[0]["error"] == "InvalidImageFormatException"
    assert stack.lines[1]["labels"]


def test_unsure_frames_are_proposed_up_to_a_limit_over_the_whole_clip(world: World, tmp_path: Path) -> None:
    world.champion("v1")
    ground = scenes()[0]
    pictures = [ground.rotate(9 * number) for number in range(40)]
    stack = Stack(world, clip_bytes(tmp_path, pictures), clip_frames_per_second=4.0, review_clip_frames=5)
    world.fake.finds = lambda version, key: [label("bolt", 51.0, (0.1, 0.2, 0.3, 0.4))]
    stack.answer()
    keys = [key for key, _ in stack.proposed]
    positions = [int(Path(key).stem) for key in keys]
    assert len(positions) == stack.document["proposed"] == 5
    assert positions == pytest.approx([0, 8, 16, 24, 32], abs=1)
    assert keys[0] == "results/a/clip.mp4.frames/000000000.jpg"
    with Image.open(BytesIO(world.s3.get_object(Bucket=BUCKET, Key=keys[0])["Body"].read())) as image:
        assert image.size == (162, 122)


def test_nothing_is_proposed_where_nothing_is_reviewed(world: World, data: bytes) -> None:
    world.champion("v1")
    for tuning in ({"review_route": "none"}, {"review_clip_frames": 0}):
        stack = Stack(world, data, **tuning)
        world.fake.finds = lambda version, key: [label("bolt", 51.0, (0.1, 0.2, 0.3, 0.4))]
        assert stack.answer().outcome == "answered"
        assert stack.proposed == []


def test_another_clip_under_the_key_is_another_clip(stack: Stack, tmp_path: Path) -> None:
    stack.answer()
    first = stack.version
    stack.put(clip_bytes(tmp_path, scenes()[:8]))
    assert stack.answer().outcome == "answered"
    assert (stack.document["frames"], len(stack.lines), len(stack.annotated())) == (2, 1, 2)
    stack.version = first
    assert stack.answer().outcome == ("replaced" if first else "answered")


def test_a_clip_that_is_replaced_while_its_function_works_is_gone_on_with(
    stack: Stack, data: bytes, tmp_path: Path
) -> None:
    """The function of the one before may write its answers in between: those are of another clip."""
    first, finds, is_nested = stack.version, stack.world.fake.finds, False
    stack.put(clip_bytes(tmp_path, scenes()[:8]))
    second = stack.version

    def overtaken(version: str, key: str) -> list[dict[str, Any]]:
        nonlocal is_nested
        if not is_nested:
            is_nested = True
            earlier = Progress(KEY, first or "the first clip's", 1.0, status="answered")
            stack.world.s3.put_object(Bucket=BUCKET, Key=RESULT, Body=earlier.as_json().encode())
        return finds(version, key)

    stack.world.fake.finds = overtaken
    assert stack.answer().outcome == "continued"
    assert stack.answer().outcome == "answered"
    assert (stack.document["version_id"], stack.document["frames"]) == (second or stack.etag, 2)


@pytest.mark.parametrize("deleted", [LINES, ANNOTATED])
def test_a_clip_whose_results_somebody_deletes_midway_is_begun_anew(
    stack: Stack, deleted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    slices = Slices(24, monkeypatch)
    assert stack.answer().outcome == "continued"
    stack.world.s3.delete_object(Bucket=BUCKET, Key=deleted)
    slices.left = 1000
    assert stack.answer().outcome == "answered"
    assert [line["frame"] for line in stack.lines] == [0, 20]
    assert len(stack.annotated()) == stack.document["annotated_frames"] == 10


def test_a_deleted_clip_is_gone(stack: Stack) -> None:
    stack.world.s3.delete_object(Bucket=BUCKET, Key=KEY)
    assert stack.answer().outcome == "gone"


@pytest.mark.parametrize(
    ("data", "error"), [(b"", "empty"), (b"no clip", "not_a_clip"), (b"\0\0\0\x20ftypisom" * 9, "not_a_clip")]
)
def test_what_cannot_be_used_is_a_result_with_the_reason(stack: Stack, data: bytes, error: str) -> None:
    stack.put(data)
    assert stack.answer().outcome == "unusable"
    assert (stack.document["status"], stack.document["error"]) == ("unusable", error)
    assert stack.document["reason"]
    assert stack.answer().outcome == "unusable", "and is not looked at again"


def test_sound_alone_is_a_result_with_the_reason(stack: Stack, tmp_path: Path) -> None:
    write_sound(tmp_path / "sound.mp4")
    stack.put((tmp_path / "sound.mp4").read_bytes())
    assert stack.answer().outcome == "unusable"
    assert stack.document["reason"] == "there is no picture in it, but sound alone"


def test_what_cannot_be_sought_in_a_function_s_time_says_so(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    slices = Slices(13, monkeypatch)
    assert stack.answer().outcome == "continued"
    monkeypatch.setattr(Clip, "_sought", lambda self, after: None)
    slices.again()
    assert stack.answer().outcome == "answered"
    assert "not looked at from second 2.0 on" in stack.document["reason"]


def test_an_annotated_clip_that_becomes_too_large_ends(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answering, "MAX_ANNOTATED_BYTES", 1)
    assert stack.answer().outcome == "answered"
    assert stack.document["annotated_frames"] == 1
    assert stack.document["frames"] == 10
