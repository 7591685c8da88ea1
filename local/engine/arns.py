"""ARNs of projects, datasets and model versions.

Formats: "Resource types defined by Amazon Rekognition",
https://docs.aws.amazon.com/service-authorization/latest/reference/list_rekognition.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_RESOURCE = re.compile(
    r"project/(?P<project>[a-zA-Z0-9_.\-]{1,255})"
    r"(/dataset/(?P<dataset>train|test)|/version/(?P<version>[a-zA-Z0-9_.\-]{1,255}))?/(?P<created>[0-9]+)"
)


@dataclass(frozen=True)
class Arn:
    region: str
    account: str
    kind: str
    """project, dataset or projectversion"""
    project: str
    version: str = ""


def parse(arn: str) -> Arn | None:
    """The parts of a Custom Labels ARN; None if it is not one."""
    parts = arn.split(":", 5)
    resource = _RESOURCE.fullmatch(parts[5]) if len(parts) == 6 else None
    if resource is None or parts[2] != "rekognition":
        return None
    kind = "dataset" if resource["dataset"] else "projectversion" if resource["version"] else "project"
    return Arn(parts[3], parts[4], kind, resource["project"], resource["version"] or "")


def project(region: str, account: str, name: str, millis: int) -> str:
    return f"arn:aws:rekognition:{region}:{account}:project/{name}/{millis}"


def dataset(region: str, account: str, project_name: str, dataset_type: str, millis: int) -> str:
    kind = dataset_type.lower()
    return f"arn:aws:rekognition:{region}:{account}:project/{project_name}/dataset/{kind}/{millis}"


def version(region: str, account: str, project_name: str, version_name: str, millis: int) -> str:
    return f"arn:aws:rekognition:{region}:{account}:project/{project_name}/version/{version_name}/{millis}"
