"""What `labelloop doctor` says of one subject, and what it says where AWS does not let it look."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from botocore.exceptions import BotoCoreError, ClientError

from cli import deployment
from cli.doctor.account import Account


class State(StrEnum):
    """How bad a finding is."""

    FINE = "fine"
    HURTS = "will hurt"
    FAILS = "will fail"
    UNSEEN = "cannot be seen"


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        text: a sentence without a full stop.
        mend: the command or link that mends it; empty where nothing is to be done.
    """

    subject: str
    state: State
    text: str
    mend: str = ""


Findings = list[Finding]


@dataclass(frozen=True)
class Check:
    """One thing to look at.

    Attributes:
        examine: looks and judges; errors of AWS are told as what cannot be seen.
        embedded: whether the embedded stack has what it looks at.
    """

    subject: str
    examine: Callable[[Account], Findings]
    embedded: bool = True


DENIED = {
    "AccessDenied",
    "AccessDeniedException",
    "AuthorizationError",
    "AuthorizationErrorException",
    "NotAuthorizedException",
    "UnauthorizedOperation",
}
"""Codes by which services say that a permission is missing; each service has its own."""


def examine(check: Check, account: Account) -> Findings:
    """The findings of a check; one that says why, if it cannot be made."""
    if account.embedded and not check.embedded:
        return [unseen(check.subject, "not in the embedded stack")]
    try:
        return check.examine(account)
    except ClientError as error:
        return [_refused(check.subject, error)]
    except BotoCoreError as error:
        return [unseen(check.subject, deployment.explain(error))]


def fine(subject: str, text: str) -> Finding:
    return Finding(subject, State.FINE, text)


def hurts(subject: str, text: str, mend: str = "") -> Finding:
    return Finding(subject, State.HURTS, text, mend)


def fails(subject: str, text: str, mend: str = "") -> Finding:
    return Finding(subject, State.FAILS, text, mend)


def unseen(subject: str, text: str, mend: str = "") -> Finding:
    return Finding(subject, State.UNSEEN, text, mend)


def _refused(subject: str, error: ClientError) -> Finding:
    code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
    if code in DENIED:
        return unseen(
            subject,
            f"you may not call {error.operation_name}",
            f"ask for the permission: {message or code}",
        )
    return unseen(subject, deployment.explain(error))
