"""How the record of the champion's running changes: pure functions from what it was to what it is."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from lambdas.domain.detect.backlog import Backlog
from lambdas.domain.engines.port import Version
from lambdas.domain.serve.policy import DRAIN_TURNS, TURN_SECONDS
from lambdas.domain.shared import clock
from lambdas.domain.shared.reasons import MAX_REASON
from lambdas.domain.shared.records import Serving, ServingChange

LOOP = "labelloop"
"""By whom what nobody asked for is done."""
MAX_CHANGES = 20
"""That are kept on record."""
MAX_STARTS = 20
"""Starts whose time is kept."""
MAX_START_SECONDS = 3600
"""A start that took longer says nothing of the next ones: nobody looked meanwhile, or a clock was set."""
MAX_LETTERS = MAX_REASON
"""Of a reason, and of a name."""
MIN_MEASURED = 20
"""Images from which a rate is worth something."""
FIRST_RETRY, LAST_RETRY = timedelta(minutes=2), timedelta(hours=1)


class UnknownRequestError(ValueError):
    """Something was asked of the champion that it does not know."""


def asked(before: Serving, request: str, by: str, why: str, *, is_running: bool, at: str = "") -> Serving:
    """Somebody wants something of the champion.

    Args:
        at: when it was asked for; empty: now. Lambda may deliver an event again, after minutes or hours, and
            not in order: it must not undo what a person has said since.
            https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
    """
    if at and at <= before.asked_at:
        return before
    by, why, now = by[:MAX_LETTERS] or "somebody", why[:MAX_LETTERS], min(at or clock.now(), clock.now())
    awaited = replace(before, awaited_by=by, is_awaited=not is_running)
    # Who used it last may be heard before who used it earlier.
    awaited = replace(awaited, awaited_at=max(now, min(before.awaited_at, clock.now())))
    if request == "use":
        return replace(awaited, is_awaited=before.is_awaited)
    if request == "wake":
        return before if before.asked == "stop" else awaited
    person = {"asked_by": by, "asked_at": now, "asked_why": why}
    if request == "start":
        ready = replace(awaited, asked="start", failures=0, retry_at="", **person)
        return _noted(ready, by, "start", why)
    if request == "stop":
        stopped = replace(before, asked="stop", is_awaited=False, awaited_at="", **person)
        return _noted(stopped, by, "stop", why)
    raise UnknownRequestError(f"{request!r} is not one of start, stop, wake, use")


def is_asked_the_same(before: Serving, after: Serving) -> bool:
    """Whether nobody has asked for anything between two looks at the record."""
    members = ("asked", "asked_at", "awaited_at", "is_awaited")
    return all(getattr(before, member) == getattr(after, member) for member in members)


def seen(
    before: Serving, version: Version | None, images: int, backlog: Backlog, *, is_scheduled: bool = False
) -> Serving:
    """What a look has shown.

    Args:
        is_scheduled: it is the first look of a turn that the schedule, and not somebody, has begun.
        version: the champion, None if Rekognition does not have it.
        images: all that champions have answered for.
    """
    after = _of_use(_in_the_past(before), images, version, backlog)
    if is_scheduled and after.state == "asleep":
        after = replace(after, turns_asleep=min(after.turns_asleep + 1, DRAIN_TURNS))
    if version is None or version.status != "RUNNING":
        return after
    if after.start_asked_at:
        took = clock.seconds_between(after.start_asked_at, clock.now())
        if took <= MAX_START_SECONDS:
            after = replace(after, start_seconds=(*after.start_seconds, round(took, 1))[-MAX_STARTS:])
    if after.is_awaited:
        # Only now it can be used.
        after = replace(after, is_awaited=False, awaited_at=clock.now())
    return replace(after, start_asked_at="", failures=0, retry_at="", trouble="")


def _of_use(before: Serving, images: int, version: Version | None, backlog: Backlog) -> Serving:
    now = clock.now()
    if images == before.used_images and (before.used_at or version is None):
        return before
    used = replace(before, used_at=now, used_images=images)
    answered, passed = images - before.used_images, clock.seconds_between(before.used_at or now, now)
    if version and backlog.images and answered >= MIN_MEASURED and 0 < passed <= 2 * TURN_SECONDS:
        # Many waited all the time, so that is what it can do. It may have had all of its units.
        units = max(version.inference_units, version.max_inference_units)
        used = replace(used, unit_rate=round(answered / passed / units, 4))
    return used


def _in_the_past(before: Serving) -> Serving:
    """The record without moments that have not come yet: a clock was wrong when they were written."""
    now = clock.now()
    latest = clock.to_iso(clock.parse(now) + LAST_RETRY)
    return replace(
        before,
        used_at=min(before.used_at, now),
        awaited_at=min(before.awaited_at, now),
        start_asked_at=min(before.start_asked_at, now),
        asked_at=min(before.asked_at, now),
        retry_at=min(before.retry_at, latest),
    )


def awake(before: Serving, reason: str) -> Serving:
    """It is to run from now on."""
    if before.state == "awake":
        return replace(before, reason=reason)
    return _noted(replace(before, state="awake", since=clock.now(), reason=reason), LOOP, "wakes", reason)


def asleep(before: Serving, reason: str, *, is_scheduled: bool = False) -> Serving:
    """It is not to run from now on; nobody is to ask it any more."""
    sleeps = replace(before, state="asleep", since=clock.now(), reason=reason, start_asked_at="")
    sleeps = replace(sleeps, failures=0, retry_at="", trouble="", turns_asleep=int(is_scheduled))
    return _noted(sleeps, LOOP, "sleeps", reason) if before.state == "awake" else sleeps


def refused(before: Serving, why: str, *, idle_seconds: int) -> Serving:
    """The budget does not let it be started.

    What somebody has asked for lapses then after a while: who wanted it last week does not want it at the
    beginning of the next month.
    """
    is_new = bool(before.awaited_at) and clock.seconds_between(before.awaited_at, clock.now()) < idle_seconds
    return replace(before, trouble=why, is_awaited=before.is_awaited and is_new)


def untroubled(before: Serving) -> Serving:
    """What keeps it from being started is of no interest while it is to sleep."""
    return replace(before, trouble="") if before.state == "asleep" else before


def starting(before: Serving, reason: str, *, has_failed: bool) -> Serving:
    """It is about to be started; after a start that has failed the next one waits, ever longer."""
    failures = before.failures + 1 if has_failed and before.start_asked_at else before.failures
    wait = min(FIRST_RETRY * 2 ** min(failures, 10), LAST_RETRY)
    retry_at = clock.to_iso(clock.parse(clock.now()) + wait) if failures else ""
    begun = replace(awake(before, reason), trouble="", start_asked_at=clock.now())
    begun = replace(begun, failures=failures, retry_at=retry_at)
    return _noted(begun, LOOP, "starts again", "its last start has failed") if failures else begun


def _noted(serving: Serving, by: str, what: str, why: str) -> Serving:
    change = ServingChange(clock.now(), by, what, why)
    return replace(serving, changes=(*serving.changes, change)[-MAX_CHANGES:])
