"""The parts of the demo that need no stack. The whole of it is run by `make demo`."""

from __future__ import annotations

import io
import threading
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from demo import __main__ as entry
from demo import drops, review, watch
from demo.traffic import Traffic
from demo.watch import NotAsPromisedError
from lambdas.domain.shared.manifests import check_fits, parse_line
from lambdas.domain.shared.records import Run
from lambdas.domain.shared.scores import Verdict
from local.embedded import EmbeddedStackError
from local.scenes import classification_scenes, detection_scenes, mislabelled
from tests.fixtures.waiting import HUNG_SECONDS

MOMENT = "2026-01-31T12:00:00.000000Z"


def test_a_manifest_says_where_everything_is() -> None:
    scenes = list(detection_scenes(4, seed=1))
    lines = drops.manifest("parts-data", scenes, MOMENT).splitlines()
    for number, (scene, line) in enumerate(zip(scenes, lines, strict=True), start=1):
        annotation = parse_line(line, number)
        assert (annotation.source_bucket, annotation.source_key) == ("parts-data", drops.incoming_key(scene))
        assert check_fits(annotation, *scene.image.size) is None
        assert [box.label for box in annotation.boxes] == [box.label for box in scene.boxes]


def test_wrong_labels_are_put_right_under_the_same_keys() -> None:
    truth = list(detection_scenes(3, seed=2))
    wrong = list(mislabelled(truth))
    assert [drops.incoming_key(scene) for scene in wrong] == [drops.incoming_key(scene) for scene in truth]
    assert drops.manifest("b", wrong, MOMENT) != drops.manifest("b", truth, MOMENT)


class Bucket:
    """Remembers what is put into it; deployment and S3 client in one."""

    bucket = "parts-data"

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    @property
    def s3(self) -> Bucket:
        return self

    def put_object(self, *, Bucket: str, Key: str, Body: bytes) -> None:
        assert Bucket == self.bucket
        self.objects[Key] = Body


def test_pictures_go_where_register_looks() -> None:
    bucket: Any = Bucket()
    sent: list[int] = []
    (part,), (tray,) = detection_scenes(1, seed=1), classification_scenes(1, seed=1)
    drops.send_images(bucket, [part], sent.append)
    drops.send_by_folder(bucket, [tray], sent.append)
    drops.send_unlabelled(bucket, [part], sent.append)
    drops.send_manifest(bucket, "first", [part])
    assert set(bucket.objects) == {
        f"incoming/unlabeled/{part.name}.jpg",
        f"incoming/annotations/{part.name}.jpg",
        f"incoming/labeled/{tray.labels[0]}/{tray.name}.jpg",
        "incoming/annotations/first.manifest",
    }
    assert sent == [1, 1, 1]


class Desk:
    """The review desk's HTTP API, as far as an answer needs it."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, dict[str, Any]]] = []

    def ask(self, method: str, path: str, body: dict[str, Any]) -> None:
        self.requests.append((method, path, body))


def test_the_script_says_what_a_picture_truly_shows() -> None:
    """And counts how much of that the champion had suggested."""
    (scene,) = detection_scenes(1, seed=5)
    boxes = [asdict(box) for box in scene.boxes]
    wrong = {**boxes[0], "label": "not a part", "confidence": 90.0}
    task = {
        "id": "a-1",
        "image": "sha",
        "suggestions": {"boxes": [*({**box, "confidence": 80.0} for box in boxes[1:]), wrong]},
    }
    desk: Any = Desk()
    counts = review.ReviewCounts()
    review.answer(desk, task, {"sha": scene}, counts)
    ((method, path, body),) = desk.requests
    assert (method, path) == ("POST", "/api/tasks/a-1/answer")
    assert (body["verdict"], body["boxes"]) == ("labelled", boxes)
    assert (counts.tasks, counts.parts, counts.suggested) == (1, len(boxes), len(boxes) - 1)


def test_traffic_counts_answers_and_failures() -> None:
    enough = threading.Event()
    answers = iter(["v1-a", "v1-a", "", "v3-b"])

    def ask(picture: bytes) -> str:
        assert picture == b"picture"
        answer = next(answers, None)
        if answer is None:
            enough.set()
            return "v3-b"
        if not answer:
            raise ConnectionError("it slept")
        return answer

    with Traffic(ask, [b"picture"], pause_seconds=0) as traffic:
        assert enough.wait(HUNG_SECONDS)
    assert traffic.answers["v1-a"] == 2
    assert traffic.failures == ["ConnectionError: it slept"]
    assert traffic.asked == sum(traffic.answers.values()) + 1
    assert traffic.summary().startswith(f"{traffic.asked} detections (2 by v1, ")
    assert traffic.summary().endswith("1 failed")


def test_what_does_not_come_is_told() -> None:
    with pytest.raises(NotAsPromisedError, match="in vain until the moon rises"):
        watch.until(lambda: None, 0, "the moon rises")


def test_what_comes_slowly_is_waited_for_as_long_as_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0

    def sleep(_: float) -> None:
        nonlocal now
        now += 50

    monkeypatch.setattr(watch, "time", SimpleNamespace(monotonic=lambda: now, sleep=sleep))
    watch.reached(lambda: int(now / 100), 5, 120, "there are five")
    assert now >= 500
    with pytest.raises(NotAsPromisedError, match="in vain until there are six"):
        watch.reached(lambda: 5, 6, 120, "there are six")


def test_a_run_is_told_with_its_verdicts() -> None:
    written = io.StringIO()
    reason = "overall F1 0.400 is below 0.550"
    verdicts = (Verdict("evaluation", False, (reason,)),)
    record = Run("a", version="v2-b", outcome="rejected", reason=reason, verdicts=verdicts)
    watch.print_result(Console(file=written, width=200), record)
    assert "evaluation gate: rejected: overall F1 0.400" in written.getvalue()
    assert "v2-b: rejected" in written.getvalue()


def test_a_bar_leaves_one_line_in_a_log() -> None:
    written = io.StringIO()
    with watch.bar(Console(file=written, width=200), "pictures dropped", 3) as show_progress:
        show_progress(3)
    assert written.getvalue().startswith("  pictures dropped: 3 in 0.")
    assert written.getvalue().count("\n") == 1


def test_a_demo_that_goes_wrong_shows_the_end_of_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "stack.log").write_text("\n".join(f"line {number}" for number in range(100)))
    monkeypatch.setattr(entry, "HOME", tmp_path)
    written = io.StringIO()
    entry._explain(
        Console(file=written, width=200), NotAsPromisedError("v2 was to be rejected, but is promoted")
    )
    lines = written.getvalue().splitlines()
    assert "line 99" in lines
    assert "line 74" not in lines
    assert lines[-1] == "The demo failed: v2 was to be rejected, but is promoted"


def test_the_demo_fails_if_the_stack_does_not_come_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise EmbeddedStackError("the embedded stack did not come up")

    monkeypatch.setattr(entry, "HOME", tmp_path / "home")
    monkeypatch.setattr(entry, "OUTPUT", tmp_path / "output")
    monkeypatch.setattr("local.embedded.start", broken)
    assert entry.main() == 1
    assert "did not come up" in capsys.readouterr().out
