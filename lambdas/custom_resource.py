"""Responses to CloudFormation's custom resource requests: always one, or the stack would wait for an hour.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html : no answer has more than 4096
bytes.
"""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable
from typing import Any

from aws_lambda_powertools import Logger
from botocore.exceptions import ClientError

logger = Logger()
Work = Callable[[], dict[str, str]]
_MAX_REASON = 400
"""Characters, each of up to six bytes in the answer."""
PAUSES = (5, 10, 15, 30)
"""Seconds before what was refused is tried again. The role was made moments ago, and IAM does not know it
everywhere at once:
https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency"""
_REFUSED = ("AccessDenied", "AccessDeniedException")


def answered(event: dict[str, Any], physical_id: str, work: Work, *, secret: bool = False) -> None:
    """Do the work and send CloudFormation the result: attributes, or why it failed.

    Args:
        work: done again where a permission is not in force yet, so it has to bear that.
        secret: whether CloudFormation is to show the attributes to nobody.
    """
    try:
        data = _once_permitted(work)
    except Exception as error:
        logger.exception("failed")
        _send(event, physical_id, "FAILED", f"{type(error).__name__}: {error}", {})
    else:
        _send(event, physical_id, "SUCCESS", "", data, secret=secret)


def _once_permitted(work: Work) -> dict[str, str]:
    for pause in PAUSES:
        try:
            return work()
        except ClientError as error:
            if error.response["Error"]["Code"] not in _REFUSED:
                raise
            logger.info("not permitted yet", extra={"error": str(error)})
            time.sleep(pause)
    return work()


def _send(
    event: dict[str, Any],
    physical_id: str,
    status: str,
    reason: str,
    data: dict[str, str],
    *,
    secret: bool = False,
) -> None:
    body = {
        "Status": status,
        "Reason": reason[:_MAX_REASON] or "done",
        "PhysicalResourceId": physical_id,
        "StackId": event["StackId"],
        "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
        "Data": data,
        "NoEcho": secret,
    }
    request = urllib.request.Request(  # noqa: S310 CloudFormation's own presigned address
        event["ResponseURL"],
        data=json.dumps(body).encode(),
        method="PUT",
        headers={"Content-Type": ""},
    )
    urllib.request.urlopen(request, timeout=10).close()  # noqa: S310
