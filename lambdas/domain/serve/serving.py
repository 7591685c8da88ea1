"""The champion brought to what is decided about it: all that starts or stops it outside a promotion."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from aws_lambda_powertools import Logger

from lambdas.domain.costs import budget
from lambdas.domain.detect import backlog
from lambdas.domain.engines.port import InferenceUnitsError, NotYetError, Version
from lambdas.domain.engines.versions import by_name
from lambdas.domain.promote import redrive
from lambdas.domain.retrain.notification import Notifier
from lambdas.domain.serve import changes, policy
from lambdas.domain.serve.policy import Decision, Facts
from lambdas.domain.shared import clock, pricing
from lambdas.domain.shared.frozen import frozen
from lambdas.domain.shared.records import Champion, Serving
from lambdas.domain.shared.state import FencedState, LoopState, is_promotion
from lambdas.domain.shared.tuning import Tuning

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

    from lambdas.domain.engines.port import Engine

logger = Logger(child=True)

DOWN, WAITING = "champion", "waiting"
"""Incidents: the champion should serve and does not; images wait, and nothing wakes it."""
_DOWN_NOW = (
    "LabelLoop goes on to start it; images under detect/ wait for it, and are answered once it serves."
    " `labelloop status` shows how it stands, and `labelloop rollback` goes back to an older version."
)
_WAITING_NOW = (
    "They are kept and answered once it runs: `labelloop start`, or *Start* in the console's model versions,"
    " starts it. With serving_policy=demand waiting images start it by themselves."
)


@frozen
class _Record:
    """The record of the champion's running, as it is changed by who has decided about it."""

    fenced: FencedState
    decided_on: Serving
    """What the record was then. Whoever asks for something meanwhile has changed it: nothing is done that
    was decided before, and the next turn decides anew."""

    def change(self, change: Callable[[Serving], Serving]) -> bool:
        """Change the record, unless somebody has asked for something meanwhile: whether nobody has."""
        after = self.fenced.change_serving(lambda before: change(before) if self._holds(before) else before)
        return self._holds(after)

    def is_as_decided(self) -> bool:
        """Whether nobody has asked for anything meanwhile."""
        return self._holds(self.fenced.serving())

    def _holds(self, serving: Serving) -> bool:
        return changes.is_asked_the_same(self.decided_on, serving)


@frozen
class Server:
    """Looks after a deployment's champion."""

    engine: Engine
    sqs: SQSClient
    loop_state: LoopState
    notifier: Notifier
    bucket: str
    detect_queue_url: str
    video_queue_url: str
    tuning: Callable[[], Tuning]
    """Reads the settings."""
    is_scheduled: bool
    """The schedule has called for it, and not somebody."""

    def look(self) -> list[Version]:
        """The deployment's model versions as their engines have them now."""
        champion = self.loop_state.champion()
        return list(by_name(self.engine, [champion.version_name] if champion else []).values())

    def serve(self, versions: list[Version]) -> Decision:
        """Decide about the champion and act on it: the decision.

        Raises:
            TuningError: the settings cannot be used; what does not need them was done.
        """
        tuning, unusable = self._settings()
        decision = self._serve(versions, tuning)
        if decision.act != "none":
            logger.info("champion", extra={"act": decision.act, "why": decision.reason})
        if unusable:
            raise unusable
        return decision

    def ask(self, request: str, by: str, why: str, versions: list[Version], *, at: str = "") -> None:
        """Put on record what somebody wants of the champion.

        Args:
            request: `start` or `stop` of a person; `wake` of an image that finds it asleep, which only the
                serving policy demand listens to; `use` of one that it has answered for.
            at: when it was asked for, of an event that may come again; empty: now.

        Raises:
            UnknownRequestError: it is none of these.
        """
        if request == "wake" and self.tuning().serving_policy != "demand":
            return
        version = _version_of(self.loop_state.champion(), versions)
        is_running = version is not None and version.status == "RUNNING"
        self.loop_state.change_serving(
            lambda before: changes.asked(before, request, by, why, is_running=is_running, at=at)
        )

    def _serve(self, versions: list[Version], tuning: Tuning | None) -> Decision:
        is_promoting = is_promotion(self.loop_state.lease("promote"))
        facts = self._facts(versions, tuning, is_promoting=is_promoting, begins_turn=self.is_scheduled)
        decision = policy.decide(tuning, facts, clock.now())
        self._tell(decision, facts, tuning)
        if decision.act != "none":
            decision = self._act(decision, tuning)
        elif not decision.wanted and facts.serving.trouble:
            self.loop_state.change_serving(changes.untroubled)
        elif decision.wanted and facts.status == "RUNNING":
            redrive.send_waiting(self.loop_state, self.sqs, self.detect_queue_url, self.bucket)
        return decision

    def _settings(self) -> tuple[Tuning | None, Exception | None]:
        try:
            return self.tuning(), None
        except Exception as error:
            logger.exception("no settings: the champion stays as it is")
            return None, error

    def _facts(
        self,
        versions: list[Version],
        tuning: Tuning | None,
        *,
        is_promoting: bool = False,
        begins_turn: bool = False,
    ) -> Facts:
        """What is known now; what was seen is put on record."""
        champion = self.loop_state.champion()
        version = _version_of(champion, versions)
        waiting = backlog.measure(self.loop_state, self.sqs, self.detect_queue_url, self.video_queue_url)
        images = self.loop_state.used_images()
        hold = self.loop_state.hold_on(version.arn) if version else None
        serving = self.loop_state.change_serving(
            lambda before: changes.seen(before, version, images, waiting, is_scheduled=begins_turn)
        )
        return Facts(
            champion=champion.version_name if champion else "",
            status=version.status if version else "",
            serving=serving,
            backlog=waiting,
            is_over_budget=tuning is not None and budget.stops_champion(self.loop_state, tuning, clock.now()),
            is_promoting=is_promoting,
            is_always_on=version is not None and version.is_always_on,
            batch=hold.id if hold else "",
            batch_units=hold.units if hold else 0,
        )

    def _act(self, decision: Decision, tuning: Tuning | None) -> Decision:
        """Do what was decided, if it still is once no promotion can begin: the decision that was acted on."""
        with self._lease() as fenced:
            if fenced is None:
                return replace(decision, act="none", reason=f"{decision.reason}; a promotion is under way")
            # What was true before the lease was taken may not be any more.
            versions = self.look()
            facts = self._facts(versions, tuning)
            now_decided = policy.decide(tuning, facts, clock.now())
            version = _version_of(fenced.champion(), versions)
            if version:
                self._bring(_Record(fenced, facts.serving), now_decided, version, tuning)
        return now_decided

    @contextmanager
    def _lease(self) -> Iterator[FencedState | None]:
        """The loop's state as it is written while no promotion can begin; None if one is under way."""
        holder = self.loop_state.take_for_serving(uuid.uuid4().hex)
        if holder is None:
            yield None
            return
        try:
            yield self.loop_state.fenced(promote=holder)
        finally:
            self.loop_state.release_lease("promote", holder)

    def _bring(
        self,
        record: _Record,
        decision: Decision,
        version: Version,
        tuning: Tuning | None,
    ) -> None:
        """Record the intent, then do it: whoever comes after a crash in between goes on from the record."""
        if decision.act == "wake":
            record.change(lambda before: changes.awake(before, decision.reason))
        elif decision.act == "sleep":
            record.change(
                lambda before: changes.asleep(before, decision.reason, is_scheduled=self.is_scheduled)
            )
        elif decision.act == "start":
            self._start(record, decision, version, tuning or Tuning())
        elif decision.act == "stop" and record.is_as_decided():
            record.fenced.check()
            self.engine.stop_version(version)

    def _start(self, record: _Record, decision: Decision, version: Version, tuning: Tuning) -> None:
        region, now = version.arn.split(":")[3], clock.now()
        hour = pricing.prices(region, tuning).inference_usd(3600, decision.units)
        verdict = budget.check(self.loop_state, tuning, now, adds_usd=hour)
        if not verdict.allowed:
            refused = f"{decision.reason}, but {verdict.reason}"
            idle = tuning.serving_idle_seconds
            record.change(lambda before: changes.refused(before, refused, idle_seconds=idle))
            return
        has_failed = version.status == "FAILED"
        if not record.change(lambda before: changes.starting(before, decision.reason, has_failed=has_failed)):
            return
        record.fenced.check()
        try:
            self.engine.start_version(version, decision.units, tuning.max_inference_units)
        except (NotYetError, InferenceUnitsError) as error:
            trouble = str(error)
            record.change(lambda before: replace(before, trouble=trouble))

    def _tell(self, decision: Decision, facts: Facts, tuning: Tuning | None) -> None:
        """Tell people once of what they have to know, and forget it once it is over."""
        name, wakes = facts.champion, tuning is not None and tuning.serving_policy in ("demand", "hours")
        if facts.status == "RUNNING":
            self.loop_state.close_incident(DOWN)
        elif decision.is_down:
            text = f"{name} is the champion and does not serve: {decision.reason}"
            self._tell_once(DOWN, f"{name} does not serve", text, _DOWN_NOW)
        if not facts.backlog.waiting:
            self.loop_state.close_incident(WAITING)
        elif name and not decision.wanted and (not wakes or facts.serving.asked == "stop"):
            since = f"images wait under detect/, since {clock.minute(facts.backlog.since)}"
            text = f"{since}, and {name} sleeps: {decision.reason}"
            self._tell_once(WAITING, f"images wait, and {name} sleeps", text, _WAITING_NOW)

    def _tell_once(self, incident: str, subject: str, text: str, what_now: str) -> None:
        if not self.loop_state.open_incident(incident, text):
            return
        try:
            self.notifier.warn(subject, f"{text}. {what_now}")
        except Exception:
            self.loop_state.close_incident(incident)
            raise


def _version_of(champion: Champion | None, versions: list[Version]) -> Version | None:
    return next((version for version in versions if champion and version.arn == champion.version_arn), None)
