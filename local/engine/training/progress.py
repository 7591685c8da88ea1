"""How far a training is: what its process leaves in progress.json, and what users read of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

FILE = "progress.json"


@dataclass(frozen=True)
class State:
    """How far a training is, `seconds` after its beginning; no two states of one training are the same."""

    phase: Literal["learning", "testing", "checking"]
    fraction: float
    """How much of the whole training is done, 0 to 1."""
    seconds: float
    step: int
    f1: float | None
    """The F1 of the validation images, once they were evaluated."""
    second_stage: bool = False
    """Whether the step is one of a second stage."""

    def message(self) -> str:
        """The state as the version's StatusMessage."""
        done = f"{100 * self.fraction:.0f} %"
        if self.phase == "learning":
            stage = " of its second stage" if self.second_stage else ""
            text = f"The model is being trained: {done}, step {self.step}{stage}"
        elif self.phase == "testing":
            text = f"The model is being tested: {done}"
        else:
            text = f"The labels are being checked: {done}"
        return f"{text}." if self.f1 is None else f"{text}, F1 of validation images {self.f1:.2f}."


def write(directory: Path, state: State) -> None:
    write_whole(directory / FILE, json.dumps(vars(state)))


def read(directory: Path) -> State | None:
    """The last state that the training in a version's directory has reported; None before there is one."""
    try:
        return State(**json.loads((directory / FILE).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def write_whole(path: Path, text: str) -> None:
    """Write so that a reader finds the old text or the new, and never a part."""
    part = path.with_suffix(".part")
    part.write_text(text)
    part.replace(path)
