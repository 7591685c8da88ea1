"""The ledger of what Rekognition bills: every training, and every hour that a model version runs.

Rekognition charges for the hours that a model is running and for the inference units that it uses meanwhile
(https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/running-model.html), and for the training
hours that it names in BillableTrainingTimeInSeconds
(https://docs.aws.amazon.com/rekognition/latest/APIReference/API_ProjectVersionDescription.html). It does not
say since when a model has run, so that is worked out from one look at Rekognition after the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from lambdas.domain.engines.port import Version
from lambdas.domain.shared import clock
from lambdas.domain.shared.records import LedgerEntry, LedgerHead
from lambdas.domain.shared.state import LoopState

BILLED = ("RUNNING", "STOPPING")
"""States in which a version's units are counted. "You are charged for the amount of time that the model is
running" (https://docs.aws.amazon.com/rekognition/latest/APIReference/API_StartProjectVersion.html): not while
it starts. AWS does not say whether the minutes in which it stops are billed; they are counted, as a bill may
be lower than the ledger, but should not be higher."""
MAX_SKEW_SECONDS = 120
"""How far two callers' clocks, or the moments between their look and their write, may lie apart."""
MAX_STEP_SECONDS = 3600
"""A look that comes later than this after the one before it counts once the next look confirms its time."""
MAX_OUTAGE_SECONDS = 2 * 86400
"""The longest time without a look in which what ran before and afterwards is taken to have run."""
SECOND_LOOK_SECONDS = 30
"""After which what starts or stops is looked at again, rather than after a minute: if one of the looks is
killed, the ledger is still off by a minute at most."""
_ATTEMPTS = 5
_MAX_BOOKED_AT_ONCE = 50
"""A transaction takes 100 items:
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html"""


def observe(loop_state: LoopState, versions: Iterable[Version], at: str) -> LedgerHead:
    """Bring the ledger up to what Rekognition says now: the ledger's end after that.

    Any number of callers may do so at once, and any of them may be killed: the ledger moves in one write.
    What began or ended between two looks is taken to have done so in the middle between them, so that with a
    look each minute it is half a minute off at most.

    Args:
        versions: all of the project's. One that is not among them does not exist any more.
        at: when Rekognition was asked.
    """
    versions = list(versions)
    for _ in range(_ATTEMPTS):
        before = loop_state.ledger_head()
        after, entries = advanced(before, versions, at)
        if after == before:
            return before
        after = replace(after, revision=before.revision + 1)
        if loop_state.write_ledger(after, entries):
            return after
    # Others were faster each time, and saw the same.
    return loop_state.ledger_head()


def is_changing(versions: Iterable[Version]) -> bool:
    """Whether a version is about to be billed, or not to be any more."""
    return any(version.status in ("STARTING", "STOPPING") for version in versions)


def advanced(
    before: LedgerHead, versions: Sequence[Version], at: str
) -> tuple[LedgerHead, list[LedgerEntry]]:
    """The ledger's end after a look at Rekognition, and what is to be added to the ledger.

    A clock that jumps moves nothing until a second look has confirmed its time. The time between is counted
    if it can be one in which nobody looked; of a clock that was set back, or days ahead, nobody knows how
    much time has passed: what ran ends with the look before, and begins anew.
    """
    closed: list[LedgerEntry] = []
    if before.at:
        step = clock.seconds_between(before.at, at)
        if -MAX_SKEW_SECONDS <= step < 0:
            # Somebody who looked a moment later has written already.
            return before, []
        if not 0 <= step <= MAX_STEP_SECONDS and not _confirms(before.doubted_at, at):
            return replace(before, doubted_at=at), []
        if not 0 <= step <= MAX_OUTAGE_SECONDS:
            closed = [piece for entry in before.running for piece in _by_month(entry)]
            before = replace(before, at="", running=())
    running, ended = _units(before, versions, at)
    booked, trainings = _trainings(before, versions, at)
    after = replace(
        before,
        at=at,
        running=running,
        training=tuple(_under_way(version, before, at) for version in versions if _is_training(version)),
        booked=booked,
        doubted_at="",
    )
    return after, [*(entry for entry in closed if entry.seconds), *ended, *trainings]


def _confirms(doubted_at: str, at: str) -> bool:
    return bool(doubted_at) and 0 <= clock.seconds_between(doubted_at, at) <= MAX_STEP_SECONDS


# Units


def _units(
    before: LedgerHead, versions: Sequence[Version], at: str
) -> tuple[tuple[LedgerEntry, ...], list[LedgerEntry]]:
    """What runs now, and what has ended: that of months that are over, too."""
    running = {version.name: version for version in versions if _is_billed(version)}
    middle = _middle(before.at or at, at)
    ended: list[LedgerEntry] = []
    under_way: list[LedgerEntry] = []
    for entry in before.running:
        version = running.get(entry.version)
        if version and _units_of(version) == entry.units:
            *over, last = _by_month(_until(entry, at))
            ended += over
            under_way.append(last)
            del running[entry.version]
        else:
            ended += _by_month(_until(entry, max(entry.since, middle)))
    for version in running.values():
        *over, last = _by_month(_entry("units", version, middle, at, _units_of(version)))
        ended += over
        under_way.append(last)
    return tuple(under_way), [entry for entry in ended if entry.seconds]


def _is_billed(version: Version) -> bool:
    return version.status in BILLED and not version.is_always_on


def _units_of(version: Version) -> int:
    """The inference units that a version is counted with.

    Where Rekognition may add units by itself, DescribeProjectVersions does not say how many are in service:
    then all that may be are counted, so that the bill is not higher than the ledger.
    """
    return max(version.inference_units, version.max_inference_units)


def _by_month(entry: LedgerEntry) -> Iterator[LedgerEntry]:
    """The entry, cut where a month ends. AWS bills by months in UTC.

    https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_payments_BillingPeriod.html
    """
    while (ends := _next_month(entry.since)) < entry.until:
        yield _until(entry, ends)
        entry = _until(replace(entry, since=ends), entry.until)
    yield entry


def _next_month(at: str) -> str:
    year, month = int(at[:4]), int(at[5:7])
    return clock.to_iso(datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC))


def _middle(earlier: str, later: str) -> str:
    first, last = clock.parse(earlier), clock.parse(later)
    return clock.to_iso(first + (last - first) / 2)


# Trainings


def _is_training(version: Version) -> bool:
    return version.status == "TRAINING_IN_PROGRESS"


def _trainings(
    before: LedgerHead, versions: Sequence[Version], at: str
) -> tuple[tuple[str, ...], list[LedgerEntry]]:
    """Whose training is in the ledger now, and the entries of those that are to be added."""
    due = [
        version
        for version in versions
        if version.name not in before.booked
        and (version.billable_seconds or version.status == "TRAINING_FAILED")
    ][:_MAX_BOOKED_AT_ONCE]
    names = {version.name for version in versions}
    booked = [name for name in before.booked if name in names] + [version.name for version in due]
    return tuple(booked), [_trained(version, at) for version in due]


def _trained(version: Version, at: str) -> LedgerEntry:
    """The entry of a training that has ended, by Rekognition's own answer; one that failed bills no seconds.

    "The duration, in seconds, that you were billed for a successful training":
    https://docs.aws.amazon.com/rekognition/latest/APIReference/API_ProjectVersionDescription.html
    """
    ended_at = version.training_ended_at or at
    began_at = min(version.training_began_at or ended_at, ended_at)
    return replace(_entry("training", version, began_at, ended_at), seconds=version.billable_seconds)


def _under_way(version: Version, before: LedgerHead, at: str) -> LedgerEntry:
    first = next((entry.since for entry in before.training if entry.version == version.name), at)
    return _entry("training", version, min(version.training_began_at or first, at), at)


# Entries


def _entry(what: str, version: Version, since: str, until: str, units: int = 1) -> LedgerEntry:
    region = version.arn.split(":")[3]
    kind = "units" if what == "units" else "training"
    return _until(LedgerEntry(kind, version.name, region, since, since, 0, units), until)


def _until(entry: LedgerEntry, until: str) -> LedgerEntry:
    return replace(entry, until=until, seconds=clock.seconds_between(entry.since, until))
