"""The stack: one construct for each step, wired in the order in which an image goes through them."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra import embedded, lambda_asset
from infra.console import Console
from infra.deployment import Deployment
from infra.detect import Detect
from infra.drop import Drop
from infra.promote import Promote
from infra.records import Records
from infra.register import Register
from infra.rekognition_project import RekognitionProject
from infra.retrain import Retrain
from infra.review import Review
from infra.settings import Settings
from infra.sweep import Sweep


class LabelLoopStack(cdk.Stack):
    def __init__(self, scope: Construct, settings: Settings) -> None:
        super().__init__(
            scope,
            settings.name,
            description="LabelLoop: a continuous training loop for Amazon Rekognition Custom Labels",
            synthesizer=embedded.synthesizer(settings),
        )
        platform = embedded.platform(settings)
        code = lambda_.Code.from_asset(str(lambda_asset.build(platform)))
        deployment = Deployment(self, settings, code)

        drop = Drop(self, "Drop", deployment)
        records = Records(self, "Records", deployment)
        register = Register(self, "Register", deployment, drop=drop, records=records)
        project = RekognitionProject(self, "Project", deployment, records=records)
        review = Review(
            self, "Review", deployment, drop=drop, records=records, register=register, project=project
        )
        console = Console(
            self, "Console", deployment, drop=drop, records=records, project=project, review=review
        )
        retrain = Retrain(
            self,
            "Retrain",
            deployment,
            drop=drop,
            records=records,
            register=register,
            project=project,
            review=review,
            console_address=console.address,
        )
        detect = Detect(self, "Detect", deployment, drop=drop, records=records, project=project)
        for handler in (register.handler, detect.handler):
            review.tell(handler)
        promote = Promote(
            self, "Promote", deployment, drop=drop, records=records, project=project, detect=detect
        )
        sweep = Sweep(
            self,
            "Sweep",
            deployment,
            drop=drop,
            records=records,
            register=register,
            project=project,
            review=review,
            retrain=retrain,
            promote=promote,
            console_address=console.address,
        )
        project.stop_models_before(records, register, review, retrain, detect, promote, sweep, console)

        tell = actions.SnsAction(records.topic)  # pyrefly: ignore[bad-argument-type]
        for alarm in (
            register.inbox.alarm,
            *review.alarms,
            detect.inbox.alarm,
            retrain.workflow.alarm,
            promote.workflow.alarm,
        ):
            alarm.add_alarm_action(tell)  # pyrefly: ignore[bad-argument-type]

        outputs = {
            "DataBucket": drop.bucket.bucket_name,
            "CatalogueTable": register.catalogue.table_name,
            "LoopTable": records.table.table_name,
            "TuningParameter": records.tuning.parameter_name,
            "ConsoleAddress": console.address,
            "UserPoolId": console.pool.user_pool_id,
            "ReviewTable": review.table.table_name,
            "ReviewMachineArn": review.machine_arn,
            "ReviewDeadLettersUrl": review.inbox.dead_letters.queue_url,
            "ProjectArn": project.arn,
            "RetrainMachineArn": retrain.workflow.arn,
            "PromoteMachineArn": promote.workflow.arn,
            "NotificationTopicArn": records.topic.topic_arn,
            "RegisterDeadLettersUrl": register.inbox.dead_letters.queue_url,
            "DetectDeadLettersUrl": detect.inbox.dead_letters.queue_url,
        }
        for name, value in outputs.items():
            cdk.CfnOutput(self, name, value=value)
