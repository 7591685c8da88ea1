"""The Rekognition project: made with the stack; before the stack goes, every model of it is stopped."""

from __future__ import annotations

import aws_cdk as cdk
from constructs import Construct, IDependable

from infra.deployment import NAMED_AT_START, Deployment, executions_of
from infra.handler import Handler
from infra.loop_state import LoopState

MADE_AT_RUN_TIME = "datasets and model versions get their names and creation times when the loop makes them"


class RekognitionProject(Construct):
    def __init__(self, scope: Construct, id: str, deployment: Deployment, *, loop_state: LoopState) -> None:
        super().__init__(scope, id)
        self._deployment = deployment
        name = deployment.settings.name
        machines = [deployment.state_machine_arn(step) for step in ("retrain", "promote", "review")]
        handler = Handler(
            self,
            "Project",
            deployment,
            entry="lambdas.rekognition_project.handle",
            description="Makes the Rekognition project; on destroy, ends runs and stops every model version",
            timeout=900,
            environment=loop_state.environment,
        )
        loop_state.grant_read_write(handler)
        handler.allow("rekognition:CreateProject", on=[self._arn("*")], why=_MADE)
        handler.allow("rekognition:DescribeProjects", on=["*"], why=_DESCRIBE)
        self.grant_watch(handler)
        handler.allow("rekognition:StopProjectVersion", on=[self.versions], why=MADE_AT_RUN_TIME)
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
            properties={"ProjectName": name},
        )
        self._stopped = cdk.CustomResource(
            self,
            "ModelsStopped",
            service_token=handler.arn,
            resource_type="Custom::ModelsStopped",
            properties={"ProjectName": name, "MachineArns": machines},
        )
        for resource in (project, self._stopped):
            handler.permissions.before(resource)
        self.arn = project.get_att_string("ProjectArn")

    @property
    def versions(self) -> str:
        """ARN pattern of the project's model versions."""
        return self._arn("version/*/*")

    @property
    def datasets(self) -> str:
        """ARN pattern of the project's datasets."""
        return self._arn("dataset/*/*")

    def grant_watch(self, handler: Handler) -> None:
        handler.allow("rekognition:DescribeProjectVersions", on=[self._arn("*")], why=_MADE)

    def stop_models_before(self, *constructs: IDependable) -> None:
        """On destroy, stop the models while these are still there: first of all."""
        self._stopped.node.add_dependency(*constructs)

    def _arn(self, resource: str) -> str:
        return self._deployment.stack.format_arn(
            service="rekognition",
            resource="project",
            resource_name=f"{self._deployment.settings.name}/{resource}",
        )


_MADE = "a project's ARN ends in its creation time, which is not known before it is made"
_DESCRIBE = "DescribeProjects has no resource-level permissions"
