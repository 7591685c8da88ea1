"""One typed settings object for a deployment, read from CDK context.

`cdk.json` holds the values of each named environment under `environments`; `-c environment=NAME`
chooses one and `-c <setting>=<value>` overrides a single setting of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeVar

from lambdas.domain.shared import pricing
from lambdas.domain.shared.regions import CUSTOM_LABELS_REGIONS
from lambdas.domain.shared.tuning import Tuning

NAME = re.compile(r"[a-z][a-z0-9-]{1,30}")
_NOT_IN_NAMES = ("aws", "amazon", "cognito")
"""Cognito has no domain for a sign-in page with one of them in it, and its domain begins with the name:
https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-assign-domain-prefix.html"""
_NOT_AT_START = ("xn--", "sthree-", "amzn-s3-demo-")
"""S3 has no buckets whose names begin so, and CloudFormation begins their names with the stack's:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html"""
_RATE = re.compile(r"rate\(([1-9][0-9]*) (minute|hour|day)(s?)\)")
"""One of a unit, or more of them with an s: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html"""
_FIELD = "[0-9A-Za-z*,/#-]+"
_CRON = re.compile(rf"cron\({_FIELD} {_FIELD} (\? {_FIELD} {_FIELD}|{_FIELD} {_FIELD} \?) {_FIELD}\)")
"""Six fields, one of which leaves open either the day of the month or that of the week; the same page."""
_SCHEDULES = "rate(7 days) or cron(0 3 ? * MON *) and its like"
_SECONDS = {"minute": 60, "hour": 3600, "day": 24 * 3600}
# fmt: off
RETENTION_DAYS = (
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
)
# fmt: on
"""https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html"""
_OLD_CARDS = ("ml.p2.", "ml.p3.", "ml.p3dn.")
"""Machines with Kepler and Volta. CUDA 13 runs on Turing and later alone:
https://docs.nvidia.com/cuda/archive/13.0.0/cuda-toolkit-release-notes/index.html"""
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html"""
MAX_BATCH_BUCKETS = 20
"""An inline policy has 10,240 letters at most, for all that a role may do:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""
MIN_CONCURRENCY, MAX_CONCURRENCY = 2, 1000
"""https://docs.aws.amazon.com/lambda/latest/api/API_ScalingConfig.html"""
MAX_RETRY_SECONDS = 900
"""A message that failed four times is then hidden for two hours; SQS allows twelve.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibility.html"""


MAX_DETECTION_DAYS = 3650
ENGINES = ("rekognition", "both", "serverless")
_INSTANCE = re.compile(r"ml\.[a-z0-9-]+\.[a-z0-9]+")
MIN_TRAINING_SECONDS, MAX_TRAINING_SECONDS = 60, 86_400
MIN_TRAINING_VOLUME_GB, MAX_TRAINING_VOLUME_GB = 10, 16_384
"""EBS has no larger volumes of the type that SageMaker makes:
https://docs.aws.amazon.com/ebs/latest/userguide/general-purpose.html"""


class SettingsError(ValueError):
    """A setting is unknown or its value cannot be used; the message says which and why."""


@dataclass(frozen=True)
class Settings:
    """What a deployment is made with. Everything in `tuning` can be changed later without a deployment."""

    name: str = "labelloop"
    """Name of the stack, the Rekognition project and the state machines. One deployment is one detection
    problem."""
    embedded: bool = False
    """Whether this is a deployment into the embedded stack rather than into AWS."""
    other_region: bool = False
    """Whether to deploy into a Region that LabelLoop does not know to have Custom Labels."""
    architecture: str = "arm64"
    """Processor architecture of the Lambda functions."""
    retain_data: bool = True
    """Whether images, catalogue and records stay when the stack is destroyed."""
    notification_email: str = ""
    """Address that gets a mail for each finished run and each alarm. Empty: nobody does."""
    adopt_project: bool = False
    """Whether a Rekognition project of the deployment's name is taken over that no deployment has made. Its
    running models are then stopped, and its datasets replaced. Without, such a deployment is refused."""
    engine: str = "rekognition"
    """What trains model versions and answers: `rekognition`, Custom Labels; `serverless`, training jobs of
    SageMaker and a Lambda function, which costs nothing at rest; `both`: as rekognition, and `labelloop train
    --engine serverless` trains with the other. With serverless a champion of Rekognition goes on until a
    version follows it, and `--engine rekognition` trains another one."""
    training_instance: str = "ml.m5.xlarge"
    """Machine that the engine serverless trains on. One with a graphics card, such as ml.g4dn.xlarge, learns
    more in the same time. The account's quota for it has to be 1 or more, which in a new account it may not
    be: it is called `<machine> for training job usage`, or `for spot training job usage`."""
    training_seconds: int = 1800
    """What the learning of a training of the engine serverless may take at most. 60 to 86400. Loading
    and testing come beside it, and are billed as well."""
    training_volume_gb: int = 50
    """GB of the volume that the engine serverless trains on: a snapshot's images have to fit there, beside
    some GB of checkpoints and models. 10 to 16384. Machines with disks of their own, such as ml.g4dn.xlarge,
    train on those, and refuse a volume that is larger."""
    training_spot: bool = True
    """Whether the engine serverless trains on spare machines, which cost up to 90 % less. A training whose
    machine is taken away goes on from its last checkpoint on another."""
    log_retention_days: int = 90
    """Days for which the logs of functions, state machines and the HTTP API are kept: one of the periods of
    CloudWatch Logs."""
    retrain_schedule: str = "rate(7 days)"
    """When a run starts however few images are new: an EventBridge schedule, or `never`. It ends as skipped
    if nothing has changed."""
    sweep_schedule: str = "rate(15 minutes)"
    """When the sweeper looks for what a crash or a lost event left behind: an EventBridge schedule. Images
    without labels are collected for review as often."""
    retry_seconds: int = 30
    """Seconds after which a queue message that failed is delivered again; after each further time twice as
    many, until it is a dead letter after the fifth. Up to 900."""
    register_concurrency: int = 2
    """Register functions that run at once at most, each with a batch of up to 10 images; and as many for
    annotation files, one each. 2 to 1000. A new account runs 10 functions at once, of which the review desk,
    the console and the runs need some: raise it once the account's quota is."""
    detect_concurrency: int = 2
    """Detect functions that run at once at most, each with a batch of up to 5 images under detect/. 2 to
    1000. What the champion's inference units cannot answer Rekognition throttles."""
    video_concurrency: int = 2
    """Functions that work on clips under detect/ at once at most, each on one clip. 2 to 1000. They come on
    top of the others where clips are put there; see detect_concurrency."""
    batch_buckets: str = ""
    """Names of buckets beside the data bucket whose images batches may read, with commas between them. They
    have to lie in the deployment's Region, as Rekognition reads no others. Empty: none."""
    detection_days: int = 30
    """Days for which what applications asked and were answered is kept, with the images. 1 to 3650."""
    a2i_workteam_arn: str = ""
    """ARN of a private work team, for review_route a2i. The human task UI and the flow definition are made
    with the stack."""
    a2i_flow_definition_arn: str = ""
    """ARN of a flow definition of Amazon A2I that exists already, in place of a2i_workteam_arn. Its human
    task UI has to use the worker template that `labelloop worker-template` prints."""
    groundtruth_workteam_arn: str = ""
    """ARN of a private work team, for review_route groundtruth."""
    tuning: Tuning = field(default_factory=Tuning)

    def __post_init__(self) -> None:
        self._check_name()
        if self.architecture not in ("arm64", "x86_64"):
            raise SettingsError(f"architecture={self.architecture!r}: use arm64 or x86_64")
        self._check_engine()
        if self.log_retention_days not in RETENTION_DAYS:
            raise SettingsError(
                f"log_retention_days={self.log_retention_days}:"
                f" use one of {', '.join(map(str, RETENTION_DAYS))}"
            )
        if not 0 <= self.retry_seconds <= MAX_RETRY_SECONDS:
            raise SettingsError(
                f"retry_seconds={self.retry_seconds}: expected 0 to {MAX_RETRY_SECONDS} seconds"
            )
        for setting in ("register_concurrency", "detect_concurrency", "video_concurrency"):
            value = getattr(self, setting)
            if not MIN_CONCURRENCY <= value <= MAX_CONCURRENCY:
                raise SettingsError(f"{setting}={value}: expected {MIN_CONCURRENCY} to {MAX_CONCURRENCY}")
        self._check_batch_buckets()
        if not 1 <= self.detection_days <= MAX_DETECTION_DAYS:
            raise SettingsError(
                f"detection_days={self.detection_days}: expected 1 to {MAX_DETECTION_DAYS} days"
            )
        if self.a2i_workteam_arn and self.a2i_flow_definition_arn:
            raise SettingsError("a2i_workteam_arn and a2i_flow_definition_arn: give one of them")
        for setting, kind in (
            ("a2i_workteam_arn", "workteam"),
            ("a2i_flow_definition_arn", "flow-definition"),
            ("groundtruth_workteam_arn", "workteam"),
        ):
            value = getattr(self, setting)
            if value and not re.fullmatch(rf"arn:aws[a-z-]*:sagemaker:[a-z0-9-]+:\d{{12}}:{kind}/.+", value):
                raise SettingsError(f"{setting}={value!r}: expected the ARN of a SageMaker {kind}")
        if self.retrain_schedule != "never" and not _is_schedule(self.retrain_schedule):
            raise SettingsError(f"retrain_schedule={self.retrain_schedule!r}: use {_SCHEDULES}, or never")
        if not _is_schedule(self.sweep_schedule):
            raise SettingsError(f"sweep_schedule={self.sweep_schedule!r}: use {_SCHEDULES}")
        # The sweeper sends the heartbeats of review tasks.
        rate = _RATE.fullmatch(self.sweep_schedule)
        heartbeat = self.tuning.review_heartbeat_seconds
        if rate and heartbeat <= int(rate[1]) * _SECONDS[rate[2]]:
            raise SettingsError(
                f"review_heartbeat_seconds={heartbeat}: expected more than passes between two sweeps,"
                f" sweep_schedule={self.sweep_schedule!r}"
            )

    def _check_engine(self) -> None:
        if self.engine not in ENGINES:
            raise SettingsError(f"engine={self.engine!r}: use one of {', '.join(ENGINES)}")
        if not _INSTANCE.fullmatch(self.training_instance):
            raise SettingsError(
                f"training_instance={self.training_instance!r}: expected a machine such as ml.m5.xlarge"
            )
        if self.training_instance.startswith(_OLD_CARDS):
            raise SettingsError(
                f"training_instance={self.training_instance!r}: the container's PyTorch needs graphics cards"
                " that are newer; use ml.g4dn.xlarge and its like"
            )
        is_priced = self.tuning.serverless_training_usd_per_hour is not None
        if self.training_instance != pricing.SERVERLESS_MACHINE and not is_priced:
            raise SettingsError(
                f"training_instance={self.training_instance!r}: its price is not known here; say with"
                " serverless_training_usd_per_hour what an hour of training on it costs:"
                " https://aws.amazon.com/sagemaker/pricing/"
            )
        if not MIN_TRAINING_SECONDS <= self.training_seconds <= MAX_TRAINING_SECONDS:
            raise SettingsError(
                f"training_seconds={self.training_seconds}: expected {MIN_TRAINING_SECONDS} to"
                f" {MAX_TRAINING_SECONDS} seconds"
            )

        if not MIN_TRAINING_VOLUME_GB <= self.training_volume_gb <= MAX_TRAINING_VOLUME_GB:
            raise SettingsError(
                f"training_volume_gb={self.training_volume_gb}: expected {MIN_TRAINING_VOLUME_GB} to"
                f" {MAX_TRAINING_VOLUME_GB} GB"
            )

    @property
    def trains_on_gpu(self) -> bool:
        """Whether the machine that trains has a graphics card: those of families g and p."""
        return self.training_instance.startswith(("ml.g", "ml.p"))

    @property
    def other_batch_buckets(self) -> list[str]:
        """The buckets of `batch_buckets`, each once."""
        names = [name.strip() for name in self.batch_buckets.split(",")]
        return list(dict.fromkeys(name for name in names if name))

    def _check_batch_buckets(self) -> None:
        for bucket in self.other_batch_buckets:
            if not _BUCKET.fullmatch(bucket):
                raise SettingsError(
                    f"batch_buckets={self.batch_buckets!r}: {bucket!r} is no name of a bucket"
                )
        if len(self.other_batch_buckets) > MAX_BATCH_BUCKETS:
            raise SettingsError(
                f"batch_buckets: {MAX_BATCH_BUCKETS} at most, as they are named in one policy"
            )

    def _check_name(self) -> None:
        if not NAME.fullmatch(self.name):
            raise SettingsError(
                f"name={self.name!r}: use 2 to 31 lower-case letters, digits and hyphens, a letter first"
            )
        if word := next((word for word in _NOT_IN_NAMES if word in self.name), ""):
            raise SettingsError(
                f"name={self.name!r}: choose one without {word!r} in it; Cognito has no sign-in page with"
                f" {', '.join(_NOT_IN_NAMES)} in its address, which begins with the name"
            )
        if self.name.startswith(_NOT_AT_START):
            raise SettingsError(
                f"name={self.name!r}: choose one that begins otherwise; S3 keeps {', '.join(_NOT_AT_START)}"
                " for itself, and the names of the buckets begin with the name"
            )


def check_region(settings: Settings, region: str) -> None:
    """Make sure that there can be a deployment in the AWS Region.

    Raises:
        SettingsError: it has no Custom Labels, as far as is known.
    """
    if settings.embedded or settings.other_region or region in CUSTOM_LABELS_REGIONS:
        return
    raise SettingsError(
        f"{region} is not known to have Rekognition Custom Labels; choose one of"
        f" {', '.join(CUSTOM_LABELS_REGIONS)} with AWS_DEFAULT_REGION or AWS_PROFILE, or, if AWS lists it by"
        " now (https://aws.amazon.com/rekognition/pricing/), deploy with -c other_region=true"
    )


def read(context: Callable[[str], Any]) -> Settings:
    """Settings of the environment that the context names.

    Args:
        context: looks one context key up, None when it is absent (`app.node.try_get_context`).

    Raises:
        SettingsError: an environment or setting is unknown, or a value is of the wrong type.
    """
    environments: dict[str, dict[str, Any]] = context("environments") or {}
    chosen = context("environment") or "default"
    if chosen not in environments:
        known = ", ".join(sorted(environments)) or "none"
        raise SettingsError(f"environment={chosen!r} is not in cdk.json; known: {known}")
    own = {f.name for f in fields(Settings)} - {"tuning"}
    tunable = {f.name for f in fields(Tuning)}
    values = dict(environments[chosen])
    if unknown := set(values) - own - tunable:
        raise SettingsError(f"cdk.json, environment {chosen}: unknown settings {', '.join(sorted(unknown))}")
    for key in own | tunable:
        if (given := context(key)) is not None:
            values[key] = given
    defaults = Settings()
    tuning = _typed(defaults.tuning, {k: v for k, v in values.items() if k in tunable})
    return _typed(defaults, {k: v for k, v in values.items() if k in own} | {"tuning": tuning})


T = TypeVar("T", Settings, Tuning)


def _typed(defaults: T, values: dict[str, Any]) -> T:
    converted = {key: _convert(key, value, getattr(defaults, key)) for key, value in values.items()}
    try:
        return replace(defaults, **converted)
    except ValueError as error:
        raise SettingsError(str(error)) from error


def _convert(key: str, value: Any, default: Any) -> Any:
    """Context given with -c arrives as text; the default's type says what it has to become."""
    if default is None:
        return _amount(key, value)
    if isinstance(default, dict):
        return _mapping(key, value)
    if not isinstance(value, str) or isinstance(default, str):
        if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        if type(value) is not type(default):
            raise SettingsError(f"{key}={value!r}: expected {type(default).__name__}")
        return value
    if isinstance(default, bool):
        if value.lower() not in ("true", "false"):
            raise SettingsError(f"{key}={value!r}: expected true or false")
        return value.lower() == "true"
    try:
        return type(default)(value)
    except ValueError:
        raise SettingsError(f"{key}={value!r}: expected {type(default).__name__}") from None


def _mapping(key: str, value: Any) -> Any:
    """An object: in cdk.json as it stands, on the command line as JSON."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise SettingsError(f"{key}={value!r}: expected a JSON object") from None
    return value


def _is_schedule(text: str) -> bool:
    if rate := _RATE.fullmatch(text):
        return (rate[1] == "1") == (not rate[3])
    return bool(_CRON.fullmatch(text))


def _amount(key: str, value: Any) -> float | None:
    """A number that may be missing: null in cdk.json, `-c KEY=null` on the command line."""
    if value in (None, "null"):
        return None
    try:
        if isinstance(value, bool):
            raise TypeError(value)
        return float(value)
    except (TypeError, ValueError):
        raise SettingsError(f"{key}={value!r}: expected a number, or null") from None
