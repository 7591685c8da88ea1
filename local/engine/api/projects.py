"""CreateProject, DescribeProjects, DeleteProject."""

from __future__ import annotations

from local.engine import arns
from local.engine.api.context import Answer, Caller, Context, Request
from local.engine.api.datasets import described_status
from local.engine.errors import InvalidParameterException, LimitExceededException, ResourceInUseException
from local.engine.quotas import PAGE
from local.engine.storage.store import AlreadyThereError, InUseError, Project, TooManyError


class Projects:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._store = context.store

    def create_project(self, request: Request, caller: Caller) -> Answer:
        feature = request.get("Feature", "CUSTOM_LABELS")
        if feature != "CUSTOM_LABELS":
            raise InvalidParameterException("Feature: this engine has projects of CUSTOM_LABELS only")
        if "AutoUpdate" in request:
            raise InvalidParameterException("AutoUpdate is for projects of the feature CONTENT_MODERATION")
        name, now = request["ProjectName"], self._context.clock.now()
        arn = arns.project(caller.region, caller.account, name, now)
        project = Project(arn, caller.account, caller.region, name, feature, "CREATED", now / 1000)
        try:
            self._store.add_project(
                project, tags=request.get("Tags", {}), limit=self._context.quotas.projects
            )
        except AlreadyThereError as error:
            raise ResourceInUseException(f"ProjectName: a project named {name} already exists") from error
        except TooManyError as error:
            raise LimitExceededException(f"The account has {error} projects; delete one first") from error
        return {"ProjectArn": arn}

    def describe_projects(self, request: Request, caller: Caller) -> Answer:
        names = request.get("ProjectNames")
        features = request.get("Features", ["CUSTOM_LABELS"])
        projects = [
            project
            for project in self._store.projects(caller.account, caller.region)
            if (names is None or project.name in names) and project.feature in features
        ]
        page, more = self._context.pages.page(
            f"DescribeProjects of {caller.account} in {caller.region}",
            request,
            projects,
            lambda project: [project.created, project.arn],
            size=PAGE,
        )
        return {"ProjectDescriptions": [self._describe(project) for project in page], **more}

    def delete_project(self, request: Request, caller: Caller) -> Answer:
        project = self._context.project(request["ProjectArn"], caller)
        try:
            self._store.delete_project(project.arn)
        except InUseError as error:
            raise ResourceInUseException(
                f"Delete the model versions and datasets of {project.arn} first"
            ) from error
        return {"Status": "DELETING"}

    def _describe(self, project: Project) -> Answer:
        datasets = [
            {
                "CreationTimestamp": dataset.created,
                "DatasetType": dataset.type,
                "DatasetArn": dataset.arn,
                **described_status(dataset),
            }
            for dataset in self._store.datasets(project.arn)
        ]
        return {
            "ProjectArn": project.arn,
            "CreationTimestamp": project.created,
            "Status": project.status,
            "Datasets": datasets,
            "Feature": project.feature,
        }
