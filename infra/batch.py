"""The step batch: ask one model version about many images at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from constructs import Construct

from infra.data_bucket import REKOGNITION_LOOKS, REKOGNITION_READS
from infra.deployment import NAMED_AT_START, executions_of
from infra.handler import Handler
from infra.rekognition_project import RekognitionProject
from infra.review import Review
from infra.step import SharedResources, Step
from infra.workflow import Workflow
from lambdas.domain.batch.estimate import WORKER_MEMORY_MB

_MERGE_MEMORY_MB = 1769
"""One whole processor: https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html"""
_ANY_KEY = "a batch may ask about any object of a bucket that batch_buckets names"


class Batch(Step):
    """The state machine of batches, its functions and its workers.

    Args:
        other_buckets: names of buckets, beside the data bucket, whose images batches may ask about.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        shared: SharedResources,
        *,
        project: RekognitionProject,
        review: Review,
        console_address: str,
        other_buckets: Sequence[str] = (),
    ) -> None:
        super().__init__(scope, id, shared, {"PROJECT_ARN": project.arn})
        self._project, self._review = project, review
        self._machine_arn = self.deployment.state_machine_arn("batch")
        self.merge = self._merge()
        handlers = {
            "TakeHold": self._take_hold(),
            "Wake": self._wake(),
            "AnswerPart": self._answer_part(other_buckets),
            "Merge": self.merge,
            "Release": self._release(),
            "Finish": self._finish(console_address),
        }
        self.workflow = Workflow(self, "Workflow", self.deployment, step="batch", handlers=handlers)
        self._allow_map()

    def _handler(
        self,
        id: str,
        function: str,
        description: str,
        *,
        writes: Sequence[str],
        environment: Mapping[str, str] | None = None,
        timeout: int = 60,
        memory: int = 512,
    ) -> Handler:
        return self.make_handler(
            id,
            f"lambdas.batch.{function}",
            description,
            environment=environment,
            timeout=timeout,
            memory=memory,
            writes=writes,
        )

    def _take_hold(self) -> Handler:
        handler = self._handler(
            "TakeHold", "take_hold", "Chooses and holds a batch's model version", writes=["BATCH", "HOLD"]
        )
        self.data_bucket.grant_list(handler)
        executions = executions_of(self._machine_arn)
        handler.allow("states:DescribeExecution", on=[executions], why=NAMED_AT_START)
        return handler

    def _wake(self) -> Handler:
        handler = self._handler(
            "Wake", "wake", "Brings a batch's model version to run", writes=["BATCH", "LEASE"]
        )
        self._project.grant_describe_versions(handler)
        self._project.grant_start(handler)
        return handler

    def _answer_part(self, other_buckets: Sequence[str]) -> Handler:
        description = "Asks a model version about the images of one part of a batch"
        handler = self._handler(
            "AnswerPart", "answer_part", description, writes=["BATCH"], timeout=900, memory=WORKER_MEMORY_MB
        )
        self._project.grant_detect(handler)
        self.data_bucket.grant_rekognition_read_everything(handler)
        self.data_bucket.grant_put(handler, "batches/")
        self._review.grant_propose(handler)
        for name in other_buckets:
            handler.allow(
                *REKOGNITION_READS, on=[f"arn:{self.deployment.stack.partition}:s3:::{name}/*"], why=_ANY_KEY
            )
            handler.allow(*REKOGNITION_LOOKS, on=[f"arn:{self.deployment.stack.partition}:s3:::{name}"])
        return handler

    def _merge(self) -> Handler:
        handler = self._handler(
            "Merge",
            "merge",
            "Brings the results of a batch together",
            writes=["BATCH"],
            timeout=900,
            memory=_MERGE_MEMORY_MB,
        )
        self.data_bucket.grant_read(handler, "batches/")
        self.data_bucket.grant_put(handler, "batches/")
        self.data_bucket.grant_abort_uploads(handler, "batches/")
        self.data_bucket.grant_list(handler)
        return handler

    def _release(self) -> Handler:
        description = "Lets go of a batch's model version, and stops it if it is of use to nobody"
        handler = self._handler("Release", "release", description, writes=["HOLD", "LEDGER"])
        self._project.grant_describe_versions(handler)
        self._project.grant_stop(handler)
        return handler

    def _finish(self, console_address: str) -> Handler:
        description = "Records how a batch has ended, and notifies"
        environment = {
            "TOPIC_ARN": self.loop_state.topic.topic_arn,
            "CONSOLE_ADDRESS": console_address,
        }
        handler = self._handler(
            "Finish", "finish", description, writes=["BATCH", "HOLD"], environment=environment
        )
        handler.allow("sns:Publish", on=[self.loop_state.topic.topic_arn])
        return handler

    def _allow_map(self) -> None:
        """Allow the state machine its Distributed Map: to run children of its own, to list and to write.

        https://docs.aws.amazon.com/step-functions/latest/dg/iam-policies-eg-dist-map.html
        """
        permissions = self.workflow.permissions
        permissions.allow("states:StartExecution", on=[self._machine_arn])
        permissions.allow(
            "states:DescribeExecution",
            "states:StopExecution",
            on=[executions_of(self._machine_arn)],
            why=NAMED_AT_START,
        )
        self.data_bucket.grant_list(permissions)
        self.data_bucket.grant_write_map_results(permissions, "batches/")
