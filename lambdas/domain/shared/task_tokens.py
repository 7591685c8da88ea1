"""Task tokens: what an execution waits with until somebody lets it go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

ENDED = {"TaskDoesNotExist", "TaskTimedOut", "InvalidToken"}
"""Errors of an execution that waits no longer:
https://docs.aws.amazon.com/step-functions/latest/apireference/API_SendTaskSuccess.html"""


def succeed(stepfunctions: SFNClient, token: str, output: str) -> bool:
    """Let the execution go on that waits with this token: False if it waits no longer.

    Args:
        output: what the task ends with, as JSON.
    """
    try:
        stepfunctions.send_task_success(taskToken=token, output=output)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ENDED:
            raise
        return False
    return True
