"""Looks once an hour whether what arrives has changed, says so once, and starts a run if that is wanted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote

from botocore.exceptions import ClientError

from lambdas.domain.drift import counting, reference, statistics
from lambdas.domain.drift.counts import Counts, median, merged
from lambdas.domain.drift.observations import Observations, thresholds_name
from lambdas.domain.drift.reference import NoReferenceError
from lambdas.domain.drift.statistics import Change
from lambdas.domain.retrain import holds
from lambdas.domain.shared import clock
from lambdas.domain.shared.dynamodb import from_item, to_item

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_stepfunctions import SFNClient

    from lambdas.domain.engines.port import Engine
    from lambdas.domain.retrain.notification import Notifier
    from lambdas.domain.shared.records import ModelVersion
    from lambdas.domain.shared.state import LoopState
    from lambdas.domain.shared.tuning import Tuning

WINDOWS: Mapping[str, int] = {"today": 1, "7 days": 7, "28 days": 28}
"""Stretches of time that are looked at, in days, today (UTC) among them. A short one shows a great change
soon, a long one a small change, or one of few images."""
ENDS_AFTER = timedelta(days=7)
"""An alarm ends once nothing was seen for so long, or with its version."""
STARTS_AFTER = timedelta(days=7)
"""After a run that drift has started and that has trained, before it starts the next one."""
MAX_EXECUTION_NAME = 80
"""https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html"""
_HOUR_DIGITS = len("2026-11-28T23")
_PART = "drift"


@dataclass(frozen=True)
class Finding:
    """A change as people are told of it."""

    kind: str
    label: str
    window: str
    p_value: float
    before: float | None
    """Of the test images: the median, or of a label the share of images that show it."""
    now: float | None
    text: str

    @property
    def feature(self) -> str:
        return f"{self.kind}:{self.label}" if self.label else self.kind


@dataclass(frozen=True)
class DriftState:
    """What is known about the drift of what a version is asked about."""

    version: str
    looked_at: str = ""
    """When it was last looked; empty before the first time."""
    problem: str = ""
    """Why nothing could be compared then; empty if it could."""
    test_images: int = 0
    arrived: Mapping[str, int] = field(default_factory=dict)
    """Images by window."""
    findings: tuple[Finding, ...] = ()
    """What has changed, the surest first; of an alarm, also what was last seen some days ago."""
    since: str = ""
    """When the alarm began; empty if there is none."""
    seen_at: str = ""
    """When a change was seen last."""
    announced: tuple[str, ...] = ()
    """Features that people have heard of."""


@dataclass(frozen=True)
class Watch:
    """Looks after what the champion is asked about."""

    observations: Observations
    loop_state: LoopState
    s3: S3Client
    bucket: str
    engine: Engine
    notifier: Notifier
    stepfunctions: SFNClient
    retrain_machine_arn: str

    def look(self, tuning: Tuning, now: str) -> DriftState | None:
        """Look at the champion, unless that was done in this hour: how it stands; None without a champion."""
        champion = self.loop_state.champion()
        record = self.loop_state.version(champion.version_name) if champion else None
        if record is None:
            return None
        before = read_state(self.observations, record.id)
        if before.looked_at[:_HOUR_DIGITS] == now[:_HOUR_DIGITS]:
            return before
        after = self._compared(record, before, tuning, now)
        if new := [finding for finding in after.findings if finding.feature not in before.announced]:
            self._tell(after, new, tuning)
            after = replace(after, announced=tuple(finding.feature for finding in after.findings))
        write_state(self.observations, after)
        return after

    def _compared(self, record: ModelVersion, before: DriftState, tuning: Tuning, now: str) -> DriftState:
        looked = replace(before, looked_at=now, problem="")
        try:
            looks = reference.read(
                self.s3,
                self.bucket,
                record,
                self.engine.describe_version(record.id),
                tuning.label_thresholds,
            )
        except NoReferenceError as error:
            return _ended(replace(looked, problem=str(error)), now)
        tested = reference.counted(looks)
        arrived = windows(self.observations, record.id, tuning.label_thresholds, now)
        labels = {score.label for score in record.labels} | set(tested.labels)
        changed = statistics.changes(tested, arrived, labels, tuning.drift_false_alarm_rate)
        findings = [describe(change, tested, arrived[change.window]) for change in changed]
        images = {name: counts.images for name, counts in arrived.items()}
        looked = replace(looked, test_images=tested.images, arrived=images)
        if findings:
            since = before.since or now
            return replace(looked, findings=tuple(findings), since=since, seen_at=now)
        return _ended(looked, now)

    def _tell(self, state: DriftState, new: list[Finding], tuning: Tuning) -> None:
        """Send the letter, and start a run if the settings say so; both can happen twice."""
        is_first = not state.announced
        started = self._start_run(state, tuning) if is_first and tuning.drift_starts_training else ""
        texts = "\n".join(f"- {finding.text}" for finding in new)
        page = f"{self.notifier.console}production/{quote(state.version, safe='')}"
        self.notifier.warn(
            f"what {state.version} is asked about has changed",
            f"What arrives is not as the test images of {state.version}:\n{texts}\n"
            "So its figures on them tell less of what it does now. Pictures of both, and how precise it is in"
            f" production: {page}\n{started or _HELP}",
        )

    def _start_run(self, state: DriftState, tuning: Tuning) -> str:
        if reason := self._started_lately() or holds.why_held(
            self.loop_state, tuning, clock.now(), adds_usd=0
        ):
            return f"No run was started: {reason}."
        name = run_name(state)
        try:
            self.stepfunctions.start_execution(
                stateMachineArn=self.retrain_machine_arn, name=name, input=json.dumps({"trigger": "drift"})
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ExecutionAlreadyExists":
                raise
        return f"The run {name} was started; it trains on what was labelled since the last one."

    def _started_lately(self) -> str:
        """That drift has led to a training a short time ago, else nothing.

        The next champion is tested on mostly the same images, and what arrives is as unlike them as before:
        each would start the training of the one after it.
        """
        due = clock.to_iso(clock.parse(clock.now()) - STARTS_AFTER)
        trained = (run for run in self.loop_state.runs() if run.trigger == "drift" and run.version)
        last = next(trained, None)
        if last is None or (last.started_at or "") <= due:
            return ""
        return (
            f"drift started one on {clock.minute(last.started_at or '')} already, and starts none for"
            f" {STARTS_AFTER.days} days after it; `labelloop train` starts one at once"
        )


def run_name(state: DriftState) -> str:
    """What the run is called that an alarm starts: the same each time, so that it starts one.

    The hour comes first, as a version that was released twice has a name of 62 letters.
    """
    return f"drift-{state.since[:_HOUR_DIGITS]}-{state.version}"[:MAX_EXECUTION_NAME]


_HELP = (
    "Label some of what arrives, so that the next version is trained and tested on it:"
    " `labelloop settings set review_sample_rate` says how much of it is reviewed."
)


def _ended(state: DriftState, now: str) -> DriftState:
    """Without its alarm, if nothing was seen for long enough, be it that nothing could be compared."""
    is_over = state.seen_at and clock.parse(now) - clock.parse(state.seen_at) >= ENDS_AFTER
    return replace(state, findings=(), since="", seen_at="", announced=()) if is_over else state


def windows(
    observations: Observations, version: str, thresholds: Mapping[str, float], now: str
) -> dict[str, Counts]:
    """What has arrived, by stretch of time; only what was answered with these thresholds."""
    today = clock.parse(now).date()
    first = {name: str(today - timedelta(days=days - 1)) for name, days in WINDOWS.items()}
    name_now = thresholds_name(thresholds)
    days = {
        day: counts
        for (day, name), counts in counting.counts_of(observations, version, min(first.values())).items()
        if name == name_now
    }
    return {
        name: merged(counts for day, counts in days.items() if day >= since) for name, since in first.items()
    }


def describe(change: Change, tested: Counts, arrived: Counts) -> Finding:
    """A change in words, with what it is on either side."""
    if change.kind == "label":
        before = tested.labels[change.label] / tested.images
        now = arrived.labels[change.label] / arrived.images
    else:
        before = median(change.kind, tested.bins[change.kind])
        now = median(change.kind, arrived.bins[change.kind])
    text = _text(change, before, now)
    return Finding(change.kind, change.label, change.window, change.p_value, before, now, text)


def _text(change: Change, before: float | None, now: float | None) -> str:
    when = "today" if change.window == "today" else f"in the last {change.window}"
    if before is None or now is None:
        return f"{change.kind} of what arrives, {when}"
    match change.kind:
        case "label":
            return (
                f"{100 * now:.1f} % of the images {when} show {change.label},"
                f" of the test images {100 * before:.1f} %"
            )
        case "detections":
            noun = "detection" if now == 1 else "detections"
            return f"half of the images {when} have {now:g} {noun} or fewer, of the test images {before:g}"
        case "confidence":
            return (
                f"half of the images {when} have a mean confidence of about {now:.0f} % or less,"
                f" of the test images {before:.0f} %"
            )
        case "size":
            return (
                f"on half of the images {when} objects take {100 * now:.0f} % of a side or less on average,"
                f" on the test images {100 * before:.0f} %"
            )


def read_state(observations: Observations, version: str) -> DriftState:
    """What is known of a version."""
    item = observations.table.get_item(Key=_key(version), ConsistentRead=True).get("Item")
    if not item:
        return DriftState(version)
    known = from_item(item)
    values = {member.name: known[member.name] for member in fields(DriftState) if member.name in known}
    values["findings"] = tuple(Finding(**finding) for finding in values.get("findings", ()))
    values["announced"] = tuple(values.get("announced", ()))
    return DriftState(**values)


def write_state(observations: Observations, state: DriftState) -> None:
    """Keep what is known of a version."""
    observations.table.put_item(Item=_key(state.version) | to_item(asdict(state)))


def _key(version: str) -> dict[str, str]:
    return {"id": f"version#{version}", "part": _PART}
