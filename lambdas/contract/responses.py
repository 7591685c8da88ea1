"""What the HTTP API answers: the documents of its responses, every member always there.

They are made as they are and not checked at run time; the tests check every one that they get.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from lambdas.contract.base import Response, Timestamp
from lambdas.contract.requests import AnswerBox
from lambdas.domain.retrain.steps import Step
from lambdas.domain.retrain.training_progress import TrainingProgress
from lambdas.domain.review.desk.limits import State
from lambdas.domain.review.desk.limits import Verdict as AnswerVerdict
from lambdas.domain.review.desk.task import Reason
from lambdas.domain.shared.annotation import Kind
from lambdas.domain.shared.records import BatchState, Outcome, SnapshotSummary, VersionState
from lambdas.domain.shared.scores import LabelScore, Verdict

# The review desk


class Me(Response):
    """Who is signed in, and to which deployment."""

    sub: str
    name: str
    groups: list[str]
    deployment: str


class Queue(Response):
    """How much there is to do."""

    open: Annotated[int, Meta(description="Tasks that wait for answers.")]
    left: Annotated[int, Meta(description="Those of them that this reviewer has claimed or can claim now.")]
    skipped: Annotated[int, Meta(description="Those of them that this reviewer has skipped.")]
    answered_today: Annotated[int, Meta(description="By this reviewer, since midnight UTC.")]


class LabelExample(Response):
    """A picture that shows what a label means."""

    image: Annotated[str, Meta(description="SHA-256.")]
    url: str


class Label(Response):
    """A label that reviewers may use."""

    label: str
    colour: Annotated[str, Meta(description="`#rrggbb`.")]
    key: Annotated[str, Meta(description="Of the keyboard; empty if it has none.")]
    instruction: str
    examples: list[LabelExample]
    retired: Annotated[bool, Meta(description="Shown where it is used, not offered any more.")]
    renamed_to: Annotated[str, Meta(description="What a retired label is called now; empty if the same.")]


class Labels(Response):
    """Every label, retired ones last."""

    labels: list[Label]


class SuggestedBox(Response):
    """An object that the champion sees. Whole pixels of the upright image, confidence from 0 to 100."""

    label: str
    confidence: float
    left: int
    top: int
    width: int
    height: int


class SuggestedLabel(Response):
    """A label of the whole image that the champion sees. Confidence from 0 to 100."""

    label: str
    confidence: float


class TaskSuggestions(Response):
    """What the champion sees, to be corrected rather than drawn."""

    boxes: list[SuggestedBox]
    labels: list[SuggestedLabel]


class RenamedLabel(Response):
    """What one part of a renaming has done."""

    label: Annotated[Label, Meta(description="The label as it is called now.")]
    searched: Annotated[int, Meta(description="Images that were looked at.")]
    relabelled: Annotated[int, Meta(description="Those of them that had the old label.")]
    cursor: Annotated[str | None, Meta(description="To be sent with the next part; null after the last.")]


class LabelImages(Response):
    """Images that have a label, to choose examples from."""

    images: list[LabelExample]


class TaskSummary(Response):
    """A review task as everybody may see it. Width and height in pixels of the upright image."""

    id: str
    image: Annotated[str, Meta(description="SHA-256.")]
    width: int
    height: int
    kind: Kind
    reason: Reason
    why: Annotated[str, Meta(description="The reason in words, or why it was given back.")]
    created_at: Timestamp
    suggestions: TaskSuggestions
    suggested_by: Annotated[str | None, Meta(description="Model version.")]
    drafted_from: Annotated[
        int,
        Meta(
            description="Labelled images that a head on frozen features was fitted to, which made the"
            " suggestions as a draft; 0 if they are no draft."
        ),
    ]
    wanted: Annotated[int, Meta(description="Answers that it takes.")]
    answers: Annotated[int, Meta(description="Answers that it has.")]


class Task(TaskSummary):
    """A review task as the reviewer sees it who has claimed it."""

    url: Annotated[str, Meta(description="Of the image, for minutes.")]
    url_expires_at: Timestamp
    until: Annotated[str, Meta(description="When the claim ends; empty if there is none.")]


class Tasks(Response):
    """Tasks that were claimed."""

    tasks: list[Task]


class Renewal(Response):
    """A claim whose time has begun anew."""

    until: Timestamp


class AnswerReceipt(Response):
    """What an answer has made of its task."""

    state: State
    wanted: int
    answers: int


class GivenAnswer(Response):
    """An answer about a task. Boxes in whole pixels of the upright image."""

    reviewer: Annotated[str, Meta(description="The subject: two people may have one name.")]
    name: str
    verdict: AnswerVerdict
    boxes: list[AnswerBox]
    labels: list[str]
    reason: str
    at: Timestamp


class AnsweredTask(Task):
    """A task that the reviewer has answered, with the answer, which they can correct."""

    state: State
    answer: GivenAnswer
    corrected: Annotated[bool, Meta(description="Whether it supersedes one that they gave before.")]


class AnsweredTasks(Response):
    """The reviewer's last answers, the newest first."""

    tasks: list[AnsweredTask]


# Administration


class TaskClaim(Response):
    """Who has claimed a task; `handed_on`: they have answered, and the workers' queue has the answer."""

    reviewer: str
    name: str
    until: str
    kind: Literal["claimed", "handed_on"]


class AdminTask(TaskSummary):
    """A review task as administrators see it."""

    state: State
    age_seconds: int
    claims: list[TaskClaim]
    outcome: Annotated[AnswerVerdict | Literal[""], Meta(description="Of a task that is done.")]


class AdminTaskDetail(AdminTask):
    """A review task with its image and its answers."""

    url: Annotated[str, Meta(description="Of the image, for minutes.")]
    finished_at: Annotated[str, Meta(description="Empty while it is open.")]
    given: Annotated[list[GivenAnswer], Meta(description="The answers that count, one of each reviewer.")]
    superseded: Annotated[list[GivenAnswer], Meta(description="Answers that were corrected since.")]


class TaskCounts(Response):
    """Tasks by state, counted to 10,000."""

    open: int
    claimed: int
    done: int
    given_back: int
    deleted: int


class AdminTasks(Response):
    """A page of tasks."""

    tasks: list[AdminTask]
    counts: TaskCounts
    cursor: Annotated[str | None, Meta(description="Where the next page begins; null after the last.")]


class DraftedLabel(Response):
    """How often drafts of a label were right."""

    label: str
    right: Annotated[int, Meta(description="Drafts that reviewers confirmed.")]
    wrong: Annotated[int, Meta(description="Drafts that they removed.")]
    low: Annotated[
        float, Meta(description="From here to `high` the share of right ones lies with 95 % probability.")
    ]
    high: float


class LearningPoint(Response):
    """F1 of heads on frozen features that learned from so many labels."""

    labels: int
    f1: float
    f1_random: Annotated[
        float | None,
        Meta(description="Had all of them been chosen at random; null where there are too few such."),
    ]


class LearningGain(Response):
    """What the last half of the labels brought."""

    labels: int
    before: Annotated[float, Meta(description="F1 with half of the labels.")]
    after: Annotated[float, Meta(description="F1 with all of them.")]
    low: Annotated[float, Meta(description="From here to `high` 95 % of the resampled differences lie.")]
    high: float


class LearningCurve(Response):
    """What more labels bring, measured on images that were asked about at random."""

    points: list[LearningPoint]
    gain: LearningGain
    images: Annotated[int, Meta(description="Labelled images that it was drawn of.")]
    random_images: Annotated[int, Meta(description="That it was measured on.")]
    margin: Annotated[float, Meta(description="Difference of F1 that is worth having: `f1_margin`.")]
    will_not_help: Annotated[
        bool, Meta(description="Whether `high` is below `margin`: more of these labels will not help.")
    ]
    drawn_at: Timestamp


class Drafts(Response):
    """What drafts labels, how often it was right, and what more labels bring."""

    trunk: Annotated[
        bool | None,
        Meta(description="Whether the deployment has a pretrained trunk; null before the first answer."),
    ]
    images: Annotated[int, Meta(description="Labelled images that drafts are learned from.")]
    order_by: Annotated[
        Literal["embeddings", "detections", "chance", ""],
        Meta(description="What decides which unlabelled image is asked about first."),
    ]
    random_share: float
    labels: list[DraftedLabel]
    curve: Annotated[
        LearningCurve | None, Meta(description="Null before enough images were asked about at random.")
    ]


class Reviewer(Response):
    """What one reviewer has done."""

    reviewer: Annotated[str, Meta(description="The subject: two people may have one name.")]
    name: str
    answered: int
    corrected: Annotated[int, Meta(description="Corrections of their own answers.")]
    skipped: int
    compared: Annotated[int, Meta(description="Answers to tasks that others answered too.")]
    agreement: Annotated[float | None, Meta(description="Share of those that held, from 0 to 1.")]
    seconds_per_answer: float | None


class Reviewers(Response):
    """Everybody who has been at the desk."""

    reviewers: list[Reviewer]


# Runs, model versions, trying the champion


class Approval(Response):
    """What was asked and decided about a version that had passed the gates."""

    decision: Annotated[
        Literal["approved", "declined"] | None, Meta(description="Null while it waits for an administrator.")
    ]
    by: Annotated[str, Meta(description="Empty: nobody had decided at the deadline.")]
    why: str
    at: Annotated[str | None, Meta(description="When it was decided.")]
    asked_at: str
    deadline: Annotated[str | None, Meta(description="Until when it waits; null once it was decided.")]


class RunSummary(Response):
    """A run, or a rollback, in a line."""

    id: str
    trigger: Annotated[
        str,
        Meta(description="`images`, `schedule`, `manual`; `rollback` of one that has no page of its own."),
    ]
    started_by: Annotated[str | None, Meta(description="The person who started it; null if nobody did.")]
    outcome: Outcome
    reason: Annotated[str | None, Meta(description="Of a run under way: what it waits for.")]
    started_at: str
    ended_at: str | None
    version: Annotated[str | None, Meta(description="The model version that it trained.")]
    f1: float | None
    estimated_usd: float | None


class Runs(Response):
    """The latest runs, newest first."""

    runs: list[RunSummary]


class Run(RunSummary):
    """A run with its steps and what its gates decided."""

    steps: list[Step]
    verdicts: tuple[Verdict, ...]
    approval: Annotated[Approval | None, Meta(description="Null where nobody was asked about its version.")]
    snapshot: str | None
    images: SnapshotSummary | None
    training: Annotated[TrainingProgress | None, Meta(description="Null while it does not train.")]
    forecast_usd: Annotated[
        float | None, Meta(description="What its training and shadow gate were expected to cost.")
    ]
    usd_per_hour: Annotated[
        float | None, Meta(description="What its version goes on to cost; null if it does not run.")
    ]
    report_url: Annotated[str | None, Meta(description="The dataset report of the snapshot, for minutes.")]
    unread: Annotated[
        list[Literal["steps", "training"]], Meta(description="Parts that could not be read now.")
    ]


class CostAccount(Response):
    """What a day, a month or a model version came to."""

    name: Annotated[str, Meta(description="The day or month in UTC, or the version.")]
    training_hours: float
    training_usd: float
    unit_hours: Annotated[
        float, Meta(description="Hours that model versions ran, times their inference units.")
    ]
    units_usd: float
    answers: Annotated[int, Meta(description="Of the engine serverless.")]
    answers_usd: float
    usd: float


class CostMonth(Response):
    """What this month (UTC) has cost so far, beside its budget."""

    month: str
    usd: float
    budget_usd: Annotated[float | None, Meta(description="Null: there is no budget.")]
    percent: Annotated[float, Meta(description="Of the budget; 0 if there is none.")]


class RunningCost(Response):
    """A model version that runs, and what it costs until it is stopped."""

    version: str
    units: int
    usd_per_hour: float
    since: Annotated[str, Meta(description="The beginning of the month, if it has run for longer.")]


class Prices(Response):
    """The prices that are reckoned with."""

    region: str
    training_per_hour: float
    inference_per_unit_hour: float
    serverless_training_per_hour: Annotated[
        float, Meta(description="Of a training job of the engine serverless.")
    ]
    is_estimate: Annotated[bool, Meta(description="The Region's own prices are not known.")]


class ServerlessPrices(Response):
    """The prices of the engine serverless that are reckoned with."""

    training_per_hour: float
    is_estimate: Annotated[bool, Meta(description="The price of an hour of training is another Region's.")]
    per_1000_answers: float


class Costs(Response):
    """What trainings, running models and answers have cost, by the loop's own ledger."""

    by: Literal["day", "month", "version"]
    accounts: Annotated[list[CostAccount], Meta(description="Newest first; versions by what they cost.")]
    usd: Annotated[float, Meta(description="Of all accounts.")]
    month: CostMonth
    running: list[RunningCost]
    usd_per_hour: float
    prices: Prices
    serverless: Annotated[
        ServerlessPrices | None, Meta(description="Null: the deployment has not got this engine.")
    ]
    as_of: Annotated[str, Meta(description="The last look at Rekognition; empty before the first one.")]


class BatchLine(Response):
    """A batch of images, in a line."""

    name: str
    state: BatchState
    source: Annotated[str, Meta(description="What its images were listed from.")]
    total: Annotated[int, Meta(description="Images that it has.")]
    answered: Annotated[int, Meta(description="Those that have an answer, failed ones included.")]
    failed: Annotated[int, Meta(description="Those that could not be looked at.")]
    version: Annotated[str, Meta(description="The model version that answers for all of it.")]
    created_by: str
    created_at: Timestamp
    started_at: Annotated[str, Meta(description="When its last execution began.")]
    ended_at: Annotated[str, Meta(description="Empty while it goes on.")]
    waits_for: Annotated[str, Meta(description="What it cannot go on without; empty otherwise.")]
    reason: Annotated[str, Meta(description="Why it failed or was cancelled.")]


class ApplicationLine(Response):
    """Who may ask the detection API, and how much it does."""

    name: str
    kind: Annotated[
        Literal["application", "aws", "removed"],
        Meta(description="`aws`: a role or user that signs; `removed`: it may not ask any more."),
    ]
    rate: Annotated[int, Meta(description="Requests a minute that it may make.")]
    created_at: Annotated[str, Meta(description="Empty of those that nobody has added.")]
    asked_at: Annotated[str, Meta(description="The last request, to the minute; empty: none is on record.")]
    requests_last_hour: Annotated[int, Meta(description="An image in tiles counts as many.")]
    requests_last_day: int
    full_minutes: Annotated[
        int,
        Meta(
            description="Of the last day, minutes with all the requests that it may make: more were refused."
        ),
    ]


class Applications(Response):
    """Who may ask the detection API, or has asked: those that have asked last first, 100 at most."""

    applications: list[ApplicationLine]


class Batches(Response):
    """The latest batches, newest first."""

    batches: list[BatchLine]


class BatchLabel(Response):
    """How often a label was seen."""

    label: str
    objects: int
    images: int


class BatchFailure(Response):
    """Images that could not be looked at for one kind of reason."""

    error: Annotated[str, Meta(description="A short name of what went wrong.")]
    images: int
    reason: Annotated[str, Meta(description="Of the first of them: what went wrong and what helps.")]
    examples: list[str]


class BatchSummary(Response):
    """What a batch has come to."""

    detected: Annotated[int, Meta(description="Images that were looked at.")]
    failed: int
    without_objects: int
    missing: Annotated[int, Meta(description="Images without an answer.")]
    labels: Annotated[list[BatchLabel], Meta(description="The most frequent first, 100 at most.")]
    histogram: Annotated[list[int], Meta(description="Objects by their confidence, from 0 to 100 percent.")]
    failures: Annotated[list[BatchFailure], Meta(description="The most frequent first, 100 at most.")]


class Batch(BatchLine):
    """A batch, and what it has come to."""

    units: Annotated[
        int, Meta(description="Inference units that it has started; 0: its version ran already.")
    ]
    review_limit: int
    proposed: Annotated[int, Meta(description="Unsure images that went to review.")]
    summary: Annotated[
        BatchSummary | None, Meta(description="Null before its results were brought together.")
    ]


class ProductionPrecision(Response):
    """Share of a version's detections that reviewers confirmed, and its interval at 95 %."""

    confirmed: int
    false: int
    missed: int
    images: int
    precision: float
    low: float
    high: float


class Share(Response):
    """A share from 0 to 1, and the interval in which it lies with 95 % certainty."""

    value: float
    low: float
    high: float


class AnswerPrecision(Response):
    """How right answers are, as far as reviews tell."""

    whole: Annotated[
        Share | None,
        Meta(
            description="Of all answers: `sure` and `unsure`, weighted by how many detections of each came;"
            " null while either was not reviewed, or their numbers are not known."
        ),
    ]
    sure: Annotated[
        ProductionPrecision | None,
        Meta(description="Of a random sample of the images without an unsure one."),
    ]
    unsure: Annotated[
        ProductionPrecision | None, Meta(description="Of images that were proposed as the model was unsure.")
    ]


class ProductionPeriod(Response):
    """Some days in a row."""

    first_day: str
    last_day: str
    images: Annotated[int, Meta(description="That arrived.")]
    detections: int
    answers: AnswerPrecision


class ProductionLabel(Response):
    """How right the answers about one label are."""

    label: str
    answers: AnswerPrecision


class ProductionSource(Response):
    """How right answers about clips or batches are."""

    source: str
    answers: AnswerPrecision


class DriftFinding(Response):
    """Something that is not as on the test images."""

    kind: Annotated[str, Meta(description="`detections`, `confidence`, `size` or `label`.")]
    label: Annotated[str, Meta(description="Empty unless it is one.")]
    text: Annotated[str, Meta(description="For people.")]
    p_value: Annotated[float, Meta(description="Before any correction for how much is compared.")]


class Drift(Response):
    """Whether what arrives is as the test images."""

    looked_at: Annotated[str | None, Meta(description="Null before it was compared for the first time.")]
    problem: Annotated[str, Meta(description="Why nothing could be compared; empty if it could.")]
    since: Annotated[str | None, Meta(description="When the alarm began; null if there is none.")]
    test_images: int
    arrived: Annotated[dict[str, int], Meta(description="Images by stretch of time.")]
    findings: list[DriftFinding]
    false_alarm_rate: Annotated[float, Meta(description="The setting `drift_false_alarm_rate`.")]
    least_difference: Annotated[
        float,
        Meta(description="Share of images that has to be otherwise, with so many test images, to be told."),
    ]


class ProductionPicture(Response):
    """An image that arrived, or a test image."""

    url: str
    labels: tuple[str, ...]
    detections: int
    confidence: Annotated[float | None, Meta(description="Mean in percent; null without a detection.")]


class AnswersInProduction(Response):
    """How right a version is in production."""

    version: str
    images: Annotated[int, Meta(description="That arrived under `detect/` and from applications.")]
    detections: int
    unsure_detections: Annotated[int, Meta(description="On images that the model was unsure of.")]
    answers: AnswerPrecision
    others: Annotated[list[ProductionSource], Meta(description="`clips` and `batches`, which are apart.")]
    periods: Annotated[list[ProductionPeriod], Meta(description="Oldest first.")]
    labels: list[ProductionLabel]


class Production(AnswersInProduction):
    """How a version does in production."""

    drift: Drift


class ProductionPictures(Response):
    """Images that show what has changed, or what there is."""

    arrived: list[ProductionPicture]
    tested: list[ProductionPicture]


class ModelVersion(Response):
    """How good a model version was at its evaluation, and is in production."""

    name: str
    status: VersionState | Literal["unknown"]
    reason: Annotated[str | None, Meta(description="Why it was rejected or has failed.")]
    f1: float | None
    created_at: str
    champion: bool
    snapshot: str | None
    run: str | None
    verdicts: tuple[Verdict, ...]
    approval: Annotated[Approval | None, Meta(description="Null where nobody was asked.")]
    labels: tuple[LabelScore, ...]
    production_precision: Annotated[
        ProductionPrecision | None, Meta(description="Null before a sample was reviewed.")
    ]


class ModelVersions(Response):
    """The latest model versions, newest first."""

    versions: list[ModelVersion]
    label_thresholds: Annotated[
        dict[str, float],
        Meta(description="Percent by label: the setting `label_thresholds`, in place of the models' own."),
    ]
    unread: Annotated[
        list[Literal["precision"]], Meta(description="Parts of each that could not be read now.")
    ]


class LabelThresholds(Response):
    """From which confidence on detections count in this deployment."""

    label_thresholds: Annotated[
        dict[str, float], Meta(description="Percent by label, of those that are set.")
    ]


class ServingChange(Response):
    """Something that was decided about the champion's running."""

    at: str
    by: Annotated[str, Meta(description="A person, or `labelloop`.")]
    what: str
    why: str


class Serving(Response):
    """Whether the champion runs and is to run, who said so and why."""

    champion: str | None
    status: Annotated[str | None, Meta(description="Rekognition's, such as `RUNNING`.")]
    state: Literal["awake", "asleep"]
    since: str | None
    reason: str
    trouble: Annotated[str, Meta(description="What keeps it from being started; empty otherwise.")]
    asked: Annotated[Literal["start", "stop"] | None, Meta(description="What a person has said last.")]
    policy: Annotated[str, Meta(description="The setting `serving_policy`.")]
    usd_per_hour: Annotated[float, Meta(description="What it costs while it runs, with the fewest units.")]
    waiting_images: Annotated[int, Meta(description="Under `detect/`; 5000 stands for as many or more.")]
    changes: Annotated[list[ServingChange], Meta(description="The last ones, newest first.")]


class LabelledBy(Response):
    """Images that somebody has labelled."""

    name: str
    images: int


class Lineage(Response):
    """Where a version comes from."""

    version: str
    snapshot: str | None
    train_images: Annotated[
        int | None, Meta(description="Null if the snapshot is gone, or of another deployment.")
    ]
    test_images: int | None
    backgrounds: int | None
    labels: int | None
    origins: Annotated[
        list[LabelledBy],
        Meta(description="Images by where their labels are from: `folder`, `annotation`, `person`."),
    ]
    people: Annotated[
        int, Meta(description="Who have labelled images of it; several asked together are one.")
    ]
    labelled_by: Annotated[
        list[LabelledBy] | None, Meta(description="Their names, for administrators; null for others.")
    ]
    run: str | None
    started_by: Annotated[
        str | None, Meta(description="Null if nobody did, and for who is no administrator.")
    ]
    settings: Annotated[
        dict[str, str], Meta(description="Those that were not the defaults when it was judged, as JSON.")
    ]
    usd: Annotated[float | None, Meta(description="Its training and what it ran; null if nothing is booked.")]
    unread: Annotated[
        list[Literal["snapshot", "run", "costs"]], Meta(description="Parts that could not be read now.")
    ]


class VersionF1(Response):
    """How good a version was at its evaluation."""

    name: str
    f1: float
    low: Annotated[float | None, Meta(description="Null where its test images are too few to tell.")]
    high: float | None
    champion: bool


class LabelImageCounts(Response):
    """Images that show a label."""

    label: str
    train: int
    test: int


class HomeTask(Response):
    """Something that waits for somebody."""

    kind: Annotated[str, Meta(description="`reviews`, `approval`, `images`, `drift`, `run`, `incident`.")]
    text: Annotated[str, Meta(description="For people.")]
    subject: Annotated[str, Meta(description="The version or the run; empty if it is about neither.")]


class HomeCosts(Response):
    """What runs, and what it costs."""

    units: Annotated[int, Meta(description="Inference units that run, of all versions.")]
    usd_per_hour: Annotated[float, Meta(description="What runs now.")]
    month_usd: Annotated[float, Meta(description="This month so far, by the ledger.")]
    budget_usd: Annotated[float | None, Meta(description="Null without a budget.")]


HomePart = Literal[
    "champion",
    "costs",
    "incidents",
    "approvals",
    "reviews",
    "runs",
    "drift",
]


class Home(Response):
    """The state of everything, as far as it could be read."""

    unread: Annotated[
        list[HomePart],
        Meta(description="Parts that could not be read now; what they would say is null or missing."),
    ]
    serving: Serving | None
    costs: HomeCosts | None
    waiting: Annotated[list[HomeTask], Meta(description="What people are waited for, the most urgent first.")]
    runs: Annotated[list[RunSummary], Meta(description="The last ones, newest first.")]
    labels: Annotated[
        list[LabelImageCounts], Meta(description="Of the newest snapshot, fewest images first.")
    ]
    snapshot_images: int


HomeQualityPart = Literal["champion", "versions", "precision", "drift"]


class HomeQuality(Response):
    """How good the versions are, as far as it could be read."""

    unread: Annotated[
        list[HomeQualityPart],
        Meta(description="Parts that could not be read now; what they would say is null or missing."),
    ]
    versions: Annotated[list[VersionF1], Meta(description="Those that were evaluated, oldest first.")]
    production: Annotated[AnswersInProduction | None, Meta(description="Of the champion; null without one.")]
    drift: Annotated[Drift | None, Meta(description="Of the champion; null without one.")]


class StartedRollback(Response):
    """A rollback that has begun, and waits until no other promotion is under way."""

    id: str


class Upload(Response):
    """How the image is sent."""

    url: str
    method: Literal["PUT"]
    headers: dict[str, str]


class TryUpload(Response):
    """Where to send the image."""

    id: str
    upload: Upload


class DetectedBox(Response):
    """Where an object is, in whole pixels of the upright image."""

    left: int
    top: int
    width: int
    height: int


class Detection(Response):
    """A label that the champion sees, with its box if it is an object's. Confidence from 0 to 100."""

    name: str
    confidence: float
    box: DetectedBox | UnsetType = UNSET


class Detections(Response):
    """What the champion sees on the image. Width and height in pixels of the upright image."""

    model_version: str
    model_version_arn: Annotated[str, Meta(description="ProjectVersionArn of DetectCustomLabels.")]
    labels: Annotated[
        list[Detection],
        Meta(description="Whatever it sees; without thresholds, what it answers by its own."),
    ]
    thresholds: Annotated[
        dict[str, float],
        Meta(
            description="Confidence (percent) from which on a detection of a label counts by the model;"
            " empty if it is not known of every label."
        ),
    ]
    width: int
    height: int
    url: str


class OpenedTask(Response):
    """The review task of the image."""

    task: str


# What versions were evaluated to


class CurvePoint(Response):
    """What is right, wrong and missed from a threshold (percent) up to that of the next point."""

    threshold: float
    right: int
    wrong: int
    missed: int


class EvaluatedLabel(Response):
    """How a version does on a label. Thresholds in percent; counts at the threshold that is judged by."""

    label: str
    renamed_to: Annotated[str, Meta(description="What the label is called now; empty if the same.")]
    threshold: Annotated[float, Meta(description="From which on detections count here.")]
    floor: Annotated[float, Meta(description="Below it nothing is known of the version's detections.")]
    own_threshold: Annotated[float | None, Meta(description="The model's; null if it is not known.")]
    deployment_threshold: Annotated[float | None, Meta(description="The deployment's; null if it has none.")]
    objects: Annotated[int, Meta(description="True objects of it in the test images.")]
    right: int
    wrong: int
    missed: int
    f1: Annotated[float | None, Meta(description="Null where no test image shows it.")]
    curve: Annotated[list[CurvePoint], Meta(description="By ascending threshold.")]


class MatrixCell(Response):
    """How many objects of one label were taken for another; an empty label stands for nothing there."""

    truth: str
    detected: str
    count: int


class SizeScore(Response):
    """How a version does on objects of a size."""

    size: Literal["small", "medium", "large"]
    right: int
    wrong: int
    missed: int
    f1: Annotated[float | None, Meta(description="Null where there was nothing to find.")]


class VersionEvaluation(Response):
    """What a model version was evaluated to."""

    version: str
    source: Literal["training", "endpoint"]
    kind: Kind
    images: Annotated[int, Meta(description="Test images that the figures are of.")]
    has_more: Annotated[bool, Meta(description="Whether the evaluation has more, which were not read.")]
    unread_lines: Annotated[
        int,
        Meta(
            description="Missing from the evaluation file, or unreadable: it is cut off, of another form, or"
            " the training has left test images out."
        ),
    ]
    f1: Annotated[float | None, Meta(description="Mean of the labels' at the thresholds judged by.")]
    own_f1: Annotated[float | None, Meta(description="By the training, at the model's own thresholds.")]
    labels: list[EvaluatedLabel]
    matrix: list[MatrixCell]
    sizes: Annotated[list[SizeScore], Meta(description="Empty where labels are of whole images.")]


class MistakenObject(Response):
    """An object that an image is labelled with; its box is null if the label is of the whole image."""

    label: str
    box: DetectedBox | None


class MistakenDetection(Response):
    """A detection, with its confidence in percent; its box is null if it is of the whole image."""

    label: str
    confidence: float
    box: DetectedBox | None


class JudgedObject(Response):
    """A true object, a detection, or both that belong together, and what that is judged to be."""

    judgement: Literal["right", "confusion", "loose", "duplicate", "background", "missed"]
    truth: MistakenObject | None
    detection: MistakenDetection | None
    overlap: Annotated[float, Meta(description="Intersection over union of both.")]


class EvaluatedImage(Response):
    """A test image. Width and height in pixels of the upright image; 0 if they are not known."""

    image: Annotated[str, Meta(description="SHA-256.")]
    url: Annotated[str, Meta(description="Of the image, for minutes; empty if it is not kept here.")]
    width: int
    height: int
    state: Annotated[
        Literal["", "withdrawn", "relabelled"], Meta(description="What became of it since the evaluation.")
    ]


class Mistake(Response):
    """A mistake of a version."""

    kind: Literal["false_positive", "missed", "confusion", "loose", "right"]
    size: Literal["small", "medium", "large"] | None
    image: EvaluatedImage
    judged: JudgedObject


class Mistakes(Response):
    """A page of the mistakes of a version, what it was surest of first."""

    mistakes: list[Mistake]
    total: int
    next: Annotated[int | None, Meta(description="The offset of the next page; null after the last.")]


class JudgedImage(Response):
    """A test image with all that is on it and all that was seen."""

    image: EvaluatedImage
    judged: list[JudgedObject]


class ChangedImage(Response):
    """A test image as two versions saw it."""

    image: EvaluatedImage
    mistakes: int
    other_mistakes: int
    judged: list[JudgedObject]
    other_judged: list[JudgedObject]


class VersionComparison(Response):
    """Two versions on the test images of both, each by its own thresholds or the deployment's."""

    version: str
    other: str
    images: Annotated[int, Meta(description="Of both, labelled the same.")]
    relabelled: Annotated[int, Meta(description="Of both, but labelled otherwise in between: not compared.")]
    f1: float | None
    other_f1: float | None
    better: Annotated[int, Meta(description="Images with fewer mistakes.")]
    worse: Annotated[int, Meta(description="Images with more mistakes.")]
    changes: Annotated[list[ChangedImage], Meta(description="A page of them, the greatest changes first.")]
    next: Annotated[int | None, Meta(description="The offset of the next page; null after the last.")]


class KeptLabel(Response):
    """Who has decided that a label is right."""

    by: str
    at: Timestamp


class LabelIssue(Response):
    """A label that is probably wrong, as it is contradicted."""

    id: str
    issue_type: Annotated[
        Literal["wrong_label", "missing", "loose", "spurious"],
        Meta(
            description="`wrong_label`: an object is labelled as something else; `missing`: one is not"
            " labelled; `loose`: its box is not where the object is; `spurious`: a box is where no object is."
        ),
    ]
    mistakenness: Annotated[float, Meta(description="How likely it is wrong, between 0 and 1.")]
    dataset: Literal["TRAIN", "TEST"]
    seen_by: Annotated[
        Literal["version", "champion", "near_duplicate"],
        Meta(
            description="What contradicts it: `version`, of a training image as models see it that have not"
            " learned from it; `champion`, which has not either; `near_duplicate`, an image that looks the"
            " same and is labelled otherwise."
        ),
    ]
    image: EvaluatedImage
    before: Annotated[MistakenObject | None, Meta(description="As it is labelled; null: nothing is.")]
    after: Annotated[
        MistakenDetection | None, Meta(description="As the version sees it; null: it sees nothing.")
    ]
    others: Annotated[list[MistakenObject], Meta(description="The other labels of the image.")]
    twin: Annotated[
        EvaluatedImage | None, Meta(description="That looks much like it, and is labelled otherwise.")
    ]
    kept: Annotated[
        KeptLabel | None, Meta(description="Who has decided about the label before; null: nobody.")
    ]


class LabelIssues(Response):
    """Label issues of a version that nobody has answered, those first that are worth most to mend."""

    version: str
    issues: list[LabelIssue]
    total: Annotated[int, Meta(description="How many there are after `after`; 200 are counted at most.")]
    answered: Annotated[int, Meta(description="Label issues of the version that somebody has answered.")]
    kept: Annotated[
        int, Meta(description="Label issues about labels that somebody has decided about before.")
    ]
    training_images: Annotated[int, Meta(description="Training images that were looked at.")]
    test_images: int
    next: Annotated[
        str | None,
        Meta(description="The id that the next page follows, as its `after`; null after the last."),
    ]


class IssueAnswer(Response):
    """What somebody has answered about a label issue."""

    issue: str
    image: str
    verdict: Literal["accepted", "rejected"]
    by: str
    at: Timestamp


# The dataset

ImageStatus = Literal["unlabelled", "labelled", "conflict", "excluded", "uncut", "original"]
SetBy = Annotated[
    Literal["", "folder", "annotation", "person"], Meta(description="What its labels are from; empty: none.")
]


class ImageLine(Response):
    """An image of the dataset, as a wall of thumbnails shows it."""

    image: Annotated[str, Meta(description="SHA-256.")]
    name: Annotated[str, Meta(description="A key that it came under, without `incoming/`.")]
    thumbnail: Annotated[str, Meta(description="At the console's address; good for a day.")]
    width: int
    height: int
    status: ImageStatus
    kind: Kind | None
    labels: Annotated[list[str], Meta(description="Every label on it, those of boxes included.")]
    boxes: list[AnswerBox]
    set_by: SetBy
    changed_at: Timestamp


class ImagePage(Response):
    """Images of the dataset. As long as there is a cursor there may be more, also where a page has none."""

    images: list[ImageLine]
    cursor: Annotated[str | None, Meta(description="For the next page; null after the last one.")]
    read: Annotated[int, Meta(description="Images that were read for it.")]
    searched: Annotated[
        float | None,
        Meta(description="Share of what has to be searched that has been; null where an order says nothing."),
    ]
    by_content: Annotated[
        bool, Meta(description="Whether they come in the order of their hashes, else the last changed first.")
    ]


class ImageCount(Response):
    """How many images there are."""

    count: Annotated[int | None, Meta(description="Null where only all pages can tell.")]
    more: Annotated[bool, Meta(description="Whether there are more; they were not counted further.")]


class PastImage(Response):
    """Labels that an image had before."""

    revision: Annotated[int, Meta(description="To go back to.")]
    status: ImageStatus
    kind: Kind | None
    labels: list[str]
    boxes: list[AnswerBox]
    set_by: SetBy
    changed_at: Annotated[str, Meta(description="Since when it had them.")]
    changed_by: Annotated[str, Meta(description="Who gave them, if it was a person.")]


class DatasetImage(ImageLine):
    """An image of the dataset with all that is known of it."""

    url: Annotated[str, Meta(description="Of the image itself.")]
    bytes: int
    format: Literal["JPEG", "PNG"]
    registered_at: Timestamp
    changed_by: Annotated[str, Meta(description="Who last changed it by hand; empty if nobody did.")]
    sources: Annotated[list[str], Meta(description="Keys that it came under.")]
    dataset: Annotated[
        Literal["TRAIN", "TEST"] | None, Meta(description="Null before the first snapshot that it is in.")
    ]
    requested_dataset: Annotated[Literal["", "TRAIN", "TEST"], Meta(description="Where people wanted it.")]
    conflict_reason: str
    original: Annotated[str, Meta(description="Of a tile, the SHA-256 of the image that it is a part of.")]
    tiles: Annotated[list[str], Meta(description="Of an original, the SHA-256s of its tiles.")]
    asked_kind: Annotated[Kind, Meta(description="What is corrected on it.")]
    task: Annotated[str | None, Meta(description="Its open review task.")]
    history: Annotated[list[PastImage], Meta(description="The newest first.")]


class ImageProblem(Response):
    """An image that stays as it is, and why."""

    image: str
    message: str


class ChangedImages(Response):
    """Images as they are after a change of several, and those that stay as they are."""

    images: list[ImageLine]
    problems: list[ImageProblem]


class ReportExample(Response):
    """An image that shows a finding, with the boxes that it is about."""

    image: Annotated[str, Meta(description="SHA-256.")]
    thumbnail: str
    width: int
    height: int
    dataset: Literal["TRAIN", "TEST"]
    labels: list[str]
    boxes: list[AnswerBox]
    caption: str


class ReportFinding(Response):
    """Something about the dataset that people should know, or mend, before a training."""

    code: str
    severity: Literal["error", "warning", "info"]
    title: str
    what_it_does: str
    how_to_fix: str
    count: int
    details: list[str]
    source: str
    examples: list[ReportExample]


class ReportLabel(Response):
    """A label's share of the dataset."""

    label: str
    train_images: int
    test_images: int
    train_boxes: int
    test_boxes: int


class HistogramBin(Response):
    """How many images, or boxes, are of one size."""

    name: str
    train: int
    test: int


class ReportHistogram(Response):
    """How large images and boxes are, and how many there are on an image."""

    title: str
    unit: str
    bins: list[HistogramBin]


class DatasetReport(Response):
    """The dataset report of the newest snapshot that has one."""

    snapshot: str
    run: str
    made_at: Timestamp
    verdict: str
    findings: list[ReportFinding]
    train_images: int
    test_images: int
    labels: list[ReportLabel]
    label_count: int
    histograms: list[ReportHistogram]
    page_url: Annotated[str, Meta(description="The same as a page of its own, to keep.")]


class PlannedUpload(Response):
    """What is to be done with a file."""

    name: str
    state: Annotated[
        Literal["send", "send_parts", "known", "refused"],
        Meta(description="`known`: the dataset has it already. `send_parts`: ask for links to its parts."),
    ]
    problem: Annotated[str, Meta(description="Why it is refused.")]
    key: str
    upload: Upload | None


class UploadPlan(Response):
    """What is to be done with files, in their order."""

    files: list[PlannedUpload]


class MissingPart(Response):
    """A part of a file that is to be sent with PUT, without a content type."""

    number: int
    url: str


class MissingParts(Response):
    """Parts of a file that have not been sent."""

    upload_id: str
    part_bytes: int
    left: Annotated[int, Meta(description="How many are missing.")]
    missing: Annotated[list[MissingPart], Meta(description="The first of them.")]
