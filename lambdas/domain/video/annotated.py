"""Annotated clips: the frames that were looked at, with what a model saw drawn in, as an MP4 file."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from PIL import Image

from lambdas.domain.images import drawing

_ENCODER = {"preset": "veryfast", "tune": "zerolatency"}
"""Of H.264. No frame leans on later ones, so that files can be put together as they are, and none is kept
back, so that it is known how large a file becomes. https://trac.ffmpeg.org/wiki/Encode/H.264"""


class Writer:
    """Writes pictures into an MP4 file, as many a second as `rate` says.

    Args:
        max_side: pixels, to which larger pictures are scaled down; None: they are not.
        size: of the pictures in the file; None: that of the first one.
    """

    def __init__(
        self,
        path: Path,
        rate: float,
        *,
        max_side: int | None = None,
        size: tuple[int, int] | None = None,
    ) -> None:
        self._container = av.open(str(path), "w")
        self._rate, self._max_side = rate, max_side
        self.size = size
        """Of its pictures; None while there is none."""
        self.bytes = 0
        """Of the pictures that were encoded."""
        self._stream: Any = None

    def __enter__(self) -> Writer:
        return self

    def write(self, image: Image.Image, labels: Sequence[dict[str, Any]]) -> None:
        """Add a picture with the labels that a model has given it."""
        drawn = drawing.annotate(self._scaled(image), labels)
        if self._stream is None:
            # H.264 with halved colours takes even sides alone.
            self.size = self.size or (drawn.width // 2 * 2, drawn.height // 2 * 2)
            rate = Fraction(self._rate).limit_denominator(1000)
            self._stream = self._container.add_stream("libx264", rate=rate, options=_ENCODER)
            self._stream.width, self._stream.height = self.size
            self._stream.pix_fmt = "yuv420p"
        frame = av.VideoFrame.from_image(drawn.crop((0, 0, self._stream.width, self._stream.height)))
        self._mux(self._stream.encode(frame))

    def _mux(self, packets: Sequence[Any]) -> None:
        self.bytes += sum(packet.size for packet in packets)
        self._container.mux(packets)

    def _scaled(self, image: Image.Image) -> Image.Image:
        scale = (self._max_side or max(image.size)) / max(image.size)
        if scale >= 1:
            return image
        return image.resize((round(image.width * scale), round(image.height * scale)))

    def __exit__(self, *error: object) -> None:
        if self._stream is not None:
            self._mux(self._stream.encode())
        self._container.close()


def join(parts: Sequence[tuple[Path, int]], target: Path) -> None:
    """Put clips of a Writer together, without decoding them.

    Args:
        parts: files of pictures of one size and rate, and how many of each are taken.
    """
    with av.open(str(target), "w") as output:
        stream: Any = None
        shift = 0
        for path, count in parts:
            with av.open(str(path)) as source:
                own = source.streams.video[0]
                stream = stream or output.add_stream_from_template(own)
                last = shift
                for _, packet in zip(range(count), _packets(source, own), strict=False):
                    packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                    last = packet.pts + packet.duration
                    packet.stream = stream
                    output.mux(packet)
                shift = last


def _packets(source: Any, stream: Any) -> Any:
    # The last one is empty.
    return (packet for packet in source.demux(stream) if packet.dts is not None)
