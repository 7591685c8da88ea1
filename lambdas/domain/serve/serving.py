"""The champion brought to what is decided about it: all that starts or stops it outside a promotion."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from aws_lambda_powertools import Logger

from lambdas.domain.rekognition import custom_labels
from lambdas.domain.rekognition.custom_labels import InferenceUnitsError, NotYetError, Version
from lambdas.domain.retrain.notification import Notifier
from lambdas.domain.serve import policy
from lambdas.domain.serve.policy import Decision, Facts
from lambdas.domain.shared import clock
from lambdas.domain.shared.records import Champion, Serving, ServingChange
from lambdas.domain.shared.state import FencedState, LoopState, is_promotion
from lambdas.domain.shared.tuning import Tuning

if TYPE_CHECKING:
    from mypy_boto3_rekognition import RekognitionClient

logger = Logger(child=True)

INCIDENT = "champion"
"""That it does not serve, and should."""
LOOP = "labelloop"
"""By whom what nobody asked for is done."""
MAX_CHANGES = 20
"""That are kept on record."""
MAX_WORDS = 500
"""Characters of what a person may say about why."""
_FIRST_RETRY, _LAST_RETRY = timedelta(minutes=2), timedelta(hours=1)
_WHAT_NOW = (
    "It is started again; images under detect/ wait for it, and are answered once it serves."
    " `labelloop status` shows how it stands, and `labelloop rollback` goes back to an older version."
)


@dataclass(frozen=True)
class Server:
    """Looks after a deployment's champion."""

    rekognition: RekognitionClient
    loop_state: LoopState
    notifier: Notifier
    project_arn: str
    tuning: Callable[[], Tuning]
    """Reads the settings."""

    def look(self) -> list[Version]:
        """The project's model versions as Rekognition has them now."""
        return custom_labels.versions(self.rekognition, self.project_arn)

    def serve(self, versions: list[Version]) -> Decision:
        """Decide about the champion and act on it: the decision.

        Raises:
            TuningError: the settings cannot be used; what does not need them was done.
        """
        tuning, unusable = self._settings()
        decision = self._serve(versions, tuning)
        logger.info("served", extra={"act": decision.act, "wanted": decision.wanted, "why": decision.reason})
        if unusable:
            raise unusable
        return decision

    def ask(self, what: Literal["start", "stop"], by: str, why: str) -> Serving:
        """Put on record what a person wants of the champion."""
        by, why = by[:MAX_WORDS], why[:MAX_WORDS]

        def change(before: Serving) -> Serving:
            asked = replace(before, asked=what, asked_by=by, asked_at=clock.now(), asked_why=why)
            return _noted(replace(asked, failures=0, retry_at=""), by, what, why)

        return self.loop_state.change_serving(change)

    def _serve(self, versions: list[Version], tuning: Tuning | None) -> Decision:
        decision = policy.decide(tuning, self._facts(versions), clock.now())
        self._tell(decision)
        if decision.act == "none":
            self._note_running(versions)
            return decision
        with self._lease() as fenced:
            if fenced is None:
                return replace(decision, act="none", reason=f"{decision.reason}; a promotion is under way")
            # What was true before the lease was taken may not be any more.
            versions = self.look()
            decision = policy.decide(tuning, self._facts(versions, is_promoting=False), clock.now())
            self._act(fenced, decision, versions)
        return decision

    def _settings(self) -> tuple[Tuning | None, Exception | None]:
        try:
            return self.tuning(), None
        except Exception as error:
            logger.exception("no settings: the champion stays as it is")
            return None, error

    def _facts(self, versions: list[Version], *, is_promoting: bool | None = None) -> Facts:
        if is_promoting is None:
            is_promoting = is_promotion(self.loop_state.lease("promote"))
        champion = self.loop_state.champion()
        version = _version_of(champion, versions)
        return Facts(
            champion=champion.version_name if champion else "",
            status=version.status if version else "",
            message=version.message if version else "",
            serving=self.loop_state.serving(),
            is_promoting=is_promoting,
        )

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

    def _act(self, fenced: FencedState, decision: Decision, versions: list[Version]) -> None:
        """Record the intent, then do it: whoever comes after a crash in between goes on from the record."""
        version = _version_of(fenced.champion(), versions)
        if decision.act == "none" or version is None:
            return
        if decision.act in ("start", "wake"):
            fenced.change_serving(lambda before: _awake(before, decision))
        if decision.act == "sleep":
            fenced.change_serving(lambda before: _asleep(before, decision))
        if decision.act == "start":
            self._start(fenced, version)
        if decision.act == "stop":
            fenced.check()
            custom_labels.stop(self.rekognition, version)

    def _start(self, fenced: FencedState, version: Version) -> None:
        failed = version.status == "FAILED"
        fenced.change_serving(lambda before: _starting(before, failed=failed))
        fenced.check()
        try:
            custom_labels.start(self.rekognition, version, version.inference_units)
        except (NotYetError, InferenceUnitsError) as error:
            trouble = str(error)
            fenced.change_serving(lambda before: replace(before, trouble=trouble))

    def _note_running(self, versions: list[Version]) -> None:
        """Record that what was started runs."""
        version = _version_of(self.loop_state.champion(), versions)
        if version and version.status == "RUNNING":
            self.loop_state.change_serving(_running)
            self.loop_state.close_incident(INCIDENT)

    def _tell(self, decision: Decision) -> None:
        """Tell people once that the champion does not serve though it should."""
        if not decision.is_down:
            return
        champion = self.loop_state.champion()
        name = champion.version_name if champion else ""
        text = f"{name} is the champion and does not serve: {decision.reason}"
        if not self.loop_state.open_incident(INCIDENT, text):
            return
        try:
            self.notifier.warn(f"{name} does not serve", f"{text}. {_WHAT_NOW}")
        except Exception:
            self.loop_state.close_incident(INCIDENT)
            raise


def _version_of(champion: Champion | None, versions: list[Version]) -> Version | None:
    return next((version for version in versions if champion and version.arn == champion.version_arn), None)


def _noted(serving: Serving, by: str, what: str, why: str) -> Serving:
    change = ServingChange(clock.now(), by, what, why)
    return replace(serving, changes=(*serving.changes, change)[-MAX_CHANGES:])


def _awake(before: Serving, decision: Decision) -> Serving:
    if before.state == "awake":
        return replace(before, reason=decision.reason)
    awake = replace(before, state="awake", since=clock.now(), reason=decision.reason)
    return _noted(awake, LOOP, "wakes", decision.reason)


def _asleep(before: Serving, decision: Decision) -> Serving:
    asleep = replace(before, state="asleep", since=clock.now(), reason=decision.reason, start_asked_at="")
    asleep = replace(asleep, failures=0, retry_at="", trouble="")
    return _noted(asleep, LOOP, "sleeps", decision.reason) if before.state == "awake" else asleep


def _starting(before: Serving, *, failed: bool) -> Serving:
    """About to be started; after a start that has failed it is not started again at once."""
    failures = before.failures + 1 if failed else before.failures
    wait = min(_FIRST_RETRY * 2 ** min(failures, 10), _LAST_RETRY)
    retry_at = clock.to_iso(clock.parse(clock.now()) + wait) if failures else ""
    return replace(before, start_asked_at=clock.now(), failures=failures, retry_at=retry_at)


def _running(before: Serving) -> Serving:
    return replace(before, start_asked_at="", failures=0, retry_at="", trouble="")
