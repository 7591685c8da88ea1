"""console_site: the custom resources of the console: its published page, and the key of thumbnails' links."""

from __future__ import annotations

import json
import secrets
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas import custom_resource
from lambdas.domain.console import site
from lambdas.services import services

logger = Logger()


@logger.inject_lambda_context
def handle(event: dict[str, Any], context: LambdaContext) -> None:
    """A CloudFormation custom resource request."""
    custom_resource.answered(event, event["ResourceProperties"]["SiteBucket"], lambda: _do(event))


def _do(event: dict[str, Any]) -> dict[str, str]:
    properties = event["ResourceProperties"]
    if event["RequestType"] == "Delete":
        site.empty(services().s3, properties["SiteBucket"])
        return {}
    asset = properties["AssetBucket"], properties["AssetKey"]
    kept = site.publish(services().s3, asset, properties["SiteBucket"], json.loads(properties["Config"]))
    logger.info("published", extra={"files": kept})
    return {}


@logger.inject_lambda_context
def make_key(event: dict[str, Any], context: LambdaContext) -> None:
    """A CloudFormation custom resource request: its attribute `Key` is a new secret."""
    key = "" if event["RequestType"] == "Delete" else secrets.token_hex(32)
    custom_resource.answered(event, "thumbnail-key", lambda: {"Key": key}, secret=True)
