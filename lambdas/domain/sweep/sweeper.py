"""Everything that the sweeper puts right, one part after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from lambdas.domain.costs import ledger, unowned
from lambdas.domain.engines.versions import by_name
from lambdas.domain.promote.redrive import redrive, renew
from lambdas.domain.retrain import requests
from lambdas.domain.retrain.notification import Notifier
from lambdas.domain.shared import clock
from lambdas.domain.shared.frozen import frozen
from lambdas.domain.shared.state import LoopState
from lambdas.domain.shared.tuning import Tuning, or_defaults
from lambdas.domain.sweep import approvals, batches, differences, leases, lost_events, models
from lambdas.domain.sweep.reviews import Reconciled

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_stepfunctions import SFNClient

    from lambdas.domain.engines.port import Engine, Version

logger = Logger(child=True)

_POLL_SECONDS = 5


@frozen
class Sweeper:
    """A deployment's sweeper, with the clients and the names that its parts need."""

    engine: Engine
    s3: S3Client
    sqs: SQSClient
    stepfunctions: SFNClient
    catalogue: Table
    loop_state: LoopState
    notifier: Notifier
    bucket: str
    register_queue_urls: Sequence[str]
    """Events about files go to the first; all hold such as are not registered yet."""
    retrain_machine_arn: str
    tuning: Callable[[], Tuning]
    """Reads the settings; where they are unusable, the parts that need none work all the same."""
    book_answers: Callable[[], int]
    """Brings the ledger up to what the engine serverless has answered: how many days have changed."""
    summarise_batch: Callable[[str, str], None]
    """Has the results so far of an ended batch brought together, by its name and execution."""
    reconcile_reviews: Callable[[], Reconciled]
    detection_queues: Sequence[tuple[str, str]]
    """URLs of dead letters of detection, of images and clips, each with that of the queue they came from."""
    ended_execution: str = ""
    """The one whose end this sweep was called for."""
    waits_seconds: float = 0
    """How long it may wait for what that execution was starting: what starts cannot be stopped yet."""

    def sweep(self) -> dict[str, Any]:
        """Put right whatever a crash, a timeout or an abort left behind: what was done.

        Raises:
            ExceptionGroup: some parts failed; the others were done.
        """
        done: dict[str, Any] = {}
        failures: list[Exception] = []
        for part in self._parts:
            try:
                done |= part()
            except Exception as error:
                logger.exception("a part of the sweep failed")
                failures.append(error)
        if any(done.values()):
            logger.warning("swept", extra=done)
        if failures:
            raise ExceptionGroup("a part of the sweep failed", failures)
        return done

    @property
    def _parts(self) -> Sequence[Callable[[], dict[str, Any]]]:
        """In this order: what a part gives back the next one finds free."""
        return (
            self._ledger,
            self._answers,
            self._leases,
            self._approvals,
            self._batches,
            self._models,
            self._dead_letters,
            self._lost_events,
            self._due_run,
            self._reviews,
            self._unowned,
            self._starting,
        )

    def _ledger(self) -> dict[str, Any]:
        versions = self.engine.list_versions()
        ledger.observe(self.loop_state, versions, clock.now())
        return {}

    def _answers(self) -> dict[str, Any]:
        """What answers of the engine serverless cost is in the ledger, too."""
        self.book_answers()
        return {}

    def _unowned(self) -> dict[str, Any]:
        """Models that run outside any deployment are named, and left alone."""
        versions = self.engine.list_unowned()
        warned = unowned.tell(
            self.loop_state, versions, or_defaults(self.tuning), clock.now(), self.notifier.warn
        )
        return {"unowned": [version.arn for version in versions] if warned else []}

    def _leases(self) -> dict[str, Any]:
        completed = leases.give_back_run(self.engine, self.stepfunctions, self.loop_state, self.tuning)
        promotion = leases.give_back_promotion(self.stepfunctions, self.loop_state)
        unbegun = leases.end_unbegun_runs(
            self.stepfunctions, self.loop_state, self.retrain_machine_arn, self.ended_execution
        )
        for id in self.loop_state.notices():
            if run := self.loop_state.run(id):
                self.notifier.notify(self.loop_state, run)
        given_back = {"retrain": bool(completed), "promote": promotion}
        return {
            "leases": [name for name, is_given_back in given_back.items() if is_given_back],
            "runs": [run.id for run in [*completed, *unbegun]],
        }

    def _approvals(self) -> dict[str, Any]:
        """Nobody is asked to approve what can not be promoted any more."""
        return {"approvals": approvals.reconcile(self.stepfunctions, self.loop_state, self.notifier)}

    def _batches(self) -> dict[str, Any]:
        """Batches that nobody works on any more hold no model version."""
        ended = batches.end_dead(
            self.engine,
            self.stepfunctions,
            self.loop_state,
            self.notifier,
            tuning=or_defaults(self.tuning),
            summarise=self.summarise_batch,
        )
        return {"batches": ended}

    def _versions(self) -> dict[str, Version]:
        return by_name(self.engine, (record.id for record in self.loop_state.versions()))

    def _models(self) -> dict[str, Any]:
        stopped = models.stop_for_nobody(self.engine, self.loop_state)
        settled = models.settle(self.loop_state, self._versions())
        return {
            "stopped": [version.name for version in stopped],
            "settled": {version.id: version.state for version in settled},
        }

    def _dead_letters(self) -> dict[str, Any]:
        """Dead letters of detection get another chance while the champion serves; until then none is lost."""
        champion = self.loop_state.champion()
        versions = self._versions()
        if self.loop_state.lease("promote") or not differences.is_serving(champion, versions):
            return {"renewed": sum(renew(self.sqs, dead) for dead, _ in self.detection_queues)}
        return {"redriven": sum(redrive(self.sqs, dead, queue) for dead, queue in self.detection_queues)}

    def _starting(self) -> dict[str, Any]:
        """Stop what an execution that has ended was starting as soon as it runs, if that is soon enough."""
        until = time.monotonic() + (self.waits_seconds if self.ended_execution else 0)
        stopped: set[str] = set()
        while time.monotonic() < until:
            pending = models.stop_for_nobody(self.engine, self.loop_state)
            stopped |= {version.name for version in pending}
            if not any(version.status == "STARTING" for version in pending):
                break
            time.sleep(_POLL_SECONDS)
        return {"stopped_later": sorted(stopped)}

    def _lost_events(self) -> dict[str, Any]:
        after, queue_urls = self.tuning().resend_event_after_seconds, self.register_queue_urls
        lost = lost_events.resend_lost_events(
            self.s3, self.sqs, self.catalogue, self.bucket, queue_urls, after
        )
        return {"resent": lost.keys, "stuck_objects": lost.stuck}

    def _due_run(self) -> dict[str, Any]:
        requested = requests.request_run_if_due(
            self.catalogue, self.loop_state, self.stepfunctions, self.retrain_machine_arn, self.tuning()
        )
        return {"requested_run": requested}

    def _reviews(self) -> dict[str, Any]:
        counts = asdict(self.reconcile_reviews())
        return {"reviews": {name: count for name, count in counts.items() if count}}
