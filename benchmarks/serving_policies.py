"""What the champion costs by serving policy, on three traces of traffic, beside the cheapest schedule.

Everything is on a grid of minutes, which is how often the step serve decides. AWS says that a stop and a
start together take 10 to 20 minutes:
https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/running-model.html . Here a stop takes 3, and a
start 8 to 17: that depends on the model, and varies by up to 4 from day to day. A unit is billed while the
model runs and, to be on the safe side, while it stops; not while it starts.

- `demand`, `hours`: `decide` of lambdas/domain/serve/policy.py, with the record that it is given on AWS.
- clairvoyant: the cheapest schedule that answers every image within the limit, found by an exact dynamic
  programme that knows all images, and what each start will take. It runs for a minute after the last answer,
  as the step serve does: a detection that was begun before may take as long as SDKs wait for its answer, 60
  seconds, and an image whose detection is cut off waits for the next start, beyond the limit.
  https://botocore.amazonaws.com/v1/documentation/api/latest/reference/config.html
- oracle: the same without that minute. It knows when each detection ends, which nobody who stops a model can:
  Rekognition does not say what is under way, and SQS counts messages only to a minute:
  https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueAttributes.html
- always on: what the sample of continuous improvement with Amazon A2I does, which starts a model once it is
  trained and leaves it running:
  https://aws.amazon.com/blogs/machine-learning/part1-automate-continuous-model-improvement-with-amazon-rekognition-custom-labels-and-amazon-a2i/
- batch sample: looks at its queue every hour, starts the model if anything is in it, looks every 15 minutes
  whether it runs, keeps it for 59 minutes and looks again:
  https://github.com/aws-samples/amazon-rekognition-custom-labels-batch-processing
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from unittest import mock

from lambdas.domain.detect.backlog import Backlog
from lambdas.domain.engines.port import Version
from lambdas.domain.serve import changes, policy
from lambdas.domain.serve.policy import Facts
from lambdas.domain.shared import clock, pricing
from lambdas.domain.shared.records import Serving
from lambdas.domain.shared.tuning import Tuning

DAY = 24 * 60
DAYS = 7
BEGAN = datetime(2026, 6, 1, tzinfo=UTC)
"""A Monday."""
QUICKEST_STARTS, START_SPREAD, STOP = range(8, 14), 4, 3
"""Minutes: what a start takes depends on the model, and varies from day to day; what a stop takes."""
IMAGES_PER_MINUTE = 120
"""That one unit answers."""
LIMIT = 60
"""Minutes that an image waits at most."""


@dataclass(frozen=True)
class Trace:
    """Images by the minute in which they come, and what starts and stops take in each minute."""

    name: str
    images: tuple[int, ...]
    starts: tuple[int, ...]
    arrived: tuple[int, ...] = field(init=False)
    """How many have come until the end of a minute."""
    minutes: tuple[int, ...] = field(init=False)
    """The minute in which each image comes."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "arrived", tuple(accumulate(self.images)))
        coming = [minute for minute, count in enumerate(self.images) for _ in range(count)]
        object.__setattr__(self, "minutes", tuple(coming))

    def last_minute(self, answered: int, limit: int) -> int:
        """The minute in which the next image has to be answered at the latest."""
        return self.minutes[answered] + limit if answered < len(self.minutes) else len(self.images)


def make_trace(name: str, images: Sequence[int], seed: int) -> Trace:
    """The trace, with time after its last image for that to be answered."""
    draw = random.Random(seed)  # noqa: S311 nothing secret
    length = len(images) + 16 * LIMIT
    padded = (*images, *(0 for _ in range(16 * LIMIT)))
    quickest = draw.choice(QUICKEST_STARTS)
    starts = [quickest + draw.randrange(START_SPREAD + 1) for _ in range(length // DAY + 1)]
    return Trace(name, padded, tuple(starts[minute // DAY] for minute in range(length)))


def poisson(draw: random.Random, mean: float) -> int:
    """How many images come in a minute in which so many come on average."""
    count, passed = 0, draw.expovariate(mean) if mean else 2.0
    while passed < 1:
        count += 1
        passed += draw.expovariate(mean)
    return count


def steady(seed: int) -> Trace:
    """An image every three minutes, day and night."""
    draw = random.Random(seed)  # noqa: S311 nothing secret
    return make_trace("steady", [poisson(draw, 1 / 3) for _ in range(DAYS * DAY)], seed)


def office_hours(seed: int) -> Trace:
    """An image a minute from Monday to Friday, 8 to 18 o'clock."""
    draw = random.Random(seed)  # noqa: S311 nothing secret

    def mean(minute: int) -> float:
        day, hour = minute // DAY % 7, minute % DAY / 60
        return 1.0 if day < 5 and 8 <= hour < 18 else 0.0

    return make_trace("office hours", [poisson(draw, mean(minute)) for minute in range(DAYS * DAY)], seed)


def bursts(seed: int) -> Trace:
    """One to six hours of many images, and one to four days without any."""
    draw = random.Random(seed)  # noqa: S311 nothing secret
    images = [0] * (DAYS * DAY)
    minute = draw.randrange(DAY)
    while minute < len(images):
        length, mean = draw.randrange(60, 6 * 60), draw.uniform(5, 40)
        for at in range(minute, min(minute + length, len(images))):
            images[at] = poisson(draw, mean)
        minute += length + draw.randrange(DAY, 4 * DAY)
    return make_trace("bursts", images, seed)


TRACES: dict[str, Callable[[int], Trace]] = {"steady": steady, "office hours": office_hours, "bursts": bursts}


# The cheapest schedule


def clairvoyant(trace: Trace, limit: int = LIMIT, *, drain: int = 1) -> int:
    """Unit minutes of the cheapest schedule that answers every image within the limit.

    By minutes: for each number of images that may be answered by then, what that costs at least with the
    model stopped, and with it running. A state that has answered no more than another and costs no less is
    left out.

    Args:
        drain: minutes that the model runs after the last answer before it may be stopped.
    """
    length = len(trace.images)
    stopped: list[dict[int, int]] = [{} for _ in range(length + 64)]
    running: list[dict[int, int]] = [{} for _ in range(length + 64)]
    stopped[0][0] = 0
    cheapest = -1
    for minute in range(length):
        for answered, cost in _undominated(stopped[minute]):
            if trace.last_minute(answered, limit) < minute:
                continue
            if answered == len(trace.minutes):
                cheapest = cost if cheapest < 0 else min(cheapest, cost)
                continue
            _keep(stopped[minute + 1], answered, cost)
            _keep(running[minute + trace.starts[minute]], answered, cost)
        for answered, cost in _undominated(running[minute]):
            if trace.last_minute(answered, limit) < minute:
                continue
            after = min(trace.arrived[minute], answered + IMAGES_PER_MINUTE)
            _keep(running[minute + 1], after, cost + 1)
            ends = minute + 1 + drain
            _keep(stopped[ends + STOP], after, cost + 1 + drain + STOP)
    return cheapest


def _keep(states: dict[int, int], answered: int, cost: int) -> None:
    if cost < states.get(answered, cost + 1):
        states[answered] = cost


def _undominated(states: dict[int, int]) -> list[tuple[int, int]]:
    kept: list[tuple[int, int]] = []
    for answered, cost in sorted(states.items(), reverse=True):
        if not kept or cost < kept[-1][1]:
            kept.append((answered, cost))
    return kept


# What the policies do


@dataclass(frozen=True)
class Outcome:
    """What a policy has cost, in minutes of a unit, and how long an image has waited at most, in minutes."""

    unit_minutes: int
    starts: int
    longest_wait: int

    def usd(self) -> float:
        return pricing.prices("us-east-1", Tuning()).inference_usd(self.unit_minutes * 60, 1)


@dataclass
class Simulation:
    """A champion, the images that wait for it, and Rekognition, minute by minute."""

    trace: Trace
    status: str = "STOPPED"
    ready_at: int = 0
    answered: int = 0
    unit_minutes: int = 0
    starts: int = 0
    longest_wait: int = 0

    def start(self, minute: int) -> None:
        self.status, self.ready_at = "STARTING", minute + self.trace.starts[minute]
        self.starts += 1

    def stop(self, minute: int) -> None:
        self.status, self.ready_at = "STOPPING", minute + STOP

    def begin(self, minute: int) -> None:
        """What Rekognition has brought to its end by this minute."""
        if self.status in ("STARTING", "STOPPING") and minute >= self.ready_at:
            self.status = "RUNNING" if self.status == "STARTING" else "STOPPED"

    def end(self, minute: int, *, is_asked: bool) -> None:
        """The minute passes: images are answered, if the champion runs and is asked."""
        self.unit_minutes += self.status in ("RUNNING", "STOPPING")
        if self.status == "RUNNING" and is_asked and self.answered < self.trace.arrived[minute]:
            self.longest_wait = max(self.longest_wait, minute - self.trace.minutes[self.answered])
            self.answered = min(self.trace.arrived[minute], self.answered + IMAGES_PER_MINUTE)

    def waiting(self, minute: int) -> int:
        """Images that have come before this minute, and are not answered."""
        return (self.trace.arrived[minute - 1] if minute else 0) - self.answered

    def outcome(self) -> Outcome:
        assert self.answered == len(self.trace.minutes), "every image is answered"
        return Outcome(self.unit_minutes, self.starts, self.longest_wait)


def at(minute: int) -> str:
    return clock.to_iso(BEGAN + timedelta(minutes=minute))


def by_policy(trace: Trace, tuning: Tuning) -> Outcome:
    """What the policy of the settings does, decided as on AWS."""
    simulation, serving = Simulation(trace), Serving(state="asleep", since=at(0))
    for minute in range(len(trace.images)):
        simulation.begin(minute)
        with mock.patch.object(clock, "now", return_value=at(minute)):
            serving = _turn(simulation, serving, tuning, minute)
        simulation.end(minute, is_asked=serving.state == "awake")
    return simulation.outcome()


def _turn(simulation: Simulation, serving: Serving, tuning: Tuning, minute: int) -> Serving:
    """A turn of the step serve: the record after it."""
    waiting = simulation.waiting(minute)
    since = at(simulation.trace.minutes[simulation.answered]) if waiting else ""
    backlog = Backlog(waiting, 0, since)
    version = Version("arn", "v1", simulation.status, "", None, None, 0)
    serving = changes.seen(serving, version, simulation.answered, backlog, is_scheduled=True)
    facts = Facts("v1", simulation.status, serving=serving, backlog=backlog)
    decision = policy.decide(tuning, facts, at(minute))
    if decision.act == "start":
        simulation.start(minute)
        return changes.starting(serving, decision.reason, has_failed=False)
    if decision.act == "wake":
        return changes.awake(serving, decision.reason)
    if decision.act == "sleep":
        return changes.asleep(serving, decision.reason, is_scheduled=True)
    if decision.act == "stop":
        simulation.stop(minute)
    return serving


def batch_sample(trace: Trace) -> Outcome:
    """An hourly look at the queue; then the model is kept for 59 minutes, and again while anything waits."""
    simulation, looks_at, is_kept = Simulation(trace), 0, False
    for minute in range(len(trace.images)):
        simulation.begin(minute)
        waits = simulation.waiting(minute) > 0
        if simulation.status == "STOPPED" and waits and minute % 60 == 0:
            simulation.start(minute)
            looks_at, is_kept = minute + 15, False
        elif simulation.status == "STARTING" and minute == looks_at:
            looks_at = minute + 15
        elif simulation.status == "RUNNING" and minute == looks_at and is_kept and not waits:
            simulation.stop(minute)
        elif simulation.status == "RUNNING" and minute == looks_at:
            looks_at, is_kept = minute + 59, True
        simulation.end(minute, is_asked=is_kept)
    return simulation.outcome()


def always_on(trace: Trace) -> Outcome:
    """The model runs from the beginning to the end."""
    simulation = Simulation(trace, status="RUNNING")
    for minute in range(len(trace.images)):
        simulation.end(minute, is_asked=True)
    return simulation.outcome()


def measure(seed: int = 1) -> None:
    """Each policy on each trace, and how far from the cheapest schedule."""
    demand = Tuning(serving_policy="demand", serving_wait_seconds=LIMIT * 60)
    hours = Tuning(serving_policy="hours", serving_hours="Mon-Fri 08:00-18:00")
    print(f"{DAYS} days, one unit, images wait {LIMIT} minutes at most; USD, and times the cheapest schedule")
    for name, make in TRACES.items():
        trace = make(seed)
        least, oracle = clairvoyant(trace), clairvoyant(trace, drain=0)
        share = f"{least / len(trace.images):.1%} of the time"
        print(f"  {name}: {len(trace.minutes):,} images; the cheapest schedule runs {share}")
        rows = {"always, A2I sample": always_on(trace), "batch sample": batch_sample(trace)}
        if name == "office hours":
            rows["hours"] = by_policy(trace, hours)
        rows |= {"demand": by_policy(trace, demand), "cheapest schedule": Outcome(least, 0, LIMIT)}
        rows["oracle"] = Outcome(oracle, 0, LIMIT)
        for policy_name, outcome in rows.items():
            times = f"{outcome.unit_minutes / least:7.2f}, of the oracle {outcome.unit_minutes / oracle:7.2f}"
            cost = f"{outcome.usd():9.2f} USD {times}"
            print(f"    {policy_name:20}{cost}, waits of {outcome.longest_wait} minutes at most")
