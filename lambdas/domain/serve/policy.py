"""Whether the champion is to run now, and what has to be done about it: a pure function of what is known."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from lambdas.domain.shared import clock
from lambdas.domain.shared.records import Serving
from lambdas.domain.shared.tuning import Tuning

Act = Literal["none", "start", "wake", "sleep", "stop"]
"""`wake` and `sleep` change the record alone; `start` and `stop` ask Rekognition as well."""
_STOPPED = {"STOPPED", "TRAINING_COMPLETED", "FAILED"}
"""States in which a version can be started:
https://docs.aws.amazon.com/rekognition/latest/APIReference/API_ProjectVersionDescription.html"""


@dataclass(frozen=True)
class Facts:
    """What is known when it is decided about the champion."""

    champion: str = ""
    """Its name; empty if there is none."""
    status: str = ""
    """Rekognition's, empty if Rekognition does not have it."""
    message: str = ""
    serving: Serving = field(default_factory=Serving)
    is_promoting: bool = False
    """A promotion is under way; it needs the champion as it is."""


@dataclass(frozen=True)
class Decision:
    """What is to be done, whether the champion is to run, and why."""

    act: Act
    wanted: bool
    reason: str
    """A sentence without a full stop."""
    is_down: bool = False
    """The champion was to run, was not stopped by the loop, and does not run."""


def decide(tuning: Tuning | None, facts: Facts, now: str) -> Decision:
    """What to do about the champion.

    Args:
        tuning: the settings; None if they cannot be read: then it stays as it is, unless a person stops it.
    """
    if not facts.champion:
        return Decision("none", False, "no version has been promoted yet")
    wanted, reason = _wanted(tuning, facts)
    if facts.is_promoting:
        return Decision("none", wanted, f"{reason}; a promotion is under way, after which that is seen to")
    return _up(facts, reason, now) if wanted else _down(tuning, facts, reason, now)


def _wanted(tuning: Tuning | None, facts: Facts) -> tuple[bool, str]:
    """Whether the champion is to run, and why."""
    serving = facts.serving
    if serving.asked == "stop":
        return False, _asked_words("put to sleep", serving)
    if tuning is None:
        return serving.state == "awake", "the settings cannot be read, so it stays as it is"
    if tuning.serving_policy == "always":
        return True, "serving_policy is always"
    if serving.asked == "start":
        return True, _asked_words("started", serving)
    return False, "serving_policy is never, and nobody has started it"


def _asked_words(what: str, serving: Serving) -> str:
    why = f": {serving.asked_why}" if serving.asked_why else ""
    return f"{what} by {serving.asked_by}{why}"


def _up(facts: Facts, reason: str, now: str) -> Decision:
    """What leads to a champion that runs."""
    serving = facts.serving
    if facts.status in ("RUNNING", "STARTING"):
        return Decision("none" if serving.state == "awake" else "wake", True, reason)
    was_running = serving.state == "awake" and not serving.start_asked_at
    is_down = was_running or facts.status == "FAILED" or not facts.status
    if not facts.status:
        return Decision("none", True, "Rekognition has no such version", is_down)
    if facts.status not in _STOPPED:
        return Decision("none", True, f"{reason}; it is {facts.status}, and cannot be started yet", is_down)
    if serving.retry_at and clock.seconds_between(now, serving.retry_at) > 0:
        return Decision("none", True, f"{reason}; its last start has failed, the next is due later", is_down)
    return Decision("start", True, reason, is_down)


def _down(tuning: Tuning | None, facts: Facts, reason: str, now: str) -> Decision:
    """What leads to a champion that does not run, and lets detections under way come to their end."""
    serving = facts.serving
    if serving.state == "awake":
        return Decision("sleep", False, reason)
    if facts.status == "STARTING":
        return Decision("none", False, f"{reason}; it is STARTING, and is stopped once it runs")
    if facts.status != "RUNNING":
        return Decision("none", False, reason)
    drain = (tuning or Tuning()).drain_seconds
    asleep = clock.seconds_between(serving.since, now)
    if asleep < 0:
        # A clock was wrong: what it says of the time since then is worth nothing.
        return Decision("sleep", False, reason)
    if asleep < drain:
        return Decision("none", False, f"{reason}; detections under way come to their end")
    return Decision("stop", False, reason)
