"""Clips: the champion's answers about the frames of a video on this machine."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from lambdas.domain.video import answers, frames
from lambdas.domain.video.annotated import Writer
from lambdas.domain.video.frames import Choice

if TYPE_CHECKING:
    from lambdas.domain.video.frames import Clip

Ask = Callable[[Image.Image], tuple[str, list[dict[str, Any]]]]
"""Asks the champion about a picture: its version name and its labels."""


@dataclass(frozen=True)
class ClipAnswer:
    """What became of a clip."""

    frames: int
    """Looked at, at the rate that was chosen."""
    asked: int
    """Of these, those that the champion was asked about: the others look like the one before them."""
    lines: Path
    drawn: Path
    broken: str = ""
    """Why it was not looked at to its end; empty if it was."""


def detect(path: Path, ask: Ask, target: Path, *, rate: float = 1.0) -> ClipAnswer:
    """Ask the champion about a clip's frames, and write its answers and the clip with the boxes drawn in.

    Of frames in a row that look alike it is asked about the first alone. Answers are JSON Lines,
    `<clip>.jsonl`: one for each frame that was asked about, as it is known. The drawn clip,
    `<clip>.annotated.mp4`, has the frames that were looked at, with the boxes of the last answer. No clip is
    called so, whatever lies in that folder.

    Args:
        target: a clip's path in the folder that both go into, which other clips do not have.
        rate: frames to look at in each second of the clip.

    Raises:
        UnusableClipError: it is no clip that can be read.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    lines, drawn = (target.with_name(f"{target.name}{ending}") for ending in (".jsonl", ".annotated.mp4"))
    looked_at, asked, labels, choice = 0, 0, list[dict[str, Any]](), Choice(rate)
    with frames.opened(str(path)) as clip, ExitStack() as stack:
        written = stack.enter_context(lines.open("w", encoding="utf-8"))
        writer = stack.enter_context(Writer(drawn, rate))
        for frame in clip.frames():
            if not choice.looks_at(frame.seconds):
                continue
            picture = frame.picture()
            looked_at += 1
            if choice.asks_about(picture):
                version, labels = ask(picture)
                asked += 1
                written.write(answers.line(str(path), frame, picture.size, version, labels))
                written.flush()
            writer.write(picture, labels)
    return ClipAnswer(looked_at, asked, lines, drawn, _left_out(clip))


def _left_out(clip: Clip) -> str:
    if clip.broken:
        return f"it ends too early: {clip.broken}"
    return f"{clip.damaged} parts of it could not be decoded" if clip.damaged else ""
