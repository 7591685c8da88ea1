"""The step sweep: put right what a crash left behind, on a schedule and as soon as an execution fails."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from constructs import Construct

from infra.alarm import Alarm
from infra.batch import Batch
from infra.deployment import NAMED_AT_START, executions_of
from infra.detect import Detect
from infra.promote import Promote
from infra.register import Register
from infra.rekognition_project import RekognitionProject
from infra.retrain import Retrain
from infra.review import Review
from infra.step import SharedResources, Step
from infra.video import Video


class Sweep(Step):
    """The function that sweeps, and the rules that call it."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        shared: SharedResources,
        *,
        register: Register,
        project: RekognitionProject,
        review: Review,
        retrain: Retrain,
        promote: Promote,
        batch: Batch,
        detect: Detect,
        video: Video,
        console_address: str,
    ) -> None:
        super().__init__(scope, id, shared)
        machines = [retrain.workflow.arn, promote.workflow.arn, batch.workflow.arn]
        handler = self.make_handler(
            "Sweep",
            "lambdas.sweep.handle",
            "Gives leases of dead executions back and stops models that nobody needs",
            timeout=900,
            writes=[
                "LEASE",
                "RUN",
                "VERSION",
                "PROGRESS",
                "NOTICE",
                "LEDGER",
                "INCIDENT",
                "BATCH",
                "HOLD",
                "APPROVAL",
            ],
            environment={
                "CATALOGUE_TABLE": register.catalogue.table_name,
                "REGISTER_QUEUE_URLS": register.queue_urls,
                "DETECT_QUEUE_URL": detect.event_queue.queue.queue_url,
                "DETECT_DEAD_LETTERS_URL": detect.event_queue.dead_letters.queue_url,
                "VIDEO_QUEUE_URL": video.event_queue.queue.queue_url,
                "VIDEO_DEAD_LETTERS_URL": video.event_queue.dead_letters.queue_url,
                "PROJECT_ARN": project.arn,
                "TOPIC_ARN": self.loop_state.topic.topic_arn,
                "RETRAIN_MACHINE_ARN": retrain.workflow.arn,
                "REVIEW_MACHINE_ARN": review.machine_arn,
                "CONSOLE_ADDRESS": console_address,
                "BATCH_MERGE_FUNCTION": batch.merge.function.function_name,
            },
        )
        self.handler = handler
        self.alarm = Alarm(
            self,
            "FailedAlarm",
            self.deployment,
            name="sweep-failed",
            what="The sweeper could not put everything right",
            metric=handler.function.metric_errors(period=cdk.Duration.minutes(5)),
        )
        self.loop_state.grant_notify(handler)
        project.grant_describe_versions(handler)
        project.grant_describe_owners(handler)
        project.grant_stop(handler)
        project.grant_cancel_trainings(handler)
        project.grant_count_answers(handler)
        detect.event_queue.grant_redrive(handler)
        video.event_queue.grant_redrive(handler)
        review.grant_reconcile(handler)
        handler.allow("states:StartExecution", on=[retrain.workflow.arn])
        handler.allow("lambda:InvokeFunction", on=[batch.merge.function.function_arn])
        handler.allow(
            "states:DescribeExecution",
            "states:GetExecutionHistory",
            on=[executions_of(machine) for machine in machines],
            why=NAMED_AT_START,
        )
        self.data_bucket.grant_list(handler, "s3:ListBucketVersions")
        register.event_queue.grant_send(handler)
        register.grant_count(handler)
        target = targets.LambdaFunction(handler.function)  # pyrefly: ignore[bad-argument-type]
        events.Rule(
            self,
            "Schedule",
            schedule=events.Schedule.expression(self.deployment.settings.sweep_schedule),
            targets=[target],  # pyrefly: ignore[bad-argument-type]
        )
        events.Rule(
            self,
            "Broken",
            description="A run, promotion or batch that could not end by itself",
            event_pattern=events.EventPattern(
                source=["aws.states"],
                detail_type=["Step Functions Execution Status Change"],
                detail={"status": ["FAILED", "TIMED_OUT", "ABORTED"], "stateMachineArn": machines},
            ),
            targets=[target],  # pyrefly: ignore[bad-argument-type]
        )
