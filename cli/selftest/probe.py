"""A question that only Rekognition itself can answer, and what it answers."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

T = TypeVar("T")
NO_ERROR = "no error"


class Verdict(StrEnum):
    """What an answer means for LabelLoop."""

    AS_ASSUMED = "as assumed"
    DIFFERS = "differs"
    UNANSWERED = "not answered"


@dataclass(frozen=True)
class Answer:
    """A question with what LabelLoop assumes, and what was answered."""

    question: str
    assumed: str
    answered: str
    verdict: Verdict


@dataclass(frozen=True)
class Probe(Generic[T]):
    """One question.

    Attributes:
        ask: asks on a bench, and returns the answer in the words of `assumed`.
    """

    question: str
    assumed: str
    ask: Callable[[T], str]


class UnansweredError(RuntimeError):
    """A probe cannot be made; the message says why."""


def put(probe: Probe[T], bench: T) -> Answer:
    """Ask a question. What goes wrong in asking is told, and keeps no other question from being asked."""
    try:
        answered = probe.ask(bench)
    except (UnansweredError, BotoCoreError, ClientError, KeyError, ValueError) as error:
        return Answer(probe.question, probe.assumed, f"{type(error).__name__}: {error}", Verdict.UNANSWERED)
    verdict = Verdict.AS_ASSUMED if answered == probe.assumed else Verdict.DIFFERS
    return Answer(probe.question, probe.assumed, answered, verdict)


def error_of(call: Callable[[], Any]) -> str:
    """The code of the error that AWS answers with, NO_ERROR if it does what was asked."""
    try:
        call()
    except ClientError as error:
        return error.response["Error"]["Code"]
    return NO_ERROR


def until(look: Callable[[], T | None], what: str, *, pause: float, timeout: float = 1800) -> T:
    """What `look` returns once that is true.

    Args:
        pause, timeout: in seconds.

    Raises:
        UnansweredError: it takes too long.
    """
    deadline = time.monotonic() + timeout
    while not (value := look()):
        if time.monotonic() > deadline:
            raise UnansweredError(f"waited {timeout:.0f} s in vain until {what}")
        time.sleep(pause)
    return value
