"""sweep: whatever a crash left behind is put right, by schedule and as soon as a state machine breaks."""

from __future__ import annotations

from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from constructs import Construct

from infra.data_bucket import DataBucket
from infra.deployment import NAMED_AT_START, Deployment, executions_of
from infra.handler import Handler
from infra.loop_state import LoopState
from infra.promote import Promote
from infra.register import Register
from infra.rekognition_project import MADE_AT_RUN_TIME, RekognitionProject
from infra.retrain import Retrain
from infra.review import Review


class Sweep(Construct):
    def __init__(
        self,
        scope: Construct,
        id: str,
        deployment: Deployment,
        *,
        data_bucket: DataBucket,
        loop_state: LoopState,
        register: Register,
        project: RekognitionProject,
        review: Review,
        retrain: Retrain,
        promote: Promote,
        console_address: str,
    ) -> None:
        super().__init__(scope, id)
        machines = [retrain.workflow.arn, promote.workflow.arn]
        handler = Handler(
            self,
            "Sweep",
            deployment,
            entry="lambdas.sweep.handle",
            description="Gives dead leases back and stops models that run for nobody",
            timeout=120,
            environment={
                "DATA_BUCKET": data_bucket.bucket.bucket_name,
                "CATALOGUE_TABLE": register.catalogue.table_name,
                "REGISTER_QUEUE_URL": register.event_queue.queue.queue_url,
                "PROJECT_ARN": project.arn,
                "TOPIC_ARN": loop_state.topic.topic_arn,
                "RETRAIN_MACHINE_ARN": retrain.workflow.arn,
                "REVIEW_MACHINE_ARN": review.machine_arn,
                "CONSOLE_ADDRESS": console_address,
                **loop_state.environment,
            },
        )
        loop_state.grant_read_write(handler)
        loop_state.grant_notify(handler)
        project.grant_watch(handler)
        handler.allow("rekognition:StopProjectVersion", on=[project.versions], why=MADE_AT_RUN_TIME)
        review.grant_reconcile(handler)
        handler.allow("states:StartExecution", on=[retrain.workflow.arn])
        handler.allow(
            "states:DescribeExecution",
            on=[executions_of(machine) for machine in machines],
            why=NAMED_AT_START,
        )
        handler.allow("s3:ListBucket", on=[data_bucket.bucket.bucket_arn])
        handler.allow("sqs:SendMessage", on=[register.event_queue.queue.queue_arn])
        target = targets.LambdaFunction(handler.function)  # pyrefly: ignore[bad-argument-type]
        events.Rule(
            self,
            "Schedule",
            schedule=events.Schedule.expression(deployment.settings.sweep_schedule),
            targets=[target],  # pyrefly: ignore[bad-argument-type]
        )
        events.Rule(
            self,
            "Broken",
            description="A run or promotion that could not end by itself",
            event_pattern=events.EventPattern(
                source=["aws.states"],
                detail_type=["Step Functions Execution Status Change"],
                detail={"status": ["FAILED", "TIMED_OUT", "ABORTED"], "stateMachineArn": machines},
            ),
            targets=[target],  # pyrefly: ignore[bad-argument-type]
        )
