"""What the loop keeps on record: runs, model versions, leases, the champion; and how each is an item.

Whatever a crash left half written can be read: a member that was not written yet is None or empty.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict, field, fields
from typing import Any, Literal, TypeVar

from lambdas.domain.shared.annotation import Kind
from lambdas.domain.shared.dynamodb import from_item, to_item

# At run time too: the HTTP API's document is made of the members' types.
from lambdas.domain.shared.frozen import frozen
from lambdas.domain.shared.scores import LabelScore, Scores, Verdict

LeaseName = Literal["retrain", "promote"]
Outcome = Literal["running", "promoted", "rejected", "trained", "skipped", "failed"]
"""How a run ended, or that it has not. Trained: a version was trained again, and was not to be promoted."""
VersionState = Literal[
    "training", "trained", "challenger", "pending", "champion", "retired", "rejected", "failed"
]
"""A pending version has passed the gates, and waits for a person's approval."""
ApprovalDecision = Literal["approved", "declined"]
BatchState = Literal["waking", "running", "merging", "done", "cancelled", "failed"]
"""How far a batch is. One whose images are still being counted or sent has no record yet."""
LIVE_BATCH_STATES: frozenset[BatchState] = frozenset({"waking", "running", "merging"})
"""States of a batch that keeps its model version running."""


@frozen
class RunStep:
    """A state of the run's execution, and the seconds that were spent in it."""

    step: str
    seconds: float


@frozen
class SnapshotSummary:
    """A snapshot's content in numbers: images by dataset, and of each label."""

    kind: Kind | None = None
    train_images: int = 0
    test_images: int = 0
    labels: int = 0
    """How many there are; the counts below may hold fewer."""
    train_labels: Mapping[str, int] = field(default_factory=dict)
    test_labels: Mapping[str, int] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Labelled images that are not in it, by reason."""
    crossing_groups: int = 0
    not_as_requested: int = 0
    manifest_bytes: Mapping[str, int] = field(default_factory=dict)
    train_backgrounds: int = 0
    """Images with nothing on them, which are not among train_images."""
    test_backgrounds: int = 0


@frozen
class Run:
    """A run of the loop, from a burst of new images to a verdict on the model trained on them."""

    id: str
    execution: str | None = None
    """ARN of its state machine execution."""
    trigger: str | None = None
    started_by: str | None = None
    """The person who started it by hand, as far as that is known."""
    engine: str | None = None
    """The engine that it was started for; empty: the deployment's usual one."""
    outcome: Outcome | None = None
    reason: str | None = None
    started_at: str | None = None
    ended_at: str | None = None
    seconds: float | None = None
    cutoff: str | None = None
    """Changes up to here are in its snapshot."""
    snapshot: str | None = None
    images: SnapshotSummary | None = None
    data_report: str | None = None
    """The verdict of the snapshot's report."""
    stopped: bool | None = None
    """Something in the snapshot has to be corrected before it can be trained on."""
    flagged_entries: Mapping[str, int] | None = None
    """By dataset: entries that Rekognition found errors in, and trains without."""
    waits_for: str | None = None
    """What the run cannot go on without, such as a free training slot; empty once it has it."""
    version: str | None = None
    version_number: int | None = None
    f1: float | None = None
    held: bool | None = None
    """Something other than its images kept it from its training: the next run takes them over."""
    forecast_usd: float | None = None
    """What its training and shadow gate were expected to cost, before they began."""
    billable_seconds: float | None = None
    estimated_usd: float | None = None
    """What it has cost by the ledger: its training, and what its version ran until the run ended."""
    usd_per_hour: float | None = None
    """What its version costs in an hour; missing if that did not run any more when the run ended."""
    labels: tuple[LabelScore, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    steps: tuple[RunStep, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The record as JSON: what is not known is left out, lists are always there."""
        return _document(self)


@frozen
class Approval:
    """What a person has decided about a version that had passed the gates, or what its deadline did."""

    decision: ApprovalDecision
    by: str
    """Empty: nobody had decided at the deadline."""
    at: str
    why: str = ""
    asked_at: str = ""
    promotion: str = ""
    """The execution that has asked: a version may be asked about again."""


@frozen
class PendingApproval:
    """That a version waits for a person to approve it; its id is the version's name."""

    id: str
    token: str
    """Of the execution that waits. Whoever has it can let that go on, so it is shown to nobody."""
    execution: str
    run: str
    """The execution of the run that the promotion belongs to; empty if there is none."""
    champion: str
    """The version that it was compared with; empty if there was none."""
    asked_at: str
    deadline: str
    notified: bool = False
    """Whether people have got their letter."""


@frozen
class AwaitedTraining:
    """That a run waits for the end of a training; its id is the version's name."""

    id: str
    token: str
    """Of the execution that waits. Whoever has it can let that go on, so it is shown to nobody."""


@frozen
class NeededImages:
    """Test images that the gates could not decide without; no counts: the last challenger was decided."""

    version: str = ""
    """The challenger that they were undecided about."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """About how many more of each label would have settled it."""


@frozen
class ModelVersion:
    """A model version, from the beginning of its training; its id is its name in Rekognition."""

    id: str
    number: int | None = None
    arn: str | None = None
    state: VersionState | None = None
    reason: str | None = None
    """Why it was rejected or has failed."""
    snapshot: str | None = None
    """That it was trained on, or, of one that was released to the deployment, whose test images it is judged
    by."""
    run: str | None = None
    created_at: str | None = None
    started_at: str | None = None
    """When its endpoint was last started to be tested."""
    promoted_at: str | None = None
    retired_at: str | None = None
    deleted_at: str | None = None
    """When it was deleted from Rekognition, as the project had no room for another."""
    f1: float | None = None
    f1_interval: tuple[float, ...] = ()
    """In which its true F1 lies with 95 % confidence: two ends; none where its test images are too few."""
    shadow: Scores | None = None
    """Scores through its endpoint, on the shadow images."""
    approval: Approval | None = None
    """Where a person was asked."""
    settings: Mapping[str, Any] | None = None
    """The tuning when its evaluation was judged."""
    hours: float | None = None
    labels: tuple[LabelScore, ...] = ()
    verdicts: tuple[Verdict, ...] = ()

    @property
    def trained_on(self) -> str | None:
        """The snapshot that it was trained on; None if it was not trained by this deployment."""
        return None if is_released(self.id) else self.snapshot

    def as_dict(self) -> dict[str, Any]:
        """The record as JSON: what is not known is left out, lists are always there."""
        return _document(self)


@frozen
class Lease:
    """A lock, so that one run or one promotion at a time goes on; its holder is an execution's ARN."""

    id: str
    holder: str
    since: str


@frozen
class WaitingImage:
    """An image under detect/ that found no champion; it is asked about again once one serves.

    There is one record for each image, however often its event comes. Nothing forgets it: queues keep
    messages for 14 days at most, and a champion may sleep for longer.
    """

    id: str
    """When it came, and digits of the hash of what it is: in the order of their ids the oldest are first."""
    arrived_at: str
    key: str
    version_id: str = ""
    """Empty if the event named none."""
    failures: int = 0
    """How often it could not be answered, though a champion ran."""
    kept: str = ""
    """Names this very time that it was kept; another one of the same image has another name."""


@frozen
class Champion:
    """The model version that serves."""

    version_arn: str
    version_name: str
    since: str
    previous_version_arn: str = ""
    previous_version_name: str = ""


@frozen
class ServingChange:
    """Something that was decided about the champion's running: by whom, when and why."""

    at: str
    by: str
    """A person, or `labelloop`."""
    what: str
    """`start` and `stop` of a person; `wakes`, `sleeps` and `failed` of the loop."""
    why: str


@frozen
class Serving:
    """Whether the champion is to run: what a person has said about it, and what the loop has made of it.

    It is about whichever version is the champion. Before anything was written it is awake.
    """

    revision: int = 0
    """Of the item, for writes that two callers make at once; 0: it was never written."""
    asked: Literal["", "start", "stop"] = ""
    """What a person has said last; `stop` holds until somebody says `start`."""
    asked_by: str = ""
    asked_at: str = ""
    asked_why: str = ""
    state: Literal["awake", "asleep"] = "awake"
    """Asleep from the decision on: detections under way come to their end before it is stopped."""
    since: str = ""
    reason: str = ""
    turns_asleep: int = 0
    """Turns of the schedule since it is asleep, this one included; they are a minute apart, whatever a clock
    says. Counted to DRAIN_TURNS."""
    start_asked_at: str = ""
    """When Rekognition was last asked to start it; empty once it was seen running."""
    failures: int = 0
    """Starts that have failed since it was last seen running."""
    retry_at: str = ""
    """Before then it is not started again, since the last start has failed."""
    trouble: str = ""
    """What keeps it from being started; empty once it runs."""
    awaited_at: str = ""
    """When somebody asked for it last, or it began to run for who had; it runs until it was idle since."""
    awaited_by: str = ""
    is_awaited: bool = False
    """Somebody has asked for it, and it has not run since."""
    used_at: str = ""
    """When it was last seen to have answered for images under detect/, or first seen at all."""
    used_images: int = 0
    """Those that the loop had counted then."""
    start_seconds: tuple[float, ...] = ()
    """What its last starts have taken."""
    unit_rate: float = 0.0
    """Images that an inference unit answered in a second when many waited; 0: never measured."""
    changes: tuple[ServingChange, ...] = ()
    """The last ones, newest last."""


@frozen
class Progress:
    """How far the loop has come: what was changed after `cutoff` has not been trained on.

    `ticket` names the next automatic run, so that any number of requests start it once. `stopped_at`: up to
    here changes are known not to be enough, for the last run was stopped by what they left wrong; empty if
    it was not. `needs_usd`: what the last run was going to cost, if that held it back; the next run starts
    once the budget allows as much.
    """

    cutoff: str = ""
    ticket: str = ""
    stopped_at: str = ""
    needs_usd: float = 0.0

    @property
    def next_run(self) -> str:
        """The name of the next run that starts by itself: the same until a run has used it up."""
        return f"images-{self.ticket}"


@frozen
class DatasetSync:
    """What the project's dataset holds: a snapshot (empty: nobody knows), or something on the way to another.

    Of the changes that lead to snapshot `target`, the first `sent` entries were sent; an empty target: none.
    """

    snapshot: str = ""
    target: str = ""
    sent: int = 0
    arn: str = ""
    """Of the dataset that this is about; empty if none was made yet."""
    changed_at: str = ""
    """When it was last created, or last sent changes."""
    updated_before: str = ""
    """When Rekognition had last updated it before these were sent."""


@frozen
class Batch:
    """Many images that one model version is asked about, by one state machine execution at a time."""

    id: str
    """Its name."""
    source: str = ""
    """What its images were listed from, as whoever made it wrote that."""
    created_by: str = ""
    version: str = ""
    """Name of the model version that answers for all of it; empty until its first execution chose one."""
    version_arn: str = ""
    state: BatchState = "waking"
    total: int = 0
    """Images that it has."""
    answered: int = 0
    """Images with a line in the results so far, those that failed included."""
    failed: int = 0
    """Of these the images that could not be looked at, each for the reason in its line."""
    units: int = 0
    """Inference units that its version is started with; 0: as the settings say."""
    started_units: int = 0
    """Inference units that it has started its version with; 0: that ran already."""
    start_asked_at: str = ""
    """When it has asked for that start; empty once its version was seen running."""
    asks_since: str = ""
    """When the workers of its last execution began."""
    asks_units: int = 0
    """Inference units that its version had then; 0: as many as Rekognition saw fit."""
    answered_before: int = 0
    """Images that had a line in the results then."""
    unit_rate: float = 0.0
    """Images that an inference unit answered in a second; 0: it were too few to tell."""
    review_limit: int = 0
    """Unsure images that are proposed for review at most."""
    proposed: int = 0
    """Those that were."""
    coco: bool = False
    """Its results are wanted in the format COCO as well."""
    created_at: str = ""
    started_at: str = ""
    """When its last execution began; a resumed batch has had several."""
    ended_at: str = ""
    execution_arn: str = ""
    """Its last execution; of a batch that ended it is that one."""
    waits_for: str = ""
    """What it cannot go on without, such as a free model slot of the account."""
    reason: str = ""
    """Why it failed or was cancelled, in a sentence, and what helps."""

    @property
    def is_live(self) -> bool:
        """Whether it keeps its model version running."""
        return self.state in LIVE_BATCH_STATES


@frozen
class Hold:
    """That a model version is to go on running, as a batch asks it; its id is the batch's name.

    It is there from a batch's beginning to its end, and is taken away by the sweeper where an execution could
    not do so.
    """

    id: str
    version: str
    version_arn: str
    execution_arn: str
    since: str
    units: int = 1
    """Inference units that the version is started with."""


@frozen
class ClassIds:
    """The number that each label has for programs: the same in every version, and never another label's."""

    revision: int = 0
    """Of the item, for writes that two callers make at once; 0: it was never written."""
    numbers: Mapping[str, int] = field(default_factory=dict)

    def with_labels(self, labels: Iterable[str]) -> ClassIds:
        """The same with the next numbers for those of the labels that have none."""
        new = sorted(set(labels) - set(self.numbers))
        first = max(self.numbers.values(), default=-1) + 1
        numbered = {label: first + position for position, label in enumerate(new)}
        return ClassIds(self.revision, {**self.numbers, **numbered}) if new else self


@frozen
class Incident:
    """That something is wrong, since when, and that people were told."""

    id: str
    since: str = ""
    text: str = ""


SERVERLESS_SUFFIX = "-serverless"
"""Ends the names of model versions of the engine `serverless`, and of no others."""


_RELEASED = re.compile(rf"-of-\d{{12}}({SERVERLESS_SUFFIX})?$")


def released_name(version: str, account: str) -> str:
    """What a model version is called in the deployment of another account that it was released to."""
    suffix = SERVERLESS_SUFFIX if is_serverless(version) else ""
    return f"{version.removesuffix(SERVERLESS_SUFFIX)}-of-{account}{suffix}"


def is_released(version: str) -> bool:
    """Whether a model version of this name was released to the deployment, and not trained by it."""
    return _RELEASED.search(version) is not None


def is_serverless(version: str) -> bool:
    """Whether a model version of this name is of the engine `serverless`."""
    return version.endswith(SERVERLESS_SUFFIX)


SERVING = "serving function"
"""Stands in the ledger where others have a model version: the function answers for all of its engine."""


@frozen
class LedgerEntry:
    """Something that is billed by time: a model version's units while it ran, its training, or a day's
    answers of the engine serverless.

    Units never run over the end of a month, so that what a month cost is in that month's entries.
    """

    what: Literal["units", "training", "answers"]
    version: str
    region: str
    since: str
    until: str
    seconds: float
    """That are billed: of units those from `since` to `until`; of a training what its engine says; of answers
    those in which the function ran."""
    units: int = 1
    """Inference units; of answers how many."""

    @property
    def id(self) -> str:
        """Its key: the month that it counts for comes first."""
        month = (self.until if self.what == "training" else self.since)[:7]
        return f"{month}#{self.what}#{self.since}#{self.version}"


@frozen
class LedgerHead:
    """The end of the ledger: what is under way, as of the last look at Rekognition."""

    at: str = ""
    """When that look was; empty before the first one."""
    running: tuple[LedgerEntry, ...] = ()
    """Units that run, counted until the last look."""
    training: tuple[LedgerEntry, ...] = ()
    """Trainings under way, with the seconds that they have taken so far."""
    booked: tuple[str, ...] = ()
    """Versions whose training is in the ledger."""
    doubted_at: str = ""
    """The time of a look that was left out, as it lay too far from the one before it."""
    revision: int = 0
    """Grows with each write."""


AnyRecord = (
    Run
    | ModelVersion
    | Lease
    | Champion
    | Serving
    | Progress
    | DatasetSync
    | WaitingImage
    | LedgerEntry
    | LedgerHead
    | Batch
    | Hold
    | ClassIds
    | PendingApproval
    | AwaitedTraining
    | NeededImages
)
Record = TypeVar(
    "Record",
    Run,
    ModelVersion,
    Lease,
    Champion,
    Serving,
    Progress,
    DatasetSync,
    WaitingImage,
    LedgerEntry,
    LedgerHead,
    ClassIds,
    Incident,
    Batch,
    Hold,
    PendingApproval,
    AwaitedTraining,
    NeededImages,
)


def read(kind: type[Record], item: Mapping[str, Any]) -> Record:
    """The record that an item of the table holds; attributes that it does not know are left out."""
    values = _known(kind, from_item(dict(item)))
    return kind(**{name: _READERS.get(name, _as_it_is)(value) for name, value in values.items()})


def attributes(record: AnyRecord) -> dict[str, Any]:
    """The attributes of an item that holds the record: its members that are set."""
    return {name: to_item(value) for name, value in asdict(record).items() if value not in (None, ())}


def _known(kind: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    return {member.name: values[member.name] for member in fields(kind) if member.name in values}


def _outline(kind: Any, *, without: Collection[str]) -> tuple[str, ...]:
    return tuple(member.name for member in fields(kind) if member.name not in without)


RUN_OUTLINE = (
    *_outline(Run, without=("images", "labels", "verdicts", "steps")),
    *(
        f"images.{name}"
        for name in _outline(SnapshotSummary, without=("train_labels", "test_labels", "left_out"))
    ),
)
"""Members of a run that do not grow with the number of labels, as paths in its item."""
VERSION_OUTLINE = _outline(ModelVersion, without=("labels", "verdicts", "shadow", "settings"))
"""The same of a model version."""


def _document(record: Run | ModelVersion) -> dict[str, Any]:
    return {name: _plain(value) for name, value in asdict(record).items() if value is not None}


def _plain(value: Any) -> Any:
    """The value with lists for tuples, as JSON has them."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(inner) for inner in value]
    return value


def _label_score(value: Mapping[str, Any]) -> LabelScore:
    return LabelScore(
        label=value["label"],
        f1=value.get("f1", 0.0),
        precision=value.get("precision", 0.0),
        recall=value.get("recall", 0.0),
        test_images=value.get("test_images", 0),
        threshold=value.get("threshold"),
    )


def _label_scores(values: list[Mapping[str, Any]]) -> tuple[LabelScore, ...]:
    return tuple(_label_score(value) for value in values)


def _scores(value: Mapping[str, Any]) -> Scores:
    return Scores(value["f1"], _label_scores(value["labels"]))


def _approval(value: Mapping[str, Any]) -> Approval:
    return Approval(**_known(Approval, value))


def _verdicts(values: list[Mapping[str, Any]]) -> tuple[Verdict, ...]:
    return tuple(Verdict(value["gate"], value["passed"], tuple(value["reasons"])) for value in values)


def _steps(values: list[Mapping[str, Any]]) -> tuple[RunStep, ...]:
    return tuple(RunStep(value["step"], value["seconds"]) for value in values)


def _changes(values: list[Mapping[str, Any]]) -> tuple[ServingChange, ...]:
    return tuple(ServingChange(value["at"], value["by"], value["what"], value["why"]) for value in values)


def _summary(value: Mapping[str, Any]) -> SnapshotSummary:
    return SnapshotSummary(**_known(SnapshotSummary, value))


def _ledger_entries(values: list[Mapping[str, Any]]) -> tuple[LedgerEntry, ...]:
    return tuple(LedgerEntry(**_known(LedgerEntry, value)) for value in values)


def _as_it_is(value: Any) -> Any:
    return value


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "approval": _approval,
    "booked": tuple,
    "f1_interval": tuple,
    "changes": _changes,
    "start_seconds": tuple,
    "images": _summary,
    "labels": _label_scores,
    "running": _ledger_entries,
    "shadow": _scores,
    "steps": _steps,
    "training": _ledger_entries,
    "verdicts": _verdicts,
}
