"""What a worker makes of a part of a batch: whatever happens, nothing is lost and nothing is asked twice."""

from __future__ import annotations

import time
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lambdas.domain.batch import files
from lambdas.domain.batch import worker as worker_module
from lambdas.domain.batch.files import InputLine
from lambdas.domain.batch.worker import UnfinishedPartError
from lambdas.domain.detect.champion import VersionNotServingError
from tests.fixtures.batches import NAME, PART, asked, begin, put_images, put_part, results, worker
from tests.fixtures.deployment import BUCKET, World
from tests.fixtures.images import GIF, picture
from tests.fixtures.rekognition import error


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "_FIRST_PAUSE", 0.001)
    monkeypatch.setattr(worker_module, "_LAST_PAUSE", 0.002)


@pytest.fixture
def night(world: World) -> World:
    """A batch of five images, whose version runs."""
    world.champion("v1")
    put_images(world, 5)
    begin(world, total=5)
    return world


def counted(world: World) -> tuple[int, int]:
    batch = world.loop_state.batch(NAME)
    assert batch is not None
    return batch.answered, batch.failed


def test_every_image_has_a_line_with_what_was_seen(night: World) -> None:
    night.fake.finds = lambda version, key: [{"Name": key, "Confidence": 90.0}]
    done = worker(night).answer_part(NAME, PART)
    assert (done.images, done.asked) == (5, 5)
    lines = results(night)
    assert [line.id for line in lines] == ["0", "1", "2", "3", "4"]
    assert [line.labels for line in lines] == [({"label": line.key, "confidence": 90.0},) for line in lines]
    assert {(line.status, line.width, line.height) for line in lines} == {("detected", 80, 70)}
    assert counted(night) == (5, 0)


def test_a_part_that_is_done_twice_is_asked_about_once(night: World) -> None:
    worker(night).answer_part(NAME, PART)
    before = results(night)
    done = worker(night).answer_part(NAME, PART)
    assert done.asked == 0
    assert results(night) == before
    assert len(asked(night)) == 5
    assert counted(night) == (5, 0)


def test_only_what_has_no_answer_is_asked_again(night: World) -> None:
    worker(night).answer_part(NAME, PART)
    # As if the last worker had been killed after three images.
    body = night.read(f"batches/{NAME}/results/part-00000.jsonl").splitlines(keepends=True)
    night.s3.put_object(
        Bucket=BUCKET, Key=f"batches/{NAME}/results/part-00000.jsonl", Body="".join(body[:3]).encode()
    )
    night.fake.calls.clear()
    worker(night).answer_part(NAME, PART)
    assert sorted(asked(night)) == ["pictures/3.jpg", "pictures/4.jpg"]
    assert [line.id for line in results(night)] == ["0", "1", "2", "3", "4"]


def test_an_image_that_is_gone_is_a_line(night: World) -> None:
    night.s3.delete_object(Bucket=BUCKET, Key="pictures/2.jpg")
    worker(night).answer_part(NAME, PART)
    line = results(night)[2]
    assert (line.status, line.error) == ("failed", "NoSuchKey")
    assert "put it back" in line.reason
    assert counted(night) == (5, 1)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty"),
        (b"no image at all", "not_an_image"),
        (GIF, "unsupported_format"),
    ],
)
def test_what_is_no_image_is_a_line_and_not_asked_about(body: bytes, reason: str, night: World) -> None:
    night.s3.put_object(Bucket=BUCKET, Key="pictures/1.jpg", Body=body)
    worker(night).answer_part(NAME, PART)
    assert (results(night)[1].status, results(night)[1].error) == ("failed", reason)
    assert results(night)[1].reason
    assert "pictures/1.jpg" not in asked(night)


def test_an_image_that_the_model_does_not_take_is_a_line(night: World) -> None:
    put_part(night, [InputLine("0", BUCKET, "pictures/0.jpg")])
    night.fake.fail_next("detect_custom_labels", "ImageTooLargeException")
    worker(night).answer_part(NAME, PART)
    (line,) = results(night)
    assert (line.status, line.error) == ("failed", "ImageTooLargeException")
    assert "save it as a JPEG or PNG file" in line.reason


def test_an_image_that_is_too_large_is_asked_about_in_tiles(night: World) -> None:
    put_part(night, [InputLine("0", BUCKET, "pictures/0.jpg")])
    night.s3.put_object(Bucket=BUCKET, Key="pictures/0.jpg", Body=picture(size=(4200, 70)))
    night.fake.fail_next("detect_custom_labels", "ImageTooLargeException")
    worker(night).answer_part(NAME, PART)
    (line,) = results(night)
    assert (line.status, line.width, line.height) == ("detected", 4200, 70)
    _, *of_tiles = night.fake.called("detect_custom_labels")
    assert len(of_tiles) > 1
    assert all("Bytes" in call["Image"] for call in of_tiles)


def test_a_bucket_that_may_not_be_read_is_a_line_that_says_what_helps(night: World) -> None:
    class Denied:
        def __getattr__(self, name: str) -> Any:
            return getattr(night.s3, name)

        def get_object(self, **request: Any) -> Any:
            if request["Key"] == "pictures/1.jpg":
                raise error("AccessDenied", "Access Denied")
            return night.s3.get_object(**request)

    worker(night, s3=Denied()).answer_part(NAME, PART)
    assert results(night)[1].error == "AccessDenied"
    assert "batch_buckets" in results(night)[1].reason


class OneFails:
    """S3, but for one object."""

    def __init__(self, s3: Any, key: str, code: str, status: int) -> None:
        self._s3, self._key = s3, key
        self._error = {"Error": {"Code": code, "Message": f"is {code}"}}
        self._status = {"ResponseMetadata": {"HTTPStatusCode": status}}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._s3, name)

    def get_object(self, **request: Any) -> Any:
        if request["Key"] == self._key:
            response: Any = {**self._error, **self._status}
            raise ClientError(response, "GetObject")
        return self._s3.get_object(**request)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        # The id of a version that is none, an object of a customer's own key, a deleted version, a key of KMS
        # that is gone, a bucket elsewhere.
        ("InvalidArgument", 400),
        ("InvalidRequest", 400),
        ("MethodNotAllowed", 405),
        ("KMS.DisabledException", 400),
        ("PermanentRedirect", 301),
    ],
)
def test_what_s3_does_not_give_is_a_line(code: str, status: int, night: World) -> None:
    s3 = OneFails(night.s3, "pictures/1.jpg", code, status)
    worker(night, s3=s3).answer_part(NAME, PART)
    assert [line.status for line in results(night)] == ["detected", "failed", *["detected"] * 3]
    line = results(night)[1]
    assert (line.error, line.reason) == (code, f"S3 does not give s3://{BUCKET}/pictures/1.jpg: is {code}")


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("SlowDown", 503),
        ("InternalError", 500),
        ("RequestTimeout", 400),
        ("ExpiredToken", 400),
        ("ThrottlingException", 400),
        ("RequestTimeTooSkewed", 403),
    ],
)
def test_what_s3_does_not_give_for_a_moment_keeps_no_other_image_waiting(
    code: str, status: int, night: World
) -> None:
    s3 = OneFails(night.s3, "pictures/0.jpg", code, status)
    with pytest.raises(ClientError, match=code):
        worker(night, s3=s3).answer_part(NAME, PART)
    assert [line.id for line in results(night)] == ["1", "2", "3", "4"]
    worker(night).answer_part(NAME, PART)
    assert [line.id for line in results(night)] == ["0", "1", "2", "3", "4"]


def test_a_worker_gives_up_while_a_service_fails(night: World, monkeypatch: pytest.MonkeyPatch) -> None:
    put_part(night, [InputLine(str(number), BUCKET, "pictures/0.jpg") for number in range(100)])
    with pytest.raises(ClientError, match="SlowDown"):
        worker(night, s3=OneFails(night.s3, "pictures/0.jpg", "SlowDown", 503)).answer_part(NAME, PART)
    failing = SimpleNamespace(calls=0)

    def fail(**request: Any) -> Any:
        failing.calls += 1
        raise error("InternalServerError")

    monkeypatch.setattr(night.fake, "detect_custom_labels", fail)
    with pytest.raises(ClientError, match="InternalServerError"):
        worker(night).answer_part(NAME, PART)
    assert 10 <= failing.calls < 20


def test_a_line_that_names_no_image_fails_alone(night: World) -> None:
    lines = files.as_text(
        [InputLine("0", BUCKET, "pictures/0.jpg"), InputLine("1", BUCKET, "pictures/1.jpg")]
    )
    body = lines.encode() + b"pictures/2.jpg\xff\n"
    night.s3.put_object(Bucket=BUCKET, Key=PART, Body=body)
    worker(night).answer_part(NAME, PART)
    first, second, bad = results(night)
    assert (first.status, second.status) == ("detected", "detected")
    assert (bad.id, bad.status, bad.error) == ("part-00000.jsonl:3", "failed", "not_a_line")
    assert "pictures/2.jpg" in bad.reason
    worker(night).answer_part(NAME, PART)
    assert len(results(night)) == 3, "it has its answer"


@pytest.mark.parametrize("line", [InputLine("0", "no bucket!", "a.jpg"), InputLine("0", BUCKET, "")])
def test_what_can_be_the_name_of_no_object_is_a_line(line: InputLine, night: World) -> None:
    put_part(night, [line, InputLine("1", BUCKET, "pictures/1.jpg")])
    worker(night).answer_part(NAME, PART)
    assert [(line.id, line.error) for line in results(night)] == [("0", "not_a_key"), ("1", "")]


def test_an_older_version_of_an_object_is_asked_about(night: World) -> None:
    night.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    old = night.s3.put_object(Bucket=BUCKET, Key="pictures/0.jpg", Body=picture(9))["VersionId"]
    night.s3.put_object(Bucket=BUCKET, Key="pictures/0.jpg", Body=b"no image")
    put_part(night, [InputLine("0", BUCKET, "pictures/0.jpg", old)])
    worker(night).answer_part(NAME, PART)
    assert (results(night)[0].status, results(night)[0].version_id) == ("detected", old)
    (call,) = night.fake.called("detect_custom_labels")
    assert call["Image"]["S3Object"]["Version"] == old


def test_throttling_is_waited_out(night: World) -> None:
    night.fake.fail_next("detect_custom_labels", *["ProvisionedThroughputExceededException"] * 12)
    worker(night).answer_part(NAME, PART)
    assert [line.status for line in results(night)] == ["detected"] * 5


def test_when_the_time_is_over_what_was_answered_is_kept(
    night: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def answer(version: str, key: str) -> list[dict[str, Any]]:
        seen.append(key)
        return []

    # The time is over as soon as four images were seen.
    passes = SimpleNamespace(monotonic=lambda: float(len(seen) >= 4), sleep=time.sleep)
    monkeypatch.setattr(worker_module, "time", passes)
    night.fake.finds = answer
    put_part(night, [InputLine(str(number), BUCKET, f"pictures/{number % 5}.jpg") for number in range(20)])
    with pytest.raises(UnfinishedPartError, match="of 20 images"):
        worker(night, deadline=0.5).answer_part(NAME, PART)
    kept = results(night)
    assert 4 <= len(kept) < 20
    assert counted(night) == (len(kept), 0)
    worker(night, deadline=2).answer_part(NAME, PART)
    assert [line.id for line in results(night)] == [str(number) for number in range(20)]
    assert len(seen) == 20


def test_a_version_that_is_stopped_midway_keeps_what_it_has_answered(night: World) -> None:
    def stop_soon(version: str, key: str) -> list[dict[str, Any]]:
        if key == "pictures/0.jpg":
            night.fake.versions["v1"]["Status"] = "STOPPED"
        return []

    night.fake.finds = stop_soon
    with pytest.raises(VersionNotServingError, match="v1 is not running"):
        worker(night).answer_part(NAME, PART)
    assert "0" in {line.id for line in results(night)}
    night.fake.versions["v1"]["Status"] = "RUNNING"
    night.fake.finds = lambda version, key: []
    worker(night).answer_part(NAME, PART)
    assert len(results(night)) == 5


def test_a_service_that_fails_is_no_line(night: World) -> None:
    night.fake.fail_next("detect_custom_labels", "InternalServerError")
    with pytest.raises(ClientError, match="InternalServerError"):
        worker(night).answer_part(NAME, PART)
    assert counted(night)[1] == 0
    worker(night).answer_part(NAME, PART)
    assert len(results(night)) == 5


def test_two_workers_of_one_part_lose_nothing_of_each_other(night: World) -> None:
    """A worker that was given up goes on beside the next one; who writes last adds to what is there."""
    lines = [InputLine(str(number), BUCKET, f"pictures/{number}.jpg") for number in range(5)]
    late = worker(night)
    # Asked about the first two, and not written yet.
    answers = late._answers(lines[:2], [])
    put_part(night, lines[2:])
    worker(night).answer_part(NAME, PART)
    put_part(night, lines)
    late._write(NAME, PART, lines, [replace(answer, height=1) for answer in answers])
    assert [line.id for line in results(night)] == ["0", "1", "2", "3", "4"]
    # What has a line stays as it is.
    late._write(NAME, PART, lines, [replace(answer, height=2) for answer in answers])
    assert [line.height for line in results(night)][:2] == [1, 1]
    assert counted(night) == (5, 0)


def test_answers_written_meanwhile_are_added_to(night: World, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [InputLine(str(number), BUCKET, f"pictures/{number}.jpg") for number in range(5)]
    late = worker(night)
    answers = late._answers(lines[:2], [])
    put_part(night, lines[2:])
    read = worker_module.Worker._results
    looks: list[str] = []

    def overtaken(asks: worker_module.Worker, name: str, key: str) -> Any:
        known = read(asks, name, key)
        if asks is late and not looks:
            looks.append(key)
            worker(night).answer_part(NAME, PART)
        return known

    monkeypatch.setattr(worker_module.Worker, "_results", overtaken)
    late._write(NAME, PART, lines, answers)
    assert [line.id for line in results(night)] == ["0", "1", "2", "3", "4"]
