"""The Lambda functions that AWS runs before and after the workers of Ground Truth's built-in task types.

Accounts and names: HumanTaskConfig's PreHumanTaskLambdaArn and AnnotationConsolidationConfig's
AnnotationConsolidationLambdaArn in SageMaker's API model, and
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_HumanTaskConfig.html
"""

from __future__ import annotations

from collections.abc import Mapping

from lambdas.domain.review.workforce.errors import RouteError
from lambdas.domain.shared.annotation import Kind
from lambdas.domain.shared.frozen import frozen

ACCOUNTS: Mapping[str, str] = {
    "ap-northeast-1": "477331159723",
    "ap-northeast-2": "845288260483",
    "ap-south-1": "565803892007",
    "ap-southeast-1": "377565633583",
    "ap-southeast-2": "454466003867",
    "ca-central-1": "918755190332",
    "eu-central-1": "203001061592",
    "eu-west-1": "568282634449",
    "eu-west-2": "487402164563",
    "us-east-1": "432418664414",
    "us-east-2": "266458841044",
    "us-west-2": "081040173940",
}
"""AWS's account that has the functions, by Region; Ground Truth's built-in task types are in no other."""

NAMES: Mapping[Kind, str] = {"detection": "BoundingBox", "classification": "ImageMultiClassMultiLabel"}
"""The task type: an image of LabelLoop's can have several image-level labels."""


@frozen
class Functions:
    """ARNs of the functions before and after the workers."""

    before: str
    """Makes of a line of the input manifest what a worker sees."""
    after: str
    """Makes one annotation of the workers' answers."""


def of(region: str, kind: Kind) -> Functions:
    """Raises RouteError: Ground Truth's built-in task types are not in this Region."""
    account = ACCOUNTS.get(region)
    if account is None:
        where = ", ".join(sorted(ACCOUNTS))
        raise RouteError(
            f"Ground Truth labels no images in {region}, but in {where}: set review_route to another route"
        )
    function = f"arn:aws:lambda:{region}:{account}:function:"
    return Functions(f"{function}PRE-{NAMES[kind]}", f"{function}ACS-{NAMES[kind]}")
