"""One clip under detect/, what the champion sees in its frames, and what lies beside it under results/.

For detect/a/b.mp4 that is:

- results/a/b.mp4.json: what has become of it, and how far it is (lambdas/domain/video/progress.py)
- results/a/b.mp4.jsonl: the answers, a line for each frame that the champion was asked about
- results/a/b.mp4.annotated.mp4: the frames that were looked at, with the answers drawn in
- results/a/b.mp4.frames/: frames that were proposed for review

A function works on a clip until its time is over, and writes what it has; the next one goes on there. So a
function that is killed has done nothing, and what it did is done again. Each object is written on the
condition that nobody has written it meanwhile: of two functions that work on the same, one gives up. If what
the other wrote is about an earlier upload under the key, the clip is gone on with.
"""

from __future__ import annotations

import json
import math
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from aws_lambda_powertools import Logger
from botocore.exceptions import ClientError

from lambdas.domain.detect import champion, detection, unusable_images
from lambdas.domain.detect.champion import Answer, NoChampionError
from lambdas.domain.detect.detection import Detected
from lambdas.domain.engines import tiled_detection
from lambdas.domain.engines.port import THROTTLED
from lambdas.domain.engines.tiled_detection import TiledImage
from lambdas.domain.images import tiles
from lambdas.domain.images.tiles import Tiling
from lambdas.domain.review import proposals
from lambdas.domain.shared.state import LoopState
from lambdas.domain.shared.tuning import Tuning
from lambdas.domain.video import annotated, answers, frames, progress
from lambdas.domain.video.annotated import Writer
from lambdas.domain.video.frames import Clip, Frame, UnusableClipError
from lambdas.domain.video.object_file import ObjectFile
from lambdas.domain.video.progress import Progress
from lambdas.domain.video.stored import OvertakenError, StoredObject

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from PIL.Image import Image

    from lambdas.domain.engines.port import Detector

logger = Logger(child=True)

ANNOTATED_SIDE = 1280
"""Pixels, each way, of annotated clips; larger frames are scaled down for them."""
MAX_ANNOTATED_BYTES = 200 * 1024 * 1024
"""Of an annotated clip. It is put together in /tmp, of which a function has 512 MB:
https://docs.aws.amazon.com/lambda/latest/dg/configuration-ephemeral-storage.html"""
_PART = "new.mp4"
_MP4, _JSON, _JSON_LINES = "video/mp4", "application/json", "application/x-ndjson"

Outcome = Literal["answered", "unusable", "continued", "waiting", "gone", "replaced", "overtaken"]
Propose = Callable[[Detected, str, str | None], bool]
"""Proposes a frame for review that lies under a key in a version, if it is worth it: whether it was."""


@dataclass(frozen=True)
class Answered:
    """What became of a clip, for now.

    `answered`, `unusable`; `continued`: somebody has to go on with it; `waiting` for a champion; `gone`;
    `replaced` by another upload; `overtaken` by another function that works on the same.
    """

    outcome: Outcome
    result_key: str
    detections: int = 0
    """Images that the champion was asked about just now."""
    seconds: float = 0.0
    """Of the clip that were looked at, all in all."""


@dataclass(frozen=True)
class Answerer:
    """Asks the champion about clips.

    Args:
        propose: hands a frame to the review.
        deadline: `time.monotonic()` at which to stop, with time left to write what there is.
    """

    detector: Detector
    s3: S3Client
    loop_state: LoopState
    data_bucket: str
    tuning: Tuning
    tiling: Tiling
    propose: Propose
    deadline: float

    def answer(self, key: str, *, version_id: str | None, arrived_at: str, failures: int = 0) -> Answered:
        """Go on with a clip of the bucket.

        Args:
            version_id: of the object, if it is known.
            arrived_at: when it came.
            failures: how often it could not be answered before, though a champion ran.

        Raises:
            TimeoutError: there is no time to begin.
            NoChampionError: no champion runs, and this clip has failed too often to wake one.
            botocore.exceptions.ClientError: a service failed. What was answered until then is written.
        """
        if time.monotonic() >= self.deadline:
            raise TimeoutError("the function's time is over before it has begun")
        result = detection.result_key(key)
        clip = self._look_up(key)
        if clip is None:
            return Answered("gone", result)
        if version_id and clip.version_id not in ("", version_id):
            return Answered("replaced", result)
        try:
            run = _Run(self, clip)
            return run.go_on(version_id, arrived_at, failures)
        except OvertakenError as error:
            logger.info("overtaken", extra={"key": key, "reason": str(error)})
            return Answered("overtaken" if self._is_documented(clip) else "continued", result)

    def _is_documented(self, clip: _Object) -> bool:
        """Whether the document is about this upload of the clip: whoever wrote it goes on with it."""
        document = StoredObject(self.s3, self.data_bucket, detection.result_key(clip.key))
        try:
            known = progress.read(document.read().decode() or "{}")
        except OvertakenError:
            return False
        return known is not None and known.version_id == clip.identity

    def _look_up(self, key: str) -> _Object | None:
        try:
            head = self.s3.head_object(Bucket=self.data_bucket, Key=key)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                return None
            raise
        return _Object(key, head.get("VersionId", ""), head["ETag"], head["ContentLength"])


@dataclass(frozen=True)
class _Object:
    """A clip in the bucket."""

    key: str
    version_id: str
    """Empty in a bucket without versions."""
    etag: str
    size: int

    @property
    def identity(self) -> str:
        return self.version_id or self.etag


@dataclass
class _New:
    """What a run adds to what was there before it."""

    before: list[str] = field(default_factory=list)
    """Lines that were there."""
    lines: list[str] = field(default_factory=list)
    drawn: int = 0
    """Frames of the annotated clip."""
    size: tuple[int, int] | None = None
    """Of these, in pixels."""
    detections: int = 0
    stop: Exception | None = None
    """Why it stopped before its time; what came before that stands."""


class _Run:
    """One function's work on a clip."""

    def __init__(self, answerer: Answerer, clip: _Object) -> None:
        self._with, self._clip = answerer, clip
        self._document = self._stored(".json")
        self._answers = self._stored(".jsonl")
        self._annotated = self._stored(".annotated.mp4")
        known = progress.read(self._document.read().decode() or "{}")
        if known is None or known.version_id != clip.identity or self._is_robbed(known):
            known = Progress(clip.key, clip.identity, answerer.tuning.clip_frames_per_second)
        self.progress = known

    def _is_robbed(self, known: Progress) -> bool:
        """Whether somebody has deleted what the rest of the clip is to be added to."""
        lacks_answers = known.asked > 0 and not self._answers.is_there
        lacks_frames = known.annotated_frames > 0 and not self._annotated.is_there
        return known.status not in progress.DONE and (lacks_answers or lacks_frames)

    def _stored(self, ending: str) -> StoredObject:
        key = detection.result_key(self._clip.key, ending)
        return StoredObject(self._with.s3, self._with.data_bucket, key)

    def go_on(self, version_id: str | None, arrived_at: str, failures: int) -> Answered:
        if self.progress.status in progress.DONE:
            return self._outcome("answered" if self.progress.status == "answered" else "unusable")
        with tempfile.TemporaryDirectory() as folder:
            try:
                return self._look(Path(folder), version_id, arrived_at, failures)
            except UnusableClipError as error:
                return self._refuse(error)
            except ClientError as error:
                if error.operation_name == "GetObject" and _is_gone(error):
                    return Answered("gone", self._document.key)
                raise

    def _look(self, folder: Path, version_id: str | None, arrived_at: str, failures: int) -> Answered:
        if not self._clip.size:
            raise UnusableClipError("empty", "the file is empty")
        version = {"VersionId": self._clip.version_id} if self._clip.version_id else {}
        file = ObjectFile(self._with.s3, self._with.data_bucket, self._clip.key, self._clip.size, version)
        before = replace(self.progress)
        with frames.opened(file, lambda: time.monotonic() >= self._with.deadline) as clip:
            self.progress.duration = clip.duration
            new = self._frames(clip, folder / _PART)
            self._end(clip, new, has_moved=self.progress.next != before.next)
        self._write(folder, before, new)
        if isinstance(new.stop, _WaitError):
            if failures >= detection.MAX_FAILURES:
                raise NoChampionError(f"{new.stop}; {failures} times before it could not be answered")
            waiting = detection.waiting_image(self._clip.key, version_id, arrived_at, failures)
            self._with.loop_state.keep_waiting(waiting)
            return self._outcome("waiting", new.detections)
        if new.stop:
            raise new.stop
        return self._outcome(
            "answered" if self.progress.status == "answered" else "continued", new.detections
        )

    def _outcome(self, outcome: Outcome, detections: int = 0) -> Answered:
        return Answered(outcome, self._document.key, detections, self.progress.seconds)

    def _refuse(self, error: UnusableClipError) -> Answered:
        self.progress.status = "unusable"
        self.progress.error, self.progress.reason = error.reason, error.detail
        self._document.write(self.progress.as_json().encode(), _JSON)
        return self._outcome("unusable")

    # The frames

    def _frames(self, clip: Clip, drawn: Path) -> _New:
        """Look at frames until the time is over, or the clip."""
        new, choice = _New(), self.progress.choice
        new.before = self._lines()
        labels = json.loads(new.before[-1]).get("labels", []) if new.before else []
        with self._writer(drawn) as writer:
            for frame in clip.frames(self.progress.place):
                before = replace(choice)
                if choice.looks_at(frame.seconds):
                    picture = self._picture(clip, frame)
                    if picture is None:
                        break
                    if choice.asks_about(picture):
                        try:
                            labels = self._ask(frame, picture, new)
                        except Exception as error:  # noqa: BLE001 raised once what there is is written
                            new.stop, choice = error, before
                            break
                    self.progress.frames += 1
                    if self._has_room(writer.bytes, new.drawn):
                        writer.write(picture, labels)
                        new.drawn += 1
                self.progress.seconds = round(frame.seconds, 3)
                self.progress.go_on_from(frame.place, choice)
            new.size = writer.size
        return new

    def _lines(self) -> list[str]:
        """The answers so far, without those that a function wrote that was killed then."""
        if not self.progress.asked:
            return []
        # Other marks than this may end a line for Python, and are in no JSON.
        lines = self._answers.read().decode().split("\n")
        return [f"{line}\n" for line in lines[: self.progress.asked]]

    def _writer(self, path: Path) -> Writer:
        size = self.progress.annotated_size
        return Writer(
            path,
            self.progress.frames_per_second,
            max_side=ANNOTATED_SIDE,
            size=(size[0], size[1]) if size else None,
        )

    def _has_room(self, drawn_bytes: int, count: int) -> bool:
        """Whether another frame is drawn: all before it have been, and it has not become too large."""
        known = self.progress
        if known.annotated_frames + count != known.frames - 1:
            return False
        return known.annotated_bytes + drawn_bytes < MAX_ANNOTATED_BYTES

    def _picture(self, clip: Clip, frame: Frame) -> Image | None:
        """The frame's picture; None if the clip goes on with frames that no model is asked about."""
        try:
            return frame.picture()
        except UnusableClipError as error:
            if not self.progress.frames:
                raise
            clip.broken = error.detail
            return None

    def _ask(self, frame: Frame, picture: Image, new: _New) -> list[dict[str, Any]]:
        """Ask the champion about a frame, and note its answer.

        Raises:
            _WaitError: none runs, or it has no time.
            botocore.exceptions.ClientError: a service failed.
        """
        do, clip = self._with, self._clip.key
        image = tiled_detection.of_picture(picture, do.tiling, do.deadline)
        question = proposals.question(do.tuning)

        def ask() -> Answer:
            return champion.ask(do.detector, do.loop_state, image, question)

        try:
            is_tiled = isinstance(image, TiledImage)
            answer = ask() if is_tiled else tiled_detection.patiently(ask, do.deadline)
        except NoChampionError as error:
            raise _WaitError(str(error)) from error
        except ClientError as error:
            problem = error.response["Error"]
            if problem["Code"] in THROTTLED:
                raise _WaitError("the champion's inference units have no time for it; it waits") from error
            if not unusable_images.is_unusable(error):
                raise
            new.lines.append(answers.refused(clip, frame, picture.size, problem["Code"], problem["Message"]))
            self.progress.asked += 1
            return []
        labels = list(answer.labels)
        new.lines.append(answers.line(clip, frame, picture.size, answer.version_name, labels))
        new.detections += answer.detections
        self.progress.asked += 1
        if answer.version_name not in self.progress.model_versions:
            self.progress.model_versions.append(answer.version_name)
        self._propose(frame, picture, answer)
        return labels

    def _propose(self, frame: Frame, picture: Image, answer: Answer) -> None:
        """Have the frame reviewed if it is worth it; the answer stands whether that succeeds or not."""
        tuning = self._with.tuning
        if tuning.review_route == "none" or self.progress.proposed >= self._limit(frame.seconds):
            return
        key = detection.result_key(self._clip.key, f".frames/{frame.place.position:09d}.jpg")
        detected = Detected("detected", "", answer.labels, answer.version_name, answer.left_out)
        try:
            if proposals.worth_review(detected, proposals.name_of(key, None), tuning) is None:
                return
            body = tiles.encode(picture.convert("RGB"))
            put = self._with.s3.put_object(
                Bucket=self._with.data_bucket, Key=key, Body=body, ContentType="image/jpeg"
            )
            # Another clip under this one's key has other frames under these keys.
            if self._with.propose(detected, key, put.get("VersionId")):
                self.progress.proposed += 1
        except Exception:
            logger.exception("could not propose a frame for review")

    def _limit(self, seconds: float) -> int:
        """Frames of the clip that may be proposed up to a moment of it: not all of them at its beginning."""
        limit, duration = self._with.tuning.review_clip_frames, self.progress.duration
        if not duration:
            return limit
        share = (seconds + 1 / self.progress.frames_per_second) / duration
        return min(limit, math.ceil(limit * share))

    # What is written

    def _end(self, clip: Clip, new: _New, *, has_moved: bool) -> None:
        """Note how far the clip is, and why."""
        known = self.progress
        known.damaged += clip.damaged
        known.reason = ""
        if isinstance(new.stop, _WaitError):
            known.status, known.reason = "waiting", str(new.stop)
            return
        known.status = "in progress"
        if new.stop or (clip.stopped and has_moved):
            return
        known.status, known.next = "answered", None
        why = clip.broken
        if clip.stopped:
            why = "it takes longer to find that place than a function may run: cut the clip into parts"
        if why:
            known.reason = f"not looked at from second {known.seconds} on: {why}"

    def _write(self, folder: Path, before: Progress, new: _New) -> None:
        """Write what is new, the document last: what it does not count is not there."""
        known = self.progress
        if new.lines:
            self._answers.write("".join([*new.before, *new.lines]).encode(), _JSON_LINES)
            known.answers = self._answers.key
        if new.drawn:
            path = self._joined(folder, before, new)
            self._annotated.write(path, _MP4)
            known.annotated = self._annotated.key
            known.annotated_frames += new.drawn
            known.annotated_bytes = path.stat().st_size
            known.annotated_size = list(new.size or ())
        self._document.write(known.as_json().encode(), _JSON)

    def _joined(self, folder: Path, before: Progress, new: _New) -> Path:
        """The annotated clip with what is new."""
        part = folder / _PART
        if not before.annotated_frames:
            return part
        earlier, joined = folder / "earlier.mp4", folder / "joined.mp4"
        earlier.write_bytes(self._annotated.read())
        annotated.join([(earlier, before.annotated_frames), (part, new.drawn)], joined)
        return joined


class _WaitError(RuntimeError):
    """The clip waits for a champion that runs, or has time."""


def _is_gone(error: ClientError) -> bool:
    return error.response["ResponseMetadata"]["HTTPStatusCode"] == 404
