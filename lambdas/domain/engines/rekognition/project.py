"""The deployment's Rekognition project: made with a tag that says whose it is, and no other one taken.

Projects have tags, and ListTagsForResource takes their ARNs:
https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/mp-create-project.html
https://docs.aws.amazon.com/service-authorization/latest/reference/list_rekognition.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from lambdas.domain.engines.port import DEPLOYMENT_TAG, EngineError

if TYPE_CHECKING:
    from mypy_boto3_rekognition import RekognitionClient
    from mypy_boto3_rekognition.type_defs import ProjectDescriptionTypeDef


class ProjectRefusedError(EngineError):
    """The account has a project of the deployment's name that the deployment must not use."""


def ensure_project(rekognition: RekognitionClient, name: str, *, may_adopt: bool) -> str:
    """ARN of the deployment's project, made if there is none.

    A project stays when its stack is destroyed, and the next deployment of that name goes on with it.

    Args:
        may_adopt: whether a project is taken that no deployment has made.

    Raises:
        ProjectRefusedError: there is one of that name which is not this deployment's, or is being deleted.
    """
    project = _described(rekognition, name)
    if project is None:
        try:
            return rekognition.create_project(ProjectName=name, Tags={DEPLOYMENT_TAG: name})["ProjectArn"]
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceInUseException":
                raise
            # Another call has made it since, or one that Lambda repeats.
            project = _described(rekognition, name)
    if project is None:
        raise ProjectRefusedError(
            f"Rekognition has something named {name} that is no project of Custom Labels:"
            " deploy under another name"
        )
    if project.get("Status") == "DELETING":
        raise ProjectRefusedError(f"the project {name} is being deleted: deploy again in some minutes")
    arn = project["ProjectArn"]
    if rekognition.list_tags_for_resource(ResourceArn=arn)["Tags"].get(DEPLOYMENT_TAG) != name:
        if not may_adopt:
            raise ProjectRefusedError(
                f"the account has a Rekognition project {name} that LabelLoop has not made. LabelLoop would"
                " stop its models and replace its datasets: deploy under another name, or with the setting"
                " adopt_project=true if it may"
            )
        rekognition.tag_resource(ResourceArn=arn, Tags={DEPLOYMENT_TAG: name})
    return arn


def is_tagged(rekognition: RekognitionClient, arn: str) -> bool:
    """Whether a deployment has made the project, or taken it over."""
    return DEPLOYMENT_TAG in rekognition.list_tags_for_resource(ResourceArn=arn)["Tags"]


def _described(rekognition: RekognitionClient, name: str) -> ProjectDescriptionTypeDef | None:
    projects = rekognition.describe_projects(ProjectNames=[name])["ProjectDescriptions"]
    return projects[0] if projects else None
