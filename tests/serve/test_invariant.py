"""Whatever happens, in whatever order: nothing runs for nobody, and nothing is stopped that is used."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from unittest import mock

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lambdas.domain.detect.backlog import Backlog
from lambdas.domain.engines.port import STARTABLE, Version
from lambdas.domain.serve import changes, policy
from lambdas.domain.serve.policy import Facts
from lambdas.domain.shared import clock
from lambdas.domain.shared.records import Serving
from lambdas.domain.shared.tuning import Tuning

START_MINUTES, STOP_MINUTES = 12, 2
DETECTION_SECONDS = 59
"""Less than the drain."""
SETTLES_MINUTES = 90
"""In which all comes to rest once nothing happens any more: retries, a start, idle time and a stop."""


class KilledError(RuntimeError):
    """The function was killed between its record and its call."""


@dataclass
class World:
    """A champion with its record, Rekognition, and clocks that may be wrong."""

    tuning: Tuning
    serving: Serving = field(default_factory=Serving)
    status: str = "RUNNING"
    passed: float = 0.0
    """Real seconds."""
    skew: float = 0.0
    """By which the functions' clocks are wrong."""
    ready_at: float = 0.0
    detecting_until: float = 0.0
    waiting_since: float | None = None
    is_promoting: bool = False
    answered: int = 0
    scheduled_at: float = 60
    is_scheduled: bool = False
    kill_next: bool = False
    fail_next: bool = False

    @property
    def now(self) -> str:
        moment = datetime(2026, 6, 1, 9, tzinfo=UTC) + timedelta(seconds=self.passed + self.skew)
        return clock.to_iso(moment)

    def turn(self, seconds: float = 60) -> None:
        """So much time passes, and the step serve has its turn: the schedule's, or somebody asks for it."""
        self.passed += seconds
        self.is_scheduled = self.passed >= self.scheduled_at
        if self.is_scheduled:
            self.scheduled_at = self.passed + 60
        if self.status == "STARTING" and self.passed >= self.ready_at:
            self.status, self.fail_next = ("FAILED" if self.fail_next else "RUNNING"), False
        elif self.status == "STOPPING" and self.passed >= self.ready_at:
            self.status = "STOPPED"
        with mock.patch.object(clock, "now", return_value=self.now), suppress(KilledError):
            self._serve()
        if self.status == "RUNNING" and self.serving.state == "awake" and self.waiting_since is not None:
            self._detect()

    def image(self) -> None:
        """An image comes under detect/: it is asked about, or waits."""
        if self.status == "RUNNING" and self.serving.state == "awake":
            self._detect()
        elif self.waiting_since is None:
            self.waiting_since = self.passed

    def _detect(self) -> None:
        self.detecting_until, self.waiting_since = self.passed + DETECTION_SECONDS, None
        self.answered += 1

    def ask(self, request: str) -> None:
        """A person says what is wanted."""
        with mock.patch.object(clock, "now", return_value=self.now):
            is_running = self.status == "RUNNING"
            self.serving = changes.asked(self.serving, request, "ann", "", is_running=is_running)
        self.turn(0)

    def facts(self) -> Facts:
        since = ""
        if self.waiting_since is not None:
            began = datetime(2026, 6, 1, 9, tzinfo=UTC) + timedelta(seconds=self.waiting_since)
            since = clock.to_iso(began)
        queued = 1 if self.passed < self.detecting_until else 0
        backlog = Backlog(0 if self.waiting_since is None else 1, queued, since)
        version = Version("arn", "v1", self.status, "", None, None, 0)
        self.serving = changes.seen(
            self.serving, version, self.answered, backlog, is_scheduled=self.is_scheduled
        )
        return Facts("v1", self.status, serving=self.serving, backlog=backlog, is_promoting=self.is_promoting)

    def _serve(self) -> None:
        decision = policy.decide(self.tuning, self.facts(), clock.now())
        if decision.act == "wake":
            self.serving = changes.awake(self.serving, decision.reason)
        elif decision.act == "sleep":
            self.serving = changes.asleep(self.serving, decision.reason, is_scheduled=self.is_scheduled)
        elif decision.act == "start":
            has_failed = self.status == "FAILED"
            self.serving = changes.starting(self.serving, decision.reason, has_failed=has_failed)
            self._may_be_killed()
            assert self.status in STARTABLE, "only what does not run can be started"
            self.status, self.ready_at = "STARTING", self.passed + START_MINUTES * 60
        elif decision.act == "stop":
            self._may_be_killed()
            assert self.status == "RUNNING", "what is STARTING cannot be stopped"
            assert not self.is_promoting, "a promotion needs the champion"
            assert self.passed >= self.detecting_until, "a detection under way is cut off"
            self.status, self.ready_at = "STOPPING", self.passed + STOP_MINUTES * 60

    def _may_be_killed(self) -> None:
        if self.kill_next:
            self.kill_next = False
            raise KilledError


EVENTS = st.one_of(
    st.tuples(st.just("minutes"), st.integers(1, 25)),
    st.tuples(st.sampled_from(["image", "start", "stop", "promote", "kill", "fail", "crash"]), st.just(0)),
    st.tuples(st.just("turn"), st.integers(0, 59)),
    st.tuples(st.just("clock"), st.sampled_from([-86_400, -3600, -61, 61, 3600, 86_400])),
)
POLICIES = st.sampled_from(["always", "hours", "idle", "demand", "never"])


def happen(world: World, event: str, number: int) -> None:
    if event == "minutes":
        for _ in range(number):
            world.turn()
    elif event == "turn":
        world.turn(number)
    elif event == "image":
        world.image()
    elif event in ("start", "stop"):
        world.ask(event)
    elif event == "promote":
        world.is_promoting = not world.is_promoting
    elif event == "kill":
        world.kill_next = True
    elif event == "fail":
        world.fail_next = True
    elif event == "crash" and world.status == "RUNNING" and world.passed >= world.detecting_until:
        world.status = "FAILED"
    elif event == "clock":
        world.skew += number


@pytest.mark.long
@settings(max_examples=50, deadline=None)
@example("always", [("image", 0), ("stop", 0), ("turn", 5)])
@example("idle", [("clock", -3600), ("image", 0), ("stop", 0), ("clock", 86_400), ("turn", 5)])
@example("demand", [("minutes", 3), ("image", 0), ("minutes", 25), ("kill", 0), ("minutes", 25)])
@given(policy_name=POLICIES, events=st.lists(EVENTS, max_size=12))
def test_nothing_runs_for_nobody_and_nothing_is_stopped_in_use(
    policy_name: str, events: list[tuple[str, int]]
) -> None:
    world = World(Tuning(serving_policy=policy_name, serving_idle_seconds=900))
    for event, number in events:
        happen(world, event, number)
    world.is_promoting = world.kill_next = world.fail_next = False
    for _ in range(SETTLES_MINUTES):
        world.turn()
    with mock.patch.object(clock, "now", return_value=world.now):
        decision = policy.decide(world.tuning, world.facts(), clock.now())
    if world.serving.asked == "stop" or policy_name in ("idle", "never"):
        assert world.status in ("STOPPED", "FAILED"), decision
    elif policy_name == "always":
        assert world.status == "RUNNING", decision
    elif policy_name == "demand":
        assert world.status != "RUNNING" or decision.wanted or world.serving.state == "asleep", decision
    else:
        assert decision.wanted == (world.status in ("RUNNING", "STARTING")), decision


@pytest.mark.long
@settings(max_examples=50, deadline=None)
@given(events=st.lists(EVENTS, max_size=10))
def test_what_a_person_has_put_to_sleep_is_never_started(events: list[tuple[str, int]]) -> None:
    world = World(Tuning(serving_policy="always"))
    world.ask("stop")
    for event, number in events:
        if event != "start":
            happen(world, event, number)
    for _ in range(SETTLES_MINUTES):
        world.is_promoting = False
        before = world.status
        world.turn()
        assert not (before in STARTABLE and world.status == "STARTING")
    assert world.status in ("STOPPED", "FAILED")
    assert replace(world.serving, asked="stop") == world.serving
