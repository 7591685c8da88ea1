"""The Rekognition project. It is made with the stack; before the stack is deleted, its models are stopped."""

from __future__ import annotations

import aws_cdk as cdk
from constructs import Construct, IDependable

from infra.deployment import NAMED_AT_START, Deployment, executions_of
from infra.handler import Handler
from infra.loop_state import LoopState
from infra.serverless import Serverless

_NAMED_AT_RUN_TIME = "datasets and model versions get their names and creation times when the loop makes them"
_CREATION_TIME = "a project's ARN ends in its creation time, which is not known before it is made"
_NO_RESOURCE_LEVEL = (
    "CreateProject and DescribeProjects have no resource-level permissions:"
    " https://docs.aws.amazon.com/service-authorization/latest/reference/list_rekognition.html"
)
_OWNERS = "a model that runs in a project of nobody's is named to people, and its tags say whose it is"
_SHARED_QUOTAS = "where a quota is used up, people are told by which of the account's projects"


class RekognitionProject(Construct):
    """The project, and the custom resources that make it and stop its models.

    Args:
        serverless: the deployment's other engine: who may do something with the versions of one may do it
            with those of the other.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        deployment: Deployment,
        *,
        loop_state: LoopState,
        serverless: Serverless | None = None,
    ) -> None:
        super().__init__(scope, id)
        self._deployment = deployment
        # The function below makes and stops what is Rekognition's alone.
        self._serverless: Serverless | None = None
        name = deployment.settings.name
        machines = [deployment.state_machine_arn(step) for step in ("retrain", "promote", "batch", "review")]
        handler = Handler(
            self,
            "Project",
            deployment,
            entry="lambdas.rekognition_project.handle",
            description="Makes the Rekognition project; on destroy, ends runs and stops every model version",
            timeout=900,
            environment=loop_state.environment,
        )
        loop_state.grant_get(handler)
        loop_state.grant_write(handler, "LEASE")
        handler.allow("rekognition:CreateProject", on=["*"], why=_NO_RESOURCE_LEVEL)
        handler.allow(
            "rekognition:ListTagsForResource",
            "rekognition:TagResource",
            on=[self._arn("*")],
            why=_CREATION_TIME,
        )
        self.grant_describe_project(handler)
        self.grant_describe_versions(handler)
        self.grant_stop(handler)
        handler.allow("states:ListExecutions", on=machines)
        handler.allow(
            "states:StopExecution",
            on=[executions_of(machine) for machine in machines],
            why=NAMED_AT_START,
        )
        project = cdk.CustomResource(
            self,
            "Resource",
            service_token=handler.arn,
            resource_type="Custom::RekognitionProject",
            properties={
                "ProjectName": name,
                "AdoptProject": "true" if deployment.settings.adopt_project else "false",
            },
        )
        self._stopped = cdk.CustomResource(
            self,
            "ModelsStopped",
            service_token=handler.arn,
            resource_type="Custom::ModelsStopped",
            properties={"ProjectName": name, "MachineArns": machines},
        )
        # A project that is refused is another's: its models go on.
        self._stopped.node.add_dependency(project)
        if serverless:
            # On destroy the loop is closed first, so that no further training job begins.
            self._stopped.node.add_dependency(serverless.jobs_stopped)
        for resource in (project, self._stopped):
            handler.permissions.before(resource)
        self.arn = project.get_att_string("ProjectArn")
        self._serverless = serverless

    def tell_engines(self, handler: Handler) -> None:
        """Let a function know which engines there are, though it may do nothing with them."""
        if self._serverless:
            self._serverless.tell(handler)

    def grant_describe_project(self, handler: Handler) -> None:
        """Allow to see the project and its datasets' ARNs."""
        handler.allow("rekognition:DescribeProjects", on=["*"], why=_NO_RESOURCE_LEVEL)

    def grant_describe_versions(self, handler: Handler) -> None:
        """Allow to see how far trainings are, and which model versions run."""
        if self._serverless:
            self._serverless.grant_describe(handler)
        handler.allow("rekognition:DescribeProjectVersions", on=[self._arn("*")], why=_CREATION_TIME)

    def grant_describe_account(self, handler: Handler) -> None:
        """Allow to see what else the account trains and runs, as all of its projects share quotas."""
        self.grant_describe_project(handler)
        every_version = self._deployment.stack.format_arn(
            service="rekognition", resource="project", resource_name="*"
        )
        handler.allow("rekognition:DescribeProjectVersions", on=[every_version], why=_SHARED_QUOTAS)

    def grant_describe_owners(self, handler: Handler) -> None:
        """Allow to see what runs in the account, and in whose projects."""
        self.grant_describe_account(handler)
        every_project = self._deployment.stack.format_arn(
            service="rekognition", resource="project", resource_name="*"
        )
        handler.allow("rekognition:ListTagsForResource", on=[every_project], why=_OWNERS)

    def grant_manage_datasets(self, handler: Handler) -> None:
        """Allow to create, fill, describe and delete the project's datasets."""
        if self._serverless:
            self._serverless.grant_datasets(handler)
        handler.allow("rekognition:CreateDataset", on=[self.arn])
        handler.allow(
            "rekognition:UpdateDatasetEntries",
            "rekognition:DeleteDataset",
            "rekognition:DescribeDataset",
            on=[self._arn("dataset/*/*")],
            why=_NAMED_AT_RUN_TIME,
        )

    def grant_train(self, handler: Handler) -> None:
        """Allow to train model versions."""
        if self._serverless:
            self._serverless.grant_train(handler)
        self.grant_describe_account(handler)
        handler.allow(
            "rekognition:CreateProjectVersion",
            "rekognition:TagResource",
            on=[self.arn, self._versions],
            why=_NAMED_AT_RUN_TIME,
        )

    def grant_cancel_trainings(self, handler: Handler) -> None:
        """Allow to end trainings, where an engine can do that."""
        if self._serverless:
            self._serverless.grant_cancel(handler)

    def grant_count_answers(self, handler: Handler) -> None:
        """Allow to see what answers cost that are paid one by one."""
        if self._serverless:
            self._serverless.grant_count_answers(handler)

    def grant_delete_versions(self, handler: Handler) -> None:
        """Allow to delete model versions, for want of room."""
        handler.allow("rekognition:DeleteProjectVersion", on=[self._versions], why=_NAMED_AT_RUN_TIME)

    def grant_start(self, handler: Handler) -> None:
        """Allow to start model versions."""
        self.grant_describe_account(handler)
        handler.allow("rekognition:StartProjectVersion", on=[self._versions], why=_NAMED_AT_RUN_TIME)

    def grant_stop(self, handler: Handler) -> None:
        """Allow to stop model versions."""
        handler.allow("rekognition:StopProjectVersion", on=[self._versions], why=_NAMED_AT_RUN_TIME)

    def grant_detect(self, handler: Handler) -> None:
        """Allow to detect labels with model versions."""
        if self._serverless:
            self._serverless.grant_detect(handler)
        handler.allow("rekognition:DetectCustomLabels", on=[self._versions], why=_NAMED_AT_RUN_TIME)

    def stop_models_before(self, *constructs: IDependable) -> None:
        """When the stack is deleted, stop the models first, while all of `constructs` still exist."""
        self._stopped.node.add_dependency(*constructs)

    def _arn(self, resource: str) -> str:
        return self._deployment.stack.format_arn(
            service="rekognition",
            resource="project",
            resource_name=f"{self._deployment.settings.name}/{resource}",
        )

    @property
    def _versions(self) -> str:
        """ARN pattern of the project's model versions."""
        return self._arn("version/*/*")
