"""Which images of a batch people should look at: those that its version is unsure of, up to a limit."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import field
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from lambdas.domain.batch import files
from lambdas.domain.batch.files import InputLine
from lambdas.domain.detect.champion import Answer
from lambdas.domain.detect.detection import Detected
from lambdas.domain.review import proposals
from lambdas.domain.shared.frozen import frozen
from lambdas.domain.shared.records import Batch
from lambdas.domain.shared.state import LoopState
from lambdas.domain.shared.tuning import Tuning

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

logger = Logger(child=True)


@frozen
class Proposer:
    """Proposes images of a batch for review, as those under detect/ are.

    The answer stands whether that works or not.

    A proposed image is copied into the data bucket, as the review reads no other bucket.
    """

    sqs: SQSClient
    s3: S3Client
    loop_state: LoopState
    bucket: str
    queue_url: str
    batch: Batch
    tuning: Tuning
    _copying: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, line: InputLine, answer: Answer) -> None:
        """Propose the image if its answer is worth a review, and the batch has not proposed enough yet."""
        if not self.batch.review_limit or self.tuning.review_route == "none":
            return
        key = files.review_key(self.batch.id, line.id)
        detected = Detected("detected", "", answer.labels, answer.version_name, answer.left_out)
        name = hashlib.sha256(f"{key}\0".encode()).hexdigest()
        if proposals.worth_review(detected, name, self.tuning) is None:
            return
        try:
            if self.loop_state.take_proposal(self.batch.id):
                self._copy(line, key)
                proposals.propose_detection(
                    self.sqs, self.queue_url, detected, self.tuning, key=key, version_id=None
                )
        except Exception:
            logger.exception("could not propose an image of a batch for review")

    def _copy(self, line: InputLine, key: str) -> None:
        version: Any = {"VersionId": line.version_id} if line.version_id else {}
        # An image that is cut into tiles may have hundreds of megabytes: one at a time is in memory.
        with self._copying:
            image = self.s3.get_object(Bucket=line.bucket, Key=line.key, **version)["Body"].read()
            self.s3.put_object(Bucket=self.bucket, Key=key, Body=image)
