"""Workers of Amazon A2I and Ground Truth, where the deployment has them: what they need, who may ask them.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsagemaker.html
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.data_bucket import DataBucket
from infra.deployment import Deployment
from infra.handler import Handler
from infra.permissions import Permissions
from lambdas.domain.review.workforce import flow_definition, ground_truth_lambdas, worker_template
from lambdas.domain.shared.annotation import Kind

IMAGES = "registered images are named by their content"
LOOPS = "a human loop is named by its task"
JOBS = "a labeling job is named by its batch"
BATCHES = "what a labeling job reads and writes lies under the name of its batch"
SERVICE = "sagemaker.amazonaws.com"


class Workforce(Construct):
    """Without the settings that name a work team or a flow definition it is empty, and allows nothing."""

    def __init__(self, scope: Construct, id: str, deployment: Deployment, data_bucket: DataBucket) -> None:
        super().__init__(scope, id)
        self._deployment, self._data_bucket = deployment, data_bucket
        settings = deployment.settings
        self.flow = settings.a2i_flow_definition_arn or (self._flow() if settings.a2i_workteam_arn else "")
        """ARN of the flow definition; empty without A2I."""
        self._workteam = settings.groundtruth_workteam_arn
        self._role = self._labelling() if self._workteam else None

    @property
    def environment(self) -> dict[str, str]:
        found = {"A2I_FLOW_DEFINITION_ARN": self.flow} if self.flow else {}
        if self._role:
            found["GROUNDTRUTH_WORKTEAM_ARN"] = self._workteam
            found["GROUNDTRUTH_ROLE_ARN"] = self._role.role_arn
        return found

    # Human loops

    def grant_start_loop(self, handler: Handler) -> None:
        if not self.flow:
            return
        handler.allow("sagemaker:StartHumanLoop", on=[self.flow])
        handler.allow("sagemaker:DescribeHumanLoop", on=[self._named("human-loop")], why=LOOPS)
        self._allow_show(handler)

    def grant_take_loop(self, handler: Handler) -> None:
        """Read what a loop's workers said."""
        if self.flow:
            reviews = self._data_bucket.objects("reviews/")
            handler.allow("s3:GetObject", on=[reviews], why="a loop's output lies under its name and date")

    def grant_see_loop(self, handler: Handler) -> None:
        """The same, and see whether there is something to read."""
        self.grant_take_loop(handler)
        if self.flow:
            handler.allow("sagemaker:DescribeHumanLoop", on=[self._named("human-loop")], why=LOOPS)

    def grant_end_loop(self, handler: Handler) -> None:
        self.grant_see_loop(handler)
        if self.flow:
            handler.allow("sagemaker:StopHumanLoop", on=[self._named("human-loop")], why=LOOPS)

    # Labeling jobs

    def grant_start_job(self, handler: Handler) -> None:
        if not self._role:
            return
        handler.allow(
            "sagemaker:CreateLabelingJob",
            on=[self._named("labeling-job")],
            why=JOBS,
            when={"ArnEquals": {"sagemaker:WorkteamArn": self._workteam}},
        )
        _allow_pass(handler, self._role)
        self._allow_show(handler)
        handler.allow("s3:PutObject", on=[self._data_bucket.objects("reviews/groundtruth/")], why=BATCHES)

    def grant_watch_job(self, handler: Handler) -> None:
        if self._role:
            handler.allow("sagemaker:DescribeLabelingJob", on=[self._named("labeling-job")], why=JOBS)

    def grant_read_job(self, handler: Handler) -> None:
        self.grant_watch_job(handler)
        if self._role:
            handler.allow("s3:GetObject", on=[self._data_bucket.objects("reviews/groundtruth/")], why=BATCHES)

    def grant_end_job(self, handler: Handler) -> None:
        self.grant_read_job(handler)
        if self._role:
            handler.allow("sagemaker:StopLabelingJob", on=[self._named("labeling-job")], why=JOBS)

    def _allow_show(self, handler: Handler) -> None:
        """Look how an image is stored, and put an upright copy beside it."""
        handler.allow("s3:GetObject", on=[self._data_bucket.objects("images/")], why=IMAGES)
        handler.allow("s3:PutObject", on=[self._data_bucket.objects("reviews/upright/")], why=IMAGES)

    def _named(self, resource: str) -> str:
        return self._deployment.stack.format_arn(
            service="sagemaker", resource=resource, resource_name=f"{self._deployment.settings.name}-*"
        )

    # What is made

    def _flow(self) -> str:
        """A human task UI and a flow definition. CloudFormation has no type for the second."""
        role = self._flow_role()
        handler = Handler(
            self,
            "Flow",
            self._deployment,
            entry="lambdas.flow_definition.handle",
            description="Makes the human task UI and the flow definition of Amazon A2I",
            timeout=300,
            environment={},
        )
        for kind, resource in (("HumanTaskUi", "human-task-ui"), ("FlowDefinition", "flow-definition")):
            handler.allow(
                f"sagemaker:Create{kind}",
                f"sagemaker:Describe{kind}",
                f"sagemaker:Delete{kind}",
                on=[self._named(resource)],
                why="their names end in a digest of what they are made with",
            )
        _allow_pass(handler, role.role)
        tuning = self._deployment.settings.tuning
        asked = {
            "WorkteamArn": self._deployment.settings.a2i_workteam_arn,
            "TaskCount": str(min(tuning.review_workers_per_task, flow_definition.MAX_TASK_COUNT)),
            "AvailableSeconds": str(tuning.review_timeout_seconds),
        }
        made = cdk.CustomResource(
            self,
            "FlowDefinition",
            service_token=handler.arn,
            resource_type="Custom::FlowDefinition",
            service_timeout=cdk.Duration.minutes(20),
            properties={
                "Name": f"{self._deployment.settings.name}-{digest(asked)}",
                "RoleArn": role.role.role_arn,
                "OutputPath": self._data_bucket.bucket.s3_url_for_object("reviews/a2i"),
                **asked,
            },
        )
        handler.permissions.before(made)
        role.before(made)
        return made.get_att_string("FlowDefinitionArn")

    def _flow_role(self) -> Permissions:
        """What A2I reads and writes with:
        https://docs.aws.amazon.com/sagemaker/latest/dg/a2i-permissions-security.html"""
        permissions = Permissions(self, "Loops", service=SERVICE)
        shown = [self._data_bucket.objects("images/"), self._data_bucket.objects("reviews/upright/")]
        permissions.allow("s3:GetObject", on=shown, why=IMAGES)
        permissions.allow("s3:PutObject", on=[self._data_bucket.objects("reviews/a2i/")], why=LOOPS)
        return permissions

    def _labelling(self) -> iam.Role:
        """What Ground Truth reads and writes with:
        https://docs.aws.amazon.com/sagemaker/latest/dg/sms-security-permission-execution-role.html"""
        permissions = Permissions(self, "Labelling", service=SERVICE)
        permissions.allow("s3:ListBucket", "s3:GetBucketLocation", on=[self._data_bucket.bucket.bucket_arn])
        permissions.allow("s3:GetObject", on=[self._data_bucket.objects("images/")], why=IMAGES)
        permissions.allow("s3:GetObject", on=[self._data_bucket.objects("reviews/")], why=BATCHES)
        permissions.allow(
            "s3:PutObject",
            "s3:AbortMultipartUpload",
            on=[self._data_bucket.objects("reviews/groundtruth/")],
            why=BATCHES,
        )
        kinds: tuple[Kind, ...] = ("detection", "classification")
        functions = [ground_truth_lambdas.of(self._workteam.split(":")[3], kind) for kind in kinds]
        permissions.allow(
            "lambda:InvokeFunction",
            on=sorted({arn for pair in functions for arn in (pair.before, pair.after)}),
        )
        permissions.allow(
            "cloudwatch:PutMetricData",
            "logs:CreateLogGroup",
            "logs:CreateLogStream",
            "logs:DescribeLogStreams",
            "logs:PutLogEvents",
            on=["*"],
            why="Ground Truth writes metrics and logs under names of its own, as its documentation asks",
        )
        return permissions.role


def _allow_pass(handler: Handler, role: iam.Role) -> None:
    handler.allow("iam:PassRole", on=[role.role_arn], when={"StringEquals": {"iam:PassedToService": SERVICE}})


def digest(asked: Mapping[str, str]) -> str:
    """Neither of the two can be changed once it is made: what is made otherwise has another name."""
    content = json.dumps([dict(asked), worker_template.for_loops()], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:12]
