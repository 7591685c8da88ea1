"""Everything that the sweeper puts right, one part after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from lambdas.domain.retrain import requests
from lambdas.domain.retrain.notification import Notifier
from lambdas.domain.shared.state import LoopState
from lambdas.domain.shared.tuning import Tuning
from lambdas.domain.sweep import leases, lost_events
from lambdas.domain.sweep.reviews import Reconciled

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_rekognition import RekognitionClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_stepfunctions import SFNClient

logger = Logger(child=True)


@dataclass(frozen=True)
class Sweeper:
    """A deployment's sweeper, with the clients and the names that its parts need."""

    rekognition: RekognitionClient
    s3: S3Client
    sqs: SQSClient
    stepfunctions: SFNClient
    catalogue: Table
    loop_state: LoopState
    notifier: Notifier
    project_arn: str
    bucket: str
    register_queue_url: str
    retrain_machine_arn: str
    tuning: Callable[[], Tuning]
    """Reads the settings; where they are unusable, the parts that need none work all the same."""
    reconcile_reviews: Callable[[], Reconciled]

    def sweep(self) -> dict[str, Any]:
        """Put right whatever a crash, a timeout or an abort left behind: what was done.

        Raises:
            ExceptionGroup: some parts failed; the others were done.
        """
        done: dict[str, Any] = {}
        failures: list[Exception] = []
        for part in (self._leases, self._lost_events, self._due_run, self._reviews):
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

    def _leases(self) -> dict[str, Any]:
        swept = leases.sweep(self.rekognition, self.stepfunctions, self.loop_state, self.project_arn)
        for run in swept.runs:
            self.notifier.notify(run)
        return {
            "leases": swept.leases,
            "stopped": [version.name for version in swept.stopped],
            "runs": [run.id for run in swept.runs],
        }

    def _lost_events(self) -> dict[str, Any]:
        after = self.tuning().resend_event_after_seconds
        keys = lost_events.resend_lost_events(self.s3, self.sqs, self.bucket, self.register_queue_url, after)
        return {"resent": keys}

    def _due_run(self) -> dict[str, Any]:
        requested = requests.request_run_if_due(
            self.catalogue, self.loop_state, self.stepfunctions, self.retrain_machine_arn, self.tuning()
        )
        return {"requested_run": requested}

    def _reviews(self) -> dict[str, Any]:
        counts = asdict(self.reconcile_reviews())
        return {"reviews": {name: count for name, count in counts.items() if count}}
