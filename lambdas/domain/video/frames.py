"""Frames of a clip: decoded one by one, and of these the ones that a model is asked about.

A clip is read as far as needed, however long it is, by PyAV, which brings FFmpeg:
https://pyav.basswood-io.com/docs/stable/
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import av
from av.error import FFmpegError
from av.stream import Disposition
from PIL import Image
from PIL.Image import Resampling

from lambdas.domain.images.files import MAX_ASPECT_RATIO, MIN_SIDE
from lambdas.domain.shared.errors import UnusableInputError

MAX_PIXELS = 8192 * 4320
"""Of a frame: 8K. A decoder keeps some twenty of them, and a few bytes may claim more."""
LOOK_SIDE = 32
"""Cells, each way, that are compared: of a frame of 1280 x 720, 40 x 22 pixels each."""
MAX_CHANGE = 10
"""Of a cell's mean colour, of 255, up to which it looks the same: more than compression and a camera's noise
make of it, and less than what comes into a cell, or leaves it."""
_SLACK = 1e-3
"""Seconds; times of frames are rounded."""
_USUAL_RATE = 25
_MAX_DAMAGED = 1000
"""Packets in a row, from the beginning, that cannot be decoded: then none can."""
_FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,flv,live_flv,mpegts,mpeg,mpegvideo,ogg,asf"
_OPTIONS = {"format_whitelist": _FORMATS, "protocol_whitelist": "file"}
"""Of formats those that hold a clip by themselves: a playlist would have FFmpeg open what it names, files and
addresses alike. https://ffmpeg.org/ffmpeg-formats.html#Format-Options"""


class UnusableClipError(UnusableInputError):
    """The clip cannot be read, or no model can be asked about it; the detail says why."""


@dataclass(frozen=True)
class Place:
    """Where a frame is in its clip."""

    position: int
    """Of all frames, from 0; those that cannot be decoded are not counted."""
    pts: int | None
    """Its time in the clip's own unit."""


@dataclass(frozen=True)
class Frame:
    """A frame of a clip; it becomes a picture when it is asked for."""

    place: Place
    seconds: float
    """Since the clip's beginning."""
    decoded: av.VideoFrame

    def picture(self) -> Image.Image:
        """The frame upright.

        Raises:
            UnusableClipError: it is too small or too elongated for a model.
        """
        image: Image.Image = self.decoded.to_image()
        turn = self.decoded.rotation
        if turn:
            image = image.rotate(turn, expand=True)
        _check_size(*image.size)
        return image


class Clip:
    """A clip that was opened.

    Args:
        source: its path, or a file that can be sought.
        stop: says when to read no further.
    """

    def __init__(self, source: Any, stop: Callable[[], bool] = lambda: False) -> None:
        self._source, self._stop = source, stop
        self._container = _open(source)
        self.damaged = 0
        """Packets that could not be decoded so far."""
        self.broken = ""
        """Why it ended before its end; empty while it has not."""
        self.stopped = False
        """Whether it was to be read no further."""
        try:
            self._stream = _stream(self._container)
        except UnusableClipError:
            self.close()
            raise

    @property
    def duration(self) -> float | None:
        """In seconds; None if its header does not say."""
        duration = self._container.duration
        return duration / av.time_base if duration else None

    def close(self) -> None:
        self._container.close()

    def frames(self, after: Place | None = None) -> Iterator[Frame]:
        """All frames in their order, or those after a place.

        What cannot be decoded is left out (`damaged`), and where it cannot be read any further it ends
        (`broken`).

        Raises:
            UnusableClipError: nothing of it can be decoded.
        """
        if after is None:
            return self._numbered(self._decoded(), 0)
        sought = self._sought(after)
        if sought is not None:
            return self._numbered(sought, after.position + 1)
        # There is no way to its time but all that comes before it.
        self._reopen()
        every = self._numbered(self._decoded(), 0)
        return (frame for frame in every if frame.place.position > after.position)

    def _sought(self, after: Place) -> Iterator[av.VideoFrame] | None:
        """What comes after a place, by its time; None if the clip cannot be sought."""
        pts = after.pts
        if pts is None:
            return None
        try:
            self._container.seek(pts, stream=self._stream)
        except FFmpegError:
            return None
        decoded = self._decoded()
        first = next(decoded, None)
        if first is None or first.pts is None or first.pts > pts:
            return None
        return (frame for frame in decoded if frame.pts is None or frame.pts > pts)

    def _reopen(self) -> None:
        self.close()
        self.damaged, self.broken = 0, ""
        self._container = _open(self._source)
        self._stream = _stream(self._container)

    def _numbered(self, decoded: Iterator[av.VideoFrame], first: int) -> Iterator[Frame]:
        position = first - 1
        for position, frame in enumerate(decoded, first):
            yield Frame(Place(position, frame.pts), self._seconds(frame, position), frame)
        if position < 0 and not self.stopped:
            raise UnusableClipError("no_frame", self.broken or self._nothing_decoded())

    def _nothing_decoded(self) -> str:
        if not self.damaged:
            return "there is no frame in it"
        return f"none of its frames can be decoded ({self._stream.codec_context.name}); save it anew"

    def _seconds(self, frame: av.VideoFrame, position: int) -> float:
        stream = self._stream
        if frame.pts is None or frame.time_base is None:
            return position / float(stream.average_rate or stream.guessed_rate or _USUAL_RATE)
        start = (stream.start_time or 0) * stream.time_base if stream.time_base else 0
        return max(0.0, float(frame.pts * frame.time_base - start))

    def _decoded(self) -> Iterator[av.VideoFrame]:
        decoded = 0
        for packet in self._packets():
            try:
                frames = packet.decode()
            except av.error.MemoryError:
                raise
            except FFmpegError:
                self.damaged += 1
                if not decoded and self.damaged >= _MAX_DAMAGED:
                    return
                continue
            decoded += len(frames)
            yield from frames

    def _packets(self) -> Iterator[av.Packet[Any]]:
        packets = self._container.demux(self._stream)
        while True:
            if self._stop():
                self.stopped = True
                return
            try:
                packet = next(packets, None)
            except av.error.MemoryError:
                raise
            except FFmpegError as error:
                self.broken = f"it cannot be read any further: {error.strerror or error}"
                return
            if packet is None:
                return
            yield packet


@contextmanager
def opened(source: Any, stop: Callable[[], bool] = lambda: False) -> Iterator[Clip]:
    """A clip, to be read.

    Args:
        source: its path, or a file that can be sought.
        stop: says when to read no further.

    Raises:
        UnusableClipError: it is no clip that can be read.
    """
    clip = Clip(source, stop)
    try:
        yield clip
    finally:
        clip.close()


def _open(source: Any) -> Any:
    if hasattr(source, "seek"):
        source.seek(0)
    try:
        return av.open(source, container_options=_OPTIONS)
    except av.error.MemoryError:
        raise
    except FFmpegError as error:
        raise UnusableClipError(
            "not_a_clip",
            f"it cannot be read as a clip ({error.strerror or error}): it is none, ends too early, or was"
            " never finished; save it anew, as an MP4 file for example",
        ) from error


def _stream(container: Any) -> Any:
    """The stream of pictures that is looked at, with its decoder: the first that is no cover picture.

    Raises:
        UnusableClipError: there is none, or it cannot be decoded.
    """
    streams = [stream for stream in container.streams.video if not _is_cover(stream)]
    if not streams:
        raise UnusableClipError("no_picture", _without_picture(container))
    stream = streams[0]
    codec = stream.codec_context
    if codec is None:
        raise UnusableClipError("unknown_codec", "its pictures are of a kind that FFmpeg does not know")
    if codec.width * codec.height > MAX_PIXELS:
        raise UnusableClipError(
            "too_large",
            f"its frames have {codec.width} x {codec.height} pixels; up to {MAX_PIXELS // 1_000_000} million"
            " are looked at: scale it down",
        )
    codec.options = {**codec.options, "max_pixels": str(MAX_PIXELS)}
    stream.thread_type = "AUTO"
    try:
        codec.open(strict=False)
    except FFmpegError as error:
        raise UnusableClipError(
            "unknown_codec", f"its pictures cannot be decoded ({codec.name}: {error.strerror or error})"
        ) from error
    return stream


def _is_cover(stream: Any) -> bool:
    """Whether it is a picture that belongs to a piece of music."""
    return bool(stream.disposition & (Disposition.attached_pic | Disposition.timed_thumbnails))


def _without_picture(container: Any) -> str:
    if not len(container.streams):
        return "there is nothing in it: it ends too early, or was never finished; save it anew"
    if container.streams.audio:
        return "there is no picture in it, but sound alone"
    return "there is no stream of pictures in it: save it anew, as an MP4 file for example"


def _check_size(width: int, height: int) -> None:
    """Raise UnusableClipError for a frame that Custom Labels does not take, whole or in tiles."""
    if min(width, height) < MIN_SIDE:
        raise UnusableClipError(
            "too_small",
            f"its frames have {width} x {height} pixels; Custom Labels takes {MIN_SIDE} each way or more",
        )
    if max(width, height) > MAX_ASPECT_RATIO * min(width, height):
        raise UnusableClipError(
            "too_elongated",
            f"its frames have {width} x {height} pixels; Custom Labels takes up to {MAX_ASPECT_RATIO}:1: crop"
            " it",
        )


@dataclass
class Choice:
    """Which frames of a clip a model is asked about: at a rate, and of those in a row that look alike one."""

    rate: float
    """Frames that are looked at in each second, at most."""
    due: float = 0.0
    """When the next one is to be looked at, in seconds of the clip."""
    look: bytes = b""
    """The one that was asked about last, as `_look` has it; empty before the first."""
    before: float = 0.0
    """The time of the frame that was shown last."""

    def looks_at(self, seconds: float) -> bool:
        """Whether a frame of this time is looked at; frames have to be shown in their order."""
        step = 1 / self.rate
        if seconds < self.before - step:
            # Clips that were put together begin their time anew.
            self.due = seconds
        self.before = seconds
        if seconds + _SLACK < self.due:
            return False
        self.due = max(self.due, seconds - step) + step
        return True

    def asks_about(self, picture: Image.Image) -> bool:
        """Whether a frame looks different from the one that was asked about last, in any part of it."""
        look = _look(picture)
        changes = (abs(one - other) for one, other in zip(look, self.look, strict=False))
        is_new = len(look) != len(self.look) or max(changes) > MAX_CHANGE
        if is_new:
            self.look = look
        return is_new


def _look(picture: Image.Image) -> bytes:
    """A frame in LOOK_SIDE x LOOK_SIDE cells of their mean colours.

    A perceptual hash of 64 bits tells scenes apart, and not whether something small has come into one.
    """
    return picture.convert("RGB").resize((LOOK_SIDE, LOOK_SIDE), Resampling.BOX).tobytes()
