"""Clips: the champion's answers about the frames of a video on this machine.

A clip is decoded frame by frame, however long it is, by PyAV, which brings FFmpeg:
https://pyav.basswood-io.com/docs/stable/
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.error import FFmpegError
from PIL import Image

from cli import drawing
from lambdas.domain.images import perceptual_hash, tiles
from lambdas.domain.images.files import MIN_SIDE
from lambdas.domain.snapshot.near_duplicates import DISTANCE, is_flat

Ask = Callable[[bytes], tuple[str, list[dict[str, Any]]]]
"""Asks the champion about a JPEG file: its version name and its labels."""


class UnusableClipError(ValueError):
    """The clip cannot be read, or its answers not written; the message says why."""


@dataclass(frozen=True)
class Frame:
    """A picture of a clip, upright; its position counts all of the clip's frames, from 0."""

    position: int
    seconds: float
    image: Image.Image


@dataclass(frozen=True)
class ClipAnswer:
    """What became of a clip."""

    frames: int
    """Looked at, at the rate that was chosen."""
    asked: int
    """Of these, those that the champion was asked about: the others look like the one before them."""
    lines: Path
    drawn: Path


def frames(path: Path, rate: float) -> Iterator[Frame]:
    """The frames of a clip, `rate` of each second at most.

    Raises:
        UnusableClipError: it is no clip that can be read, as far as it was read.
    """
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise UnusableClipError("there is no picture in it, but sound alone")
            due = 0.0
            for position, frame in enumerate(container.decode(container.streams.video[0])):
                seconds = frame.time if frame.time is not None else position / rate
                if seconds + _SLACK >= due:
                    due = max(due, seconds - 1 / rate) + 1 / rate
                    yield Frame(position, seconds, frame.to_image().rotate(frame.rotation, expand=True))
    except FFmpegError as error:
        raise UnusableClipError(f"it cannot be read as a clip: {error.strerror or error}") from error


_SLACK = 1e-3
"""Seconds; times of frames are rounded."""


def detect(path: Path, ask: Ask, out: Path, *, rate: float = 1.0) -> ClipAnswer:
    """Ask the champion about a clip's frames, and write its answers and the clip with the boxes drawn in.

    Of frames in a row that look alike it is asked about the first alone. Answers are JSON Lines,
    `<clip>.jsonl`: one for each frame that was asked about, as it is known. The drawn clip, `<clip>.mp4`, has
    the frames that were looked at, with the boxes of the last answer.

    Args:
        rate: frames to look at in each second of the clip.

    Raises:
        UnusableClipError: it is no clip that can be read, as far as it was read.
    """
    out.mkdir(parents=True, exist_ok=True)
    lines, drawn = out / f"{path.name}.jsonl", out / f"{path.stem}.mp4"
    if drawn.exists() and drawn.samefile(path):
        raise UnusableClipError(f"it would be overwritten by {drawn}: choose another folder for --out")
    looked_at, asked, last, labels = 0, 0, None, list[dict[str, Any]]()
    with ExitStack() as stack:
        answers = stack.enter_context(lines.open("w", encoding="utf-8"))
        writer = stack.enter_context(_Writer(drawn, rate))
        for frame in frames(path, rate):
            _check_size(frame.image)
            looked_at += 1
            hash = int(perceptual_hash.of_image(frame.image), 16)
            if last is None or not _look_alike(hash, last):
                version, labels = ask(tiles.encode(frame.image.convert("RGB")))
                asked, last = asked + 1, hash
                answers.write(_line(path, frame, version, labels))
                answers.flush()
            writer.write(drawing.annotate(frame.image, labels))
    if not looked_at:
        raise UnusableClipError("there is no frame in it")
    return ClipAnswer(looked_at, asked, lines, drawn)


def _check_size(image: Image.Image) -> None:
    """Raise UnusableClipError for a frame that neither Custom Labels takes nor FFmpeg writes."""
    if min(image.size) < MIN_SIDE:
        raise UnusableClipError(
            f"its frames have {image.width} x {image.height} pixels; Custom Labels takes {MIN_SIDE} each way"
            " or more"
        )


def _look_alike(one: int, other: int) -> bool:
    """Whether two frames do by their perceptual hashes; a flat one looks like every other flat one."""
    return not is_flat(one) and (one ^ other).bit_count() <= DISTANCE


def _line(path: Path, frame: Frame, version: str, labels: Sequence[dict[str, Any]]) -> str:
    answer = {
        "clip": str(path),
        "frame": frame.position,
        "seconds": round(frame.seconds, 3),
        "size": {"width": frame.image.width, "height": frame.image.height},
        "model_version": version,
        "labels": labels,
    }
    return json.dumps(answer, ensure_ascii=False) + "\n"


class _Writer:
    """Writes pictures into an MP4 file, as many a second as `rate` says."""

    def __init__(self, path: Path, rate: float) -> None:
        self._container = av.open(str(path), "w")
        self._rate = rate
        self._stream: Any = None

    def __enter__(self) -> _Writer:
        return self

    def write(self, image: Image.Image) -> None:
        if self._stream is None:
            # H.264 with halved colours takes even sides alone.
            size = image.width // 2 * 2, image.height // 2 * 2
            rate = Fraction(self._rate).limit_denominator(1000)
            self._stream = self._container.add_stream("libx264", rate=rate)
            self._stream.width, self._stream.height = size
            self._stream.pix_fmt = "yuv420p"
        frame = av.VideoFrame.from_image(image.crop((0, 0, self._stream.width, self._stream.height)))
        self._container.mux(self._stream.encode(frame))

    def __exit__(self, *error: object) -> None:
        if self._stream is not None:
            self._container.mux(self._stream.encode())
        self._container.close()
