"""Whether the champion is to run now, and what has to be done about it: a pure function of what is known.

The policies, all of which a person's stop overrides, which itself waits for the end of a batch:

- `always`: it runs.
- `hours`: it runs in the opening hours, and is started early enough to serve when they begin.
- `idle`: once started it runs until there was no detection for `serving_idle_seconds`.
- `demand`: images that wait wake it as late as `serving_wait_seconds` allow, so that one start serves many
  of them; once those are answered it sleeps. To stay awake for the next ones would cost more than a start.
- `never`: the loop does not start it.

Where somebody asks for it, by a start or at the console, it runs until it was idle, whatever the policy.
"""

from __future__ import annotations

import math
from dataclasses import field
from datetime import timedelta
from typing import Literal

from lambdas.domain.detect.backlog import Backlog
from lambdas.domain.engines.port import STARTABLE
from lambdas.domain.shared import clock, opening_hours
from lambdas.domain.shared.frozen import frozen
from lambdas.domain.shared.records import Serving
from lambdas.domain.shared.tuning import Tuning

Act = Literal["none", "start", "wake", "sleep", "stop"]
"""`wake` and `sleep` change the record alone; `start` and `stop` ask Rekognition as well."""
START_SECONDS = 20 * 60
"""What a start takes, until some were measured: a restart takes 10 to 20 minutes.
https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/running-model.html"""
TURN_SECONDS = 60
"""Between two decisions."""
DRAIN_TURNS = 2
"""Of the schedule, from the one that puts it to sleep to the one that may stop it: at least a minute, also
where a clock is set forward in between. Nobody says which detections are under way."""
IMAGES_PER_SECOND = 1.0
"""What an inference unit answers, until it was measured: AWS says that it depends on model and images."""


@frozen
class Facts:
    """What is known when it is decided about the champion."""

    champion: str = ""
    """Its name; empty if there is none."""
    status: str = ""
    """Rekognition's, empty if Rekognition does not have it."""
    serving: Serving = field(default_factory=Serving)
    backlog: Backlog = field(default_factory=lambda: Backlog(0, 0))
    is_over_budget: bool = False
    """The month's budget is used up, and is to stop the champion."""
    is_promoting: bool = False
    """A promotion is under way; it needs the champion as it is."""
    is_always_on: bool = False
    """It costs nothing while nobody asks it, so that nothing is gained by putting it to sleep."""
    batch: str = ""
    """Name of a batch that asks it; it goes on until that ends, whatever the policy, or a person, says."""
    batch_units: int = 0
    """Inference units that the batch wants it to be started with."""


@frozen
class Decision:
    """What is to be done, whether the champion is to run, and why."""

    act: Act
    wanted: bool
    reason: str
    """A sentence without a full stop."""
    is_down: bool = False
    """The champion was to run, was not stopped by the loop, and does not run."""
    units: int = 1
    """Inference units that it is to be started with, at least."""


def decide(tuning: Tuning | None, facts: Facts, now: str) -> Decision:
    """What to do about the champion.

    Args:
        tuning: the settings; None if they cannot be read: then it stays as it is, unless a person stops it.
    """
    if not facts.champion:
        return Decision("none", False, "no version has been promoted yet")
    wanted, reason = _wanted(tuning, facts, now)
    if facts.is_promoting:
        return Decision("none", wanted, f"{reason}; a promotion is under way, after which that is seen to")
    if not wanted:
        return _down(tuning, facts, reason, now)
    return _up(tuning or Tuning(), facts, reason, now, units_wanted(tuning, facts, now) if tuning else 1)


def _wanted(tuning: Tuning | None, facts: Facts, now: str) -> tuple[bool, str]:
    """Whether the champion is to run, and why."""
    if facts.batch and not facts.is_over_budget:
        return True, f"the batch {facts.batch} asks it"
    if facts.is_always_on and facts.serving.asked != "stop":
        return True, "it costs nothing while nobody asks it"
    return _wanted_besides(tuning, facts, now)


def _wanted_besides(tuning: Tuning | None, facts: Facts, now: str) -> tuple[bool, str]:
    """The same where no batch asks it."""
    serving = facts.serving
    if serving.asked == "stop":
        why = f": {serving.asked_why}" if serving.asked_why else ""
        return False, f"put to sleep by {serving.asked_by}{why}"
    if facts.is_over_budget:
        until = "until monthly_budget_usd is raised, or the next month (UTC) begins"
        return False, f"the month's budget is used up (budget_stops_champion), {until}"
    if tuning is None:
        return serving.state == "awake", "the settings cannot be read, so it stays as it is"
    if tuning.serving_policy == "always":
        return True, "serving_policy is always"
    if serving.is_awaited or _within(serving.awaited_at, now, tuning.serving_idle_seconds):
        return True, f"asked for by {serving.awaited_by}, until it is idle for {_idle(tuning)}"
    by_policy = {"hours": _in_hours, "idle": _in_use, "demand": _in_demand, "never": _unasked}
    return by_policy[tuning.serving_policy](tuning, facts, now)


def _unasked(tuning: Tuning, facts: Facts, now: str) -> tuple[bool, str]:
    return False, "serving_policy is never, and nobody has asked for it"


def _in_hours(tuning: Tuning, facts: Facts, now: str) -> tuple[bool, str]:
    hours = opening_hours.parse(tuning.serving_hours, tuning.serving_time_zone)
    early = start_seconds(facts.serving)
    if facts.serving.state == "awake":
        # One that took less time to start than the last ones did waits for the opening.
        early = max(early, START_SECONDS)
    is_open = hours.is_open(clock.parse(now), opens_early=timedelta(seconds=early))
    words = f"serving_hours are {tuning.serving_hours} {tuning.serving_time_zone}"
    return is_open, words if is_open else f"{words}; the next begin at {_next_opening(hours, now)}"


def _next_opening(hours: opening_hours.OpeningHours, now: str) -> str:
    """In the time zone of the hours."""
    return f"{hours.next_opening(clock.parse(now)).astimezone(hours.zone):%a %Y-%m-%d %H:%M}"


def _in_use(tuning: Tuning, facts: Facts, now: str) -> tuple[bool, str]:
    if _within(facts.serving.used_at, now, tuning.serving_idle_seconds):
        return True, f"not idle for {_idle(tuning)} yet (serving_policy is idle)"
    if facts.status == "RUNNING" and facts.backlog.images:
        return True, f"{facts.backlog.images} images are being answered"
    if facts.status == "RUNNING" and facts.backlog.clips:
        return True, _clips(facts.backlog)
    return False, f"idle for {_idle(tuning)} or more (serving_policy is idle)"


def _in_demand(tuning: Tuning, facts: Facts, now: str) -> tuple[bool, str]:
    """Once what waited is answered it sleeps, though more may come: to let that wait for the next start costs
    less than to run until then."""
    backlog = facts.backlog
    if facts.serving.state == "awake" and backlog.clips:
        return True, f"{_clips(backlog)} (serving_policy is demand)"
    return _in_demand_of_images(tuning, facts, now)


def _clips(backlog: Backlog) -> str:
    return "1 clip is being answered" if backlog.clips == 1 else f"{backlog.clips} clips are being answered"


def _in_demand_of_images(tuning: Tuning, facts: Facts, now: str) -> tuple[bool, str]:
    backlog = facts.backlog
    count = "1 image waits" if backlog.images == 1 else f"{backlog.images} images wait"
    if facts.serving.state == "awake":
        if backlog.waiting or backlog.queued > _answered_in_passing(facts.serving):
            return True, f"{count} (serving_policy is demand)"
        return False, "what waited is answered (serving_policy is demand)"
    if not backlog.waiting:
        return False, "no image waits (serving_policy is demand)"
    if 0 < tuning.serving_wait_images <= backlog.waiting:
        return True, f"{count} (serving_wait_images)"
    left = tuning.serving_wait_seconds - max(0.0, clock.seconds_between(backlog.since, now))
    # Two turns: at the next it is too late to start, and one may pass before it is seen to run.
    needed = 2 * TURN_SECONDS + _answering_seconds(backlog.images, _most_units(tuning), facts.serving)
    if facts.status != "RUNNING":
        needed += start_seconds(facts.serving)
    if left <= needed:
        return True, f"{count}, and the oldest is to be answered in {clock.duration(max(0, round(left)))}"
    return False, f"{count}, for {clock.duration(round(left))} more at most (serving_policy is demand)"


def _answered_in_passing(serving: Serving) -> float:
    """Images on their way to a model that runs, which are answered within half a turn: it keeps up."""
    return (serving.unit_rate or IMAGES_PER_SECOND) * TURN_SECONDS / 2


def _within(earlier: str, now: str, seconds: float) -> bool:
    """Whether so little time has passed since a moment; never since one that is empty."""
    return bool(earlier) and clock.seconds_between(earlier, now) < seconds


def _idle(tuning: Tuning) -> str:
    return clock.duration(tuning.serving_idle_seconds)


def start_seconds(serving: Serving) -> float:
    """What a start takes at most: a little more than the last ones took."""
    return max(serving.start_seconds) + TURN_SECONDS if serving.start_seconds else START_SECONDS


def _answering_seconds(images: int, units: int, serving: Serving) -> float:
    return images / (units * (serving.unit_rate or IMAGES_PER_SECOND))


def units_wanted(tuning: Tuning, facts: Facts, now: str) -> int:
    """Inference units to start with: as few as answer what waits in time.

    A unit costs the same however many there are, but each is paid for while the model starts no work yet and
    while it stops. Above this number Rekognition adds units by itself, up to `max_inference_units`, as the
    rate of detections asks for them:
    https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/running-model.html
    """
    backlog = facts.backlog
    waited = clock.seconds_between(backlog.since, now) if backlog.since else 0
    left = tuning.serving_wait_seconds - waited - start_seconds(facts.serving)
    needed = _answering_seconds(backlog.images, 1, facts.serving) / max(left, 5 * TURN_SECONDS)
    return max(
        facts.batch_units, min(_most_units(tuning), max(tuning.min_inference_units, math.ceil(needed)))
    )


def _most_units(tuning: Tuning) -> int:
    return max(tuning.min_inference_units, tuning.max_inference_units)


def _up(tuning: Tuning, facts: Facts, reason: str, now: str, units: int) -> Decision:
    """What leads to a champion that runs."""
    serving = facts.serving
    if facts.status in ("RUNNING", "STARTING"):
        hangs = _hangs(tuning, facts, now)
        act: Act = "none" if serving.state == "awake" else "wake"
        return Decision(act, True, f"{reason}{hangs}", is_down=bool(hangs))
    is_down = serving.state == "awake" and (not serving.start_asked_at or facts.status == "FAILED")
    if not facts.status:
        return Decision("none", True, "Rekognition has no such version", is_down=True)
    if facts.status not in STARTABLE:
        return Decision("none", True, f"{reason}; it is {facts.status}, and cannot be started yet", is_down)
    if serving.retry_at and clock.seconds_between(now, serving.retry_at) > 0:
        return Decision("none", True, f"{reason}; its last start has failed, the next is due later", is_down)
    return Decision("start", True, reason, is_down, units)


def _hangs(tuning: Tuning, facts: Facts, now: str) -> str:
    """What is to be said of a start that takes too long; nothing of any other."""
    if facts.status != "STARTING" or not facts.serving.start_asked_at:
        return ""
    took = clock.seconds_between(facts.serving.start_asked_at, now)
    if took <= tuning.start_timeout_seconds:
        return ""
    return f"; it is STARTING still after {clock.duration(took)} (start_timeout_seconds)"


def _down(tuning: Tuning | None, facts: Facts, reason: str, now: str) -> Decision:
    """What leads to a champion that does not run, and lets detections under way come to their end."""
    serving = facts.serving
    if serving.state == "awake":
        return Decision("sleep", False, reason)
    if facts.status == "STARTING":
        return Decision("none", False, f"{reason}; it is STARTING, and is stopped once it runs")
    if facts.status != "RUNNING" or facts.is_always_on:
        return Decision("none", False, reason)
    drain = (tuning or Tuning()).drain_seconds
    asleep = clock.seconds_between(serving.since, now)
    if asleep < 0:
        # A clock was wrong: what it says of the time since then is worth nothing.
        return Decision("sleep", False, reason)
    if asleep < drain or serving.turns_asleep < DRAIN_TURNS:
        return Decision("none", False, f"{reason}; detections under way come to their end")
    return Decision("stop", False, reason)
