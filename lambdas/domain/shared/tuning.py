"""What Ops can change without a deployment: one JSON document in an SSM parameter."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, field, fields
from typing import Any

from aws_lambda_powertools import Logger

from lambdas.domain.shared import opening_hours
from lambdas.domain.shared.frozen import frozen
from lambdas.domain.shared.opening_hours import OpeningHoursError

logger = Logger(child=True)


class TuningError(ValueError):
    """A value in the settings parameter cannot be used; the message names it."""


CHOICES = {
    "serving_policy": ("always", "hours", "idle", "demand", "never"),
    "review_route": ("builtin", "a2i", "groundtruth", "none"),
    "review_kind": ("auto", "detection", "classification"),
    "undecided": ("keep", "better"),
    "approval": ("none", "on_promotion"),
    "approval_at_deadline": ("decline", "approve"),
}
"""Values of the settings that are words."""
LIMITS = {
    "review_confidence_threshold": 100,
    "review_min_confidence": 100,
    "review_sample_rate": 1,
    "review_iou": 1,
    "review_random_share": 1,
    "tile_min_visible": 1,
    "wrong_promotion_rate": 0.5,
    "wrong_refusal_rate": 0.5,
}
"""The most that a share or a percentage may be; an F1 is 1 at most."""
RATES = ("wrong_promotion_rate", "wrong_refusal_rate")
"""Settings that are rates of wrong decisions."""
MIN_RATE = 0.01
"""Of wrong decisions: the gates' resamples are too few to tell smaller rates."""
FREQUENCIES = {"clip_frames_per_second": 60, "drift_false_alarm_rate": 0.5}
"""The most that a number above 0 may be that is no share."""
AMOUNTS = (
    "monthly_budget_usd",
    "training_usd_per_hour",
    "serverless_training_usd_per_hour",
    "inference_usd_per_unit_hour",
)
"""Settings that are amounts of USD, or null."""
FLAGS = ("budget_stops_champion", "drift_starts_training", "promotion_across_engines", "review_drafts")
"""Settings that are true or false."""
TEXTS = {"serving_hours", "serving_time_zone"}
"""Settings that are text."""
MAX_NUMBER = 99_999_999
"""Of whole numbers. Of seconds, more than three years:
https://docs.aws.amazon.com/step-functions/latest/dg/state-wait.html"""
MAX_USD = 1e9
"""Of amounts: more than anybody means, and less than arithmetic trips over."""
MAX_COUNTED_WAITING = 5000
"""Waiting images are counted no further than to this."""
MAXIMA = {
    "min_hours_between_trainings": 87_600,
    "serving_wait_images": MAX_COUNTED_WAITING,
    "tile_side": 4096,
    "approval_deadline_hours": 336,
    "aws_caller_rate": 60_000,
}
"""The most that a whole number may be where that is less. Hours: of ten years."""
MIN_TILE_SIDE = 64
"""https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/limits.html , as the 4096 of MAXIMA."""
MAX_REVIEW_WORKERS = 9
"""https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_HumanTaskConfig.html ; what follows from the
answers of one task is one transaction, and DynamoDB takes 100 items in one."""


@frozen
class Tuning:
    """The loop's thresholds and intervals: F1s and shares between 0 and 1, durations in seconds."""

    min_new_images: int = 50
    """Number of newly labelled, relabelled or excluded images that starts a run."""
    burst_quiet_seconds: int = 300
    """Seconds without a change after which a burst of uploads is over."""
    burst_limit_seconds: int = 3600
    """Seconds that a run, and a review task, wait at most for a burst of uploads to end."""
    poll_seconds: int = 60
    """Seconds between two looks at something that takes its time: a training, a starting model, open
    reviews."""
    start_timeout_seconds: int = 3600
    """Seconds that a model version may take to start; AWS says 10 to 20 minutes. A promotion gives up a
    challenger that takes longer, and waits no longer for a champion that does; of one that is to serve people
    are told."""
    resend_event_after_seconds: int = 900
    """Seconds after which the event of an object under incoming/ counts as lost, and is sent again."""
    min_training_images: int = 10
    """Training images that a snapshot must have, or no training is started. AWS recommends 10 or more."""
    min_f1: float = 0.8
    """Overall F1 that a model version must reach to pass the evaluation gate. A first version must reach it
    at the shadow gate as well."""
    min_label_f1: float = 0.5
    """F1 that each label must reach to pass the evaluation gate."""
    min_test_images_per_label: int = 2
    """Test images that each label must have to pass the evaluation gate. Fewer prove nothing about a
    label."""
    label_thresholds: Mapping[str, float] = field(default_factory=dict)
    """Confidence (percent) from which on a label's detections count, by label, such as `{"scratch": 80}`. A
    label that is not named has the threshold that the model itself found for it."""
    wrong_promotion_rate: float = 0.05
    """Of challengers whose F1 is truly lower than the champion's by f1_margin or more, the share that is
    promoted at most. It holds with undecided keep."""
    wrong_refusal_rate: float = 0.2
    """Of challengers that are truly as good as the champion or better, the share that is rejected as worse at
    most, and that is left undecided with as many test images as the gates then ask for."""
    f1_margin: float = 0.02
    """Difference of F1s that is not worth rejecting a challenger for. The smaller it is, the more test images
    are needed to tell."""
    undecided: str = "keep"
    """What happens where the test images are too few to tell: keep (the champion stays until there are
    enough) or better (that version serves which is measured better, the challenger if there is no
    difference). With keep, wrong_promotion_rate holds however few the images are; better changes versions
    sooner, and wrongly more often."""
    approval: str = "none"
    """Whether a person decides about each version that has passed the gates: on_promotion (it is stopped, and
    an administrator approves or declines it) or none. A rollback needs no approval."""
    approval_deadline_hours: int = 72
    """Hours that a version waits at most for its approval, 336 at most. Its run waits with it, so that no
    other one trains meanwhile."""
    approval_at_deadline: str = "decline"
    """What happens to a version that nobody has decided about in time: decline (the champion stays) or
    approve (it is promoted)."""
    shadow_test_images: int = 100
    """Test images that the shadow gate sends to the endpoints of challenger and champion. The more there are,
    the smaller a difference it can tell from chance; all have to be answered within 15 minutes."""
    shadow_production_images: int = 30
    """Production images that people answered lately which the shadow gate sends to both endpoints beside the
    test images: challengers that are surely worse on them are rejected. 0: none."""
    label_check_detections: int = 200
    """Training images that the champion is asked about after each training, if it runs, for labels that it
    contradicts: of those that it was not trained on itself. Each is a detection. Engines that look at their
    training images by themselves need none; 0 asks about none."""
    min_inference_units: int = 1
    """Inference units that a model version is started with, at least. Each costs money by the hour; the quota
    is 5 for a model unless AWS has raised it."""
    max_inference_units: int = 1
    """Inference units that a running model version may grow to: it is started with as many as answer what
    waits in time, and Rekognition adds more while there are more detections. As many as min_inference_units,
    or more."""
    drain_seconds: int = 60
    """Seconds between the switch and the stop of the old champion, and before one that sleeps is stopped: as
    long as a detection may take that was begun before. SDKs wait for its answer for 60 seconds."""
    serving_policy: str = "idle"
    """When the champion runs: always; hours (in serving_hours); idle (until it was not used for
    serving_idle_seconds, then again once somebody starts it); demand (images under detect/ wake it, and it
    sleeps when none waits); or never (only for who starts it, until it was not used for
    serving_idle_seconds). What a person has put to sleep stays so until a person starts it."""
    serving_hours: str = "Mon-Fri 08:00-18:00"
    """Hours of the week in which the champion runs with the serving_policy hours, such as
    `Mon-Fri 08:00-18:00, Sat 09:00-12:00`. Hours that end before they begin go on over midnight."""
    serving_time_zone: str = "UTC"
    """Time zone of serving_hours, such as Europe/Zurich."""
    serving_idle_seconds: int = 1800
    """Seconds without a detection after which the champion sleeps with the serving_policy idle, and after
    somebody has started it with any other but always."""
    serving_wait_seconds: int = 3600
    """Seconds that an image under detect/ is to wait at most with the serving_policy demand. A start takes up
    to 20 minutes of them; the longer they are, the more images share a start."""
    serving_wait_images: int = 0
    """Number of waiting images that wakes the champion at once with the serving_policy demand, 5000 at most.
    0: none does."""
    review_route: str = "builtin"
    """Who is asked about images: builtin (the review desk), a2i (Amazon A2I), groundtruth (SageMaker Ground
    Truth), or none."""
    review_kind: str = "auto"
    """What reviewers are asked for: detection (boxes), classification (labels of the whole image), or auto
    (what the labelled images have)."""
    review_confidence_threshold: float = 60.0
    """Confidence (percent) below which a detection has its image reviewed. 0: none does."""
    review_min_confidence: float = 50.0
    """Confidence (percent) from which on a detection has its image reviewed though the model's own threshold
    for its label leaves it out. 100: none does."""
    review_sample_rate: float = 0.02
    """Share of the other images under detect/ that is reviewed, to know how right the model is."""
    review_drafts: bool = True
    """Whether labels are drafted for images that no model version was asked about, by a head on frozen
    features that is fitted to the labelled images anew after each answer."""
    review_random_share: float = 0.2
    """Share of the unlabelled images that reviewers are asked about at random, so that what is counted of
    them holds for all. The others come in the order in which their labels tell most. 1: all come at
    random."""
    review_open_limit: int = 1000
    """Review tasks that are open at once at most. The other images wait in the catalogue."""
    review_clip_frames: int = 20
    """Frames of one clip under detect/ that are proposed for review at most, spread over the clip. 0: none
    is."""
    review_workers_per_task: int = 1
    """Reviewers who are asked about each image, 1 to 9. Where they disagree, further ones are asked."""
    review_iou: float = 0.5
    """Overlap (intersection over union) from which on two reviewers' boxes of one label are of one object."""
    review_claim_seconds: int = 600
    """Seconds after which a reviewer's claim on a task ends, unless it is renewed."""
    review_timeout_seconds: int = 7 * 24 * 3600
    """Seconds after which a task that nobody has answered is given back."""
    review_heartbeat_seconds: int = 24 * 3600
    """Seconds after which a task that the sweeper no longer sees on the desk is given back. Less than
    review_timeout_seconds, and more than passes between two sweeps."""
    review_cooldown_seconds: int = 24 * 3600
    """Seconds that an image whose task was given back waits for its next task."""
    review_wait_seconds: int = 4 * 3600
    """Seconds that a run waits at most for open review tasks. 0: it does not wait."""

    drift_false_alarm_rate: float = 0.05
    """Probability that in a year an alarm says that what arrives is not as the champion's test images, though
    nothing has changed. The smaller it is, the greater a change has to be."""
    drift_starts_training: bool = False
    """Whether that alarm starts a run, with whatever was labelled since the last training, be it less than
    min_new_images; at most once in 7 days, whichever versions serve meanwhile."""

    aws_caller_rate: int = 600
    """Requests a minute that a role or user of AWS may make to the detection API, 60000 at most; an image in
    tiles counts as many as it has tiles. Of applications `labelloop apps rate` says how many."""

    tile_side: int = 1280
    """Pixels, each way, of the tiles that images are cut into which are too large for Rekognition: those of
    more than 4,096 pixels or 15 MB. Custom Labels scales larger tiles down, and small objects with them."""
    tile_overlap: int = 256
    """Pixels by which tiles overlap: as large as the objects that are to be seen whole, less than tile_side.
    Larger objects are looked for in the whole image, scaled down. The greater it is, the more tiles there
    are, and each is a detection."""
    tile_min_visible: float = 0.5
    """Share of a labelled box that has to lie in a tile for the tile to be trained with it. Where less of an
    object shows, it is painted over, as it is neither that object nor background."""

    clip_frames_per_second: float = 1.0
    """Frames of a clip under detect/ that are looked at in each second of it. Of those in a row that look
    alike the champion is asked about one."""

    monthly_budget_usd: float | None = None
    """USD that trainings and running models may cost in a month (UTC). People hear of it at 50, 80 and 100
    percent; once it is used up, or would be, nothing is started. `null`: there is no budget."""
    budget_stops_champion: bool = False
    """Whether the champion is stopped once the budget is used up. Otherwise it runs on, and costs."""
    promotion_across_engines: bool = True
    """Whether a version of another engine than the champion's may become the champion, where the gates let
    it. Otherwise it is rejected, with what the two see and cost; a rollback to it stays possible."""
    min_hours_between_trainings: int = 0
    """Hours after the beginning of a training before which no other run starts by itself. A run that
    somebody starts does not wait."""
    training_usd_per_hour: float | None = None
    """Price of an hour of training, if it is not that of the table of prices. `null`: the table's."""
    serverless_training_usd_per_hour: float | None = None
    """Price of an hour of a training job of the engine serverless, on demand: what a spot machine spares is
    in the seconds that SageMaker bills. `null`: 0.257, that of ml.m5.xlarge in Ireland. With any other
    training_instance it has to be given."""
    inference_usd_per_unit_hour: float | None = None
    """Price of an hour of one inference unit, if it is not that of the table of prices. `null`: the
    table's."""

    def __post_init__(self) -> None:
        for member in fields(self):
            _check(member.name, getattr(self, member.name))
        for name in (
            "min_new_images",
            "poll_seconds",
            "start_timeout_seconds",
            "resend_event_after_seconds",
            "approval_deadline_hours",
            "min_inference_units",
            "max_inference_units",
            "serving_idle_seconds",
            "serving_wait_seconds",
            "shadow_test_images",
            "review_open_limit",
            "aws_caller_rate",
            "review_workers_per_task",
            "review_claim_seconds",
            "review_timeout_seconds",
            "review_heartbeat_seconds",
        ):
            if getattr(self, name) < 1:
                raise TuningError(f"{name}={getattr(self, name)!r}: expected 1 or more")
        for name in RATES:
            if getattr(self, name) < MIN_RATE:
                raise TuningError(f"{name}={getattr(self, name)!r}: expected {MIN_RATE} or more")
        if self.review_workers_per_task > MAX_REVIEW_WORKERS:
            raise TuningError(
                f"review_workers_per_task={self.review_workers_per_task}:"
                f" expected {MAX_REVIEW_WORKERS} or less"
            )
        # https://docs.aws.amazon.com/step-functions/latest/dg/state-task.html
        if self.review_heartbeat_seconds >= self.review_timeout_seconds:
            raise TuningError(
                f"review_heartbeat_seconds={self.review_heartbeat_seconds}: expected less than"
                f" review_timeout_seconds={self.review_timeout_seconds}"
            )
        if self.tile_side < MIN_TILE_SIDE:
            raise TuningError(f"tile_side={self.tile_side}: expected {MIN_TILE_SIDE} pixels or more")
        if self.tile_overlap >= self.tile_side:
            raise TuningError(
                f"tile_overlap={self.tile_overlap}: expected less than tile_side={self.tile_side}"
            )
        if self.max_inference_units < self.min_inference_units:
            raise TuningError(
                f"max_inference_units={self.max_inference_units}: expected"
                f" min_inference_units={self.min_inference_units} or more"
            )
        try:
            opening_hours.parse(self.serving_hours, self.serving_time_zone)
        except OpeningHoursError as error:
            raise TuningError(
                f"serving_hours={self.serving_hours!r}, serving_time_zone={self.serving_time_zone!r}: {error}"
            ) from error

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Tuning:
        """Tuning with the given values over the defaults.

        Raises:
            TuningError: a name is unknown or a value cannot be used.
        """
        known = {member.name for member in fields(cls)}
        if unknown := set(values) - known:
            raise TuningError(f"unknown settings: {', '.join(sorted(unknown))}")
        return cls(**values)

    @classmethod
    def from_json(cls, document: str) -> Tuning:
        """Tuning as the SSM parameter holds it.

        Raises:
            TuningError: the document is not a JSON object, or a value cannot be used.
        """
        try:
            values = json.loads(document)
        except json.JSONDecodeError as error:
            raise TuningError(f"the settings parameter is not JSON: {error}") from error
        if not isinstance(values, dict):
            raise TuningError("the settings parameter has to be a JSON object")
        return cls.from_dict(values)


def or_defaults(read: Callable[[], Tuning]) -> Tuning:
    """The settings, or their defaults if they cannot be read: for what has to be done all the same."""
    try:
        return read()
    except Exception:
        logger.exception("no settings: their defaults are taken")
        return Tuning()


def _check(name: str, value: object) -> None:
    """Whether a setting can have this value, by itself."""
    if name in AMOUNTS:
        _check_amount(name, value)
    elif name in FREQUENCIES:
        _check_frequency(name, value)
    elif name in FLAGS:
        if not isinstance(value, bool):
            raise TuningError(f"{name}={value!r}: expected true or false")
    elif name in CHOICES:
        if value not in CHOICES[name]:
            raise TuningError(f"{name}={value!r}: one of {', '.join(CHOICES[name])}")
    elif name in TEXTS:
        if not isinstance(value, str):
            raise TuningError(f"{name}={value!r}: expected text")
    elif name == "label_thresholds":
        _check_thresholds(value)
    elif name in LIMITS or "f1" in name:
        _check_share(name, value)
    elif isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise TuningError(f"{name}={value!r}: expected a whole number, 0 or more")
    elif value > (maximum := MAXIMA.get(name, MAX_NUMBER)):
        raise TuningError(f"{name} is too large: expected {maximum} or less")


def _is_between(value: object, maximum: float) -> bool:
    """Whether it is a number from 0 to the maximum; NaN is not between anything."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= maximum


def _check_share(name: str, value: object) -> None:
    maximum = LIMITS.get(name, 1)
    if not _is_between(value, maximum):
        raise TuningError(f"{name}={value!r}: expected a number between 0 and {maximum}")


def _check_frequency(name: str, value: object) -> None:
    if not _is_between(value, FREQUENCIES[name]) or not value:
        raise TuningError(f"{name}={value!r}: expected a number above 0, {FREQUENCIES[name]} at most")


def _check_thresholds(value: object) -> None:
    if not isinstance(value, dict):
        raise TuningError(f"label_thresholds={value!r}: expected an object with a percentage for each label")
    for label, percent in value.items():
        if not isinstance(label, str) or not _is_between(percent, 100):
            raise TuningError(f"label_thresholds: {label}={percent!r}: expected a number between 0 and 100")


def _check_amount(name: str, value: object) -> None:
    if value is None:
        return
    # NaN is not more than anything.
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and 0 < value <= MAX_USD:
        return
    if is_number and MAX_USD < value < math.inf:
        raise TuningError(f"{name} is too large: expected {MAX_USD:.0f} USD or less")
    hint = ""
    if name == "monthly_budget_usd" and is_number and value == 0:
        hint = "; a budget of 0 would let nothing start: say so by serving_policy, or give null for no budget"
    raise TuningError(f"{name}={value!r}: expected an amount of USD above 0, or null{hint}")
