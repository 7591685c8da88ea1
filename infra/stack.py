"""The stack: one construct for each step, wired in the order in which an image goes through them."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra import embedded, lambda_asset
from infra.deployment import Deployment
from infra.detect import Detect
from infra.drop import Drop
from infra.promote import Promote
from infra.records import Records
from infra.register import Register
from infra.rekognition_project import RekognitionProject
from infra.retrain import Retrain
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
        retrain = Retrain(
            self, "Retrain", deployment, drop=drop, records=records, register=register, project=project
        )
        detect = Detect(self, "Detect", deployment, drop=drop, records=records, project=project)
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
            retrain=retrain,
            promote=promote,
        )
        project.stop_models_before(records, register, retrain, detect, promote, sweep)

        tell = actions.SnsAction(records.topic)
        for alarm in (
            register.inbox.alarm,
            detect.inbox.alarm,
            retrain.workflow.alarm,
            promote.workflow.alarm,
        ):
            alarm.add_alarm_action(tell)

        outputs = {
            "DataBucket": drop.bucket.bucket_name,
            "CatalogueTable": register.catalogue.table_name,
            "LoopTable": records.table.table_name,
            "TuningParameter": records.tuning.parameter_name,
            "ProjectArn": project.arn,
            "RetrainMachineArn": retrain.workflow.arn,
            "PromoteMachineArn": promote.workflow.arn,
            "NotificationTopicArn": records.topic.topic_arn,
            "RegisterDeadLettersUrl": register.inbox.dead_letters.queue_url,
            "DetectDeadLettersUrl": detect.inbox.dead_letters.queue_url,
        }
        for name, value in outputs.items():
            cdk.CfnOutput(self, name, value=value)
