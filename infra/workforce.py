"""The workforce of Amazon A2I and Ground Truth, if the deployment has one: its resources and its permissions.

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

_NAMED_BY_TASK = "a human loop is named by its task"
_NAMED_BY_BATCH = "a labeling job is named by its batch"
SERVICE = "sagemaker.amazonaws.com"


class Workforce(Construct):
    """The flow definition of A2I and the role of Ground Truth.

    Without the settings that name a work team or a flow definition it is empty, and its grants allow nothing.
    """

    def __init__(self, scope: Construct, id: str, deployment: Deployment, data_bucket: DataBucket) -> None:
        super().__init__(scope, id)
        self._deployment, self._data_bucket = deployment, data_bucket
        settings = deployment.settings
        self.flow_definition_arn = settings.a2i_flow_definition_arn
        """Empty without A2I."""
        if settings.a2i_workteam_arn:
            self.flow_definition_arn = self._flow_definition()
        self._workteam = settings.groundtruth_workteam_arn
        self._labeling_role = self._ground_truth_role() if self._workteam else None

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables of functions that work with the workforce."""
        variables = {}
        if self.flow_definition_arn:
            variables["A2I_FLOW_DEFINITION_ARN"] = self.flow_definition_arn
        if self._labeling_role:
            variables["GROUNDTRUTH_WORKTEAM_ARN"] = self._workteam
            variables["GROUNDTRUTH_ROLE_ARN"] = self._labeling_role.role_arn
        return variables

    # Human loops

    def grant_start_human_loop(self, handler: Handler) -> None:
        """Allow to start human loops and to show them their images."""
        if self.flow_definition_arn:
            handler.allow("sagemaker:StartHumanLoop", on=[self.flow_definition_arn])
            self._allow_human_loop(handler, "sagemaker:DescribeHumanLoop")
            self._grant_show(handler)

    def grant_read_human_loop(self, handler: Handler) -> None:
        """Allow to read the answers of a human loop's workers."""
        if self.flow_definition_arn:
            self._data_bucket.grant_read(handler, "reviews/")

    def grant_describe_human_loop(self, handler: Handler) -> None:
        """Allow to see whether a human loop has ended, and to read its answers."""
        self.grant_read_human_loop(handler)
        if self.flow_definition_arn:
            self._allow_human_loop(handler, "sagemaker:DescribeHumanLoop")

    def grant_stop_human_loop(self, handler: Handler) -> None:
        """Allow to stop human loops, to describe them, and to read their answers."""
        self.grant_describe_human_loop(handler)
        if self.flow_definition_arn:
            self._allow_human_loop(handler, "sagemaker:StopHumanLoop")

    def _allow_human_loop(self, handler: Handler, action: str) -> None:
        handler.allow(action, on=[self._arns("human-loop")], why=_NAMED_BY_TASK)

    # Labeling jobs

    def grant_start_labeling_job(self, handler: Handler) -> None:
        """Allow to start labeling jobs for the work team, and to show them their images."""
        if not self._labeling_role:
            return
        handler.allow(
            "sagemaker:CreateLabelingJob",
            on=[self._arns("labeling-job")],
            why=_NAMED_BY_BATCH,
            when={"ArnEquals": {"sagemaker:WorkteamArn": self._workteam}},
        )
        _allow_pass_role(handler, self._labeling_role)
        self._grant_show(handler)
        self._data_bucket.grant_put(handler, "reviews/groundtruth/")

    def grant_describe_labeling_job(self, handler: Handler) -> None:
        """Allow to see how far labeling jobs are."""
        if self._labeling_role:
            self._allow_labeling_job(handler, "sagemaker:DescribeLabelingJob")

    def grant_read_labeling_job(self, handler: Handler) -> None:
        """Allow to describe labeling jobs, and to read the answers of their workers."""
        self.grant_describe_labeling_job(handler)
        if self._labeling_role:
            self._data_bucket.grant_read(handler, "reviews/groundtruth/")

    def grant_stop_labeling_job(self, handler: Handler) -> None:
        """Allow to stop labeling jobs, to describe them, and to read their answers."""
        self.grant_read_labeling_job(handler)
        if self._labeling_role:
            self._allow_labeling_job(handler, "sagemaker:StopLabelingJob")

    def _allow_labeling_job(self, handler: Handler, action: str) -> None:
        handler.allow(action, on=[self._arns("labeling-job")], why=_NAMED_BY_BATCH)

    # Both

    def _grant_show(self, handler: Handler) -> None:
        """Allow to read an image's orientation, and to put an upright copy beside it for the workers."""
        self._data_bucket.grant_read(handler, "images/")
        self._data_bucket.grant_put(handler, "reviews/upright/")

    def _arns(self, resource: str) -> str:
        """ARN pattern of the deployment's SageMaker resources of a type."""
        return self._deployment.stack.format_arn(
            service="sagemaker", resource=resource, resource_name=f"{self._deployment.settings.name}-*"
        )

    # Resources

    def _flow_definition(self) -> str:
        """Make a human task UI and a flow definition: the ARN of the flow definition.

        CloudFormation has no type for flow definitions, so a custom resource makes both.
        """
        role = self._human_loop_role()
        handler = Handler(
            self,
            "FlowDefinitionHandler",
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
                on=[self._arns(resource)],
                why="the name ends in a digest of what it is made with",
            )
        _allow_pass_role(handler, role.role)
        tuning = self._deployment.settings.tuning
        properties = {
            "WorkteamArn": self._deployment.settings.a2i_workteam_arn,
            "TaskCount": str(min(tuning.review_workers_per_task, flow_definition.MAX_TASK_COUNT)),
            "AvailableSeconds": str(tuning.review_timeout_seconds),
        }
        resource = cdk.CustomResource(
            self,
            "FlowDefinition",
            service_token=handler.arn,
            resource_type="Custom::FlowDefinition",
            service_timeout=cdk.Duration.minutes(20),
            properties={
                "Name": f"{self._deployment.settings.name}-{digest(properties)}",
                "RoleArn": role.role.role_arn,
                "OutputPath": self._data_bucket.bucket.s3_url_for_object("reviews/a2i"),
                **properties,
            },
        )
        handler.permissions.before(resource)
        role.before(resource)
        return resource.get_att_string("FlowDefinitionArn")

    def _human_loop_role(self) -> Permissions:
        """The role that A2I reads images and writes answers with.

        https://docs.aws.amazon.com/sagemaker/latest/dg/a2i-permissions-security.html
        """
        permissions = Permissions(self, "HumanLoops", service=SERVICE)
        self._data_bucket.grant_read(permissions, "images/", "reviews/upright/")
        self._data_bucket.grant_put(permissions, "reviews/a2i/")
        return permissions

    def _ground_truth_role(self) -> iam.Role:
        """The role that Ground Truth reads images and writes answers with.

        https://docs.aws.amazon.com/sagemaker/latest/dg/sms-security-permission-execution-role.html
        """
        permissions = Permissions(self, "LabelingJobs", service=SERVICE)
        self._data_bucket.grant_list(permissions, "s3:GetBucketLocation")
        self._data_bucket.grant_read(permissions, "images/", "reviews/")
        self._data_bucket.grant_put(permissions, "reviews/groundtruth/")
        self._data_bucket.grant_abort_uploads(permissions, "reviews/groundtruth/")
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


def _allow_pass_role(handler: Handler, role: iam.Role) -> None:
    handler.allow("iam:PassRole", on=[role.role_arn], when={"StringEquals": {"iam:PassedToService": SERVICE}})


def digest(properties: Mapping[str, str]) -> str:
    """A digest of the properties and the worker template, which is part of the flow definition's name.

    Neither a flow definition nor a human task UI can be changed: one with other properties gets another name.
    """
    content = json.dumps([dict(properties), worker_template.for_loops()], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:12]
