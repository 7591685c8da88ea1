"""The AWS clients and names that handlers hand to domain functions; made once, when first used.

So are the imports that they need: no function waits for what it has no use for.
"""

from __future__ import annotations

import json
import os
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from lambdas.ttl_cache import TtlCache

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import DynamoDBServiceResource, Table
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_rekognition import RekognitionClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_ssm import SSMClient
    from mypy_boto3_stepfunctions import SFNClient

    from lambdas.domain.applications.recent_state import RecentState
    from lambdas.domain.drift.observations import Observations
    from lambdas.domain.engines.port import Detector, Engine
    from lambdas.domain.engines.rekognition.engine import RekognitionEngine
    from lambdas.domain.images.tiles import Tiling
    from lambdas.domain.review.desk.tasks import ReviewTable
    from lambdas.domain.shared.state import LoopState
    from lambdas.domain.shared.tuning import Tuning

RETRIES = Config(retries={"mode": "standard", "max_attempts": 8})
"""Rekognition's control operations allow few calls a second; throttling is waited out."""


TUNING_SECONDS = 3
"""How old the settings may be that a function works with. Parameter Store answers 40 requests a second, to
all functions and everything else in the account: read for each image they would be throttled.
https://docs.aws.amazon.com/general/latest/gr/ssm.html"""

_MUCH_MEMORY_MB = 10_240


class MissingEnvironmentError(RuntimeError):
    """The function was deployed without a variable that it needs."""


class Services:
    """Clients by AWS service and the deployment's names, read from the function's environment."""

    @cached_property
    def s3(self) -> S3Client:
        return boto3.client("s3", config=RETRIES)

    @cached_property
    def signer(self) -> S3Client:
        """Makes links to single objects, which lead to the bucket in its Region, without a redirect.

        With their defaults the SDKs name the bucket at S3's global endpoint, which redirects for up to a day
        after the bucket was made, until its DNS knows the Region; a browser does not follow a redirect of
        another origin's picture or upload. Old Regions' default is also a signature that S3 is giving up.
        https://docs.aws.amazon.com/AmazonS3/latest/API/UsingRouting.html and
        https://repost.aws/knowledge-center/s3-http-307-response
        """
        style: Any = os.environ.get("S3_ADDRESSING_STYLE", "virtual")
        s3: Any = {"addressing_style": style, "us_east_1_regional_endpoint": "regional"}
        return boto3.client("s3", config=Config(signature_version="s3v4", s3=s3))

    @cached_property
    def rekognition(self) -> RekognitionClient:
        return boto3.client("rekognition", config=RETRIES)

    @cached_property
    def engine(self) -> Engine:
        """Trains, starts and stops the model versions."""
        from lambdas.domain.engines.rekognition.engine import RekognitionEngine

        rekognition = RekognitionEngine(self.rekognition, variable("PROJECT_ARN"))
        if settings := _serverless():
            return self._both(rekognition, settings)
        return rekognition

    def _both(self, rekognition: RekognitionEngine, settings: dict[str, Any]) -> Engine:
        from lambdas.domain.engines.both import Engines
        from lambdas.domain.engines.serverless.detector import ServerlessDetector
        from lambdas.domain.engines.serverless.engine import ServerlessEngine
        from lambdas.domain.engines.serverless.training_jobs import TrainingSettings

        function = settings["function"]
        detector = ServerlessDetector(self.functions, self.sagemaker, self.signer, function)
        training = TrainingSettings(**settings["training"])
        serverless = ServerlessEngine(self.sagemaker, detector, training, rekognition.region)
        return Engines(rekognition, serverless, settings["usual"])

    @cached_property
    def patient_detector(self) -> Detector:
        """Asks the champion about an image, and waits out what is throttled."""
        return self._detector(RETRIES)

    @cached_property
    def detector(self) -> Detector:
        """Asks the champion about an image: what is throttled for long waits."""
        return self._detector(Config(retries={"mode": "standard", "max_attempts": 3}))

    @cached_property
    def prompt_detector(self) -> Detector:
        """Asks the champion for somebody who waits: API Gateway does for 30 seconds at most."""
        retries: Any = {"mode": "standard", "max_attempts": 2}
        return self._detector(Config(retries=retries, connect_timeout=2, read_timeout=20))

    def _detector(self, config: Config) -> Detector:
        from lambdas.domain.engines.rekognition.engine import RekognitionDetector

        rekognition = RekognitionDetector(boto3.client("rekognition", config=config))
        if settings := _serverless():
            from lambdas.domain.engines.both import Detectors
            from lambdas.domain.engines.serverless.detector import ServerlessDetector

            functions = boto3.client("lambda", config=config)
            serverless = ServerlessDetector(functions, self.sagemaker, self.signer, settings["function"])
            return Detectors(rekognition, serverless)
        return rekognition

    @cached_property
    def stepfunctions(self) -> SFNClient:
        return boto3.client("stepfunctions", config=RETRIES)

    @cached_property
    def functions(self) -> Any:
        return boto3.client("lambda", config=RETRIES)

    @cached_property
    def cloudwatch(self) -> Any:
        return boto3.client("cloudwatch", config=RETRIES)

    @property
    def serving_function(self) -> str:
        """The function that answers for the engine serverless; empty if the deployment has not got that."""
        settings = _serverless()
        return settings["function"] if settings else ""

    @cached_property
    def sns(self) -> SNSClient:
        return boto3.client("sns", config=RETRIES)

    @cached_property
    def events(self) -> EventBridgeClient:
        return boto3.client("events", config=RETRIES)

    @cached_property
    def sqs(self) -> SQSClient:
        return boto3.client("sqs", config=RETRIES)

    @cached_property
    def ssm(self) -> SSMClient:
        return boto3.client("ssm", config=RETRIES)

    @cached_property
    def catalogue(self) -> Table:
        return self._dynamodb.Table(variable("CATALOGUE_TABLE"))

    @cached_property
    def application_table(self) -> Table:
        return self._dynamodb.Table(variable("APPLICATIONS_TABLE"))

    @cached_property
    def detection_table(self) -> Table:
        return self._dynamodb.Table(variable("DETECTIONS_TABLE"))

    @cached_property
    def recent_state(self) -> RecentState:
        from lambdas.domain.applications.recent_state import RecentState

        return RecentState(self._dynamodb.Table(variable("LOOP_STATE_TABLE")))

    @cached_property
    def loop_state(self) -> LoopState:
        from lambdas.domain.shared.state import LoopState

        return LoopState(self._dynamodb.Table(variable("LOOP_STATE_TABLE")))

    @cached_property
    def reviews(self) -> ReviewTable:
        from lambdas.domain.review.desk.tasks import ReviewTable

        return ReviewTable(self._dynamodb.Table(variable("REVIEW_TABLE")))

    @cached_property
    def observations(self) -> Observations:
        from lambdas.domain.drift.observations import Observations

        return Observations(self._dynamodb.Table(variable("OBSERVATION_TABLE")))

    @cached_property
    def sagemaker(self) -> Any:
        return boto3.client("sagemaker", config=RETRIES)

    @cached_property
    def a2i(self) -> Any:
        return boto3.client("sagemaker-a2i-runtime", config=RETRIES)

    @property
    def bucket(self) -> str:
        return variable("DATA_BUCKET")

    @cached_property
    def tuning(self) -> TtlCache[Tuning]:
        """The settings as they were some seconds ago at most; to be called.

        Raises:
            TuningError: the parameter's values cannot be used.
        """
        return TtlCache(self._read_tuning, TUNING_SECONDS)

    def _read_tuning(self) -> Tuning:
        from lambdas.domain.shared.tuning import Tuning

        parameter = self.ssm.get_parameter(Name=variable("TUNING_PARAMETER"))
        return Tuning.from_json(parameter["Parameter"]["Value"])

    @cached_property
    def _dynamodb(self) -> DynamoDBServiceResource:
        return boto3.resource("dynamodb", config=RETRIES)


def _serverless() -> dict[str, Any] | None:
    """What the function knows of the engine serverless; None if the deployment has only the other."""
    text = os.environ.get("SERVERLESS_ENGINE")
    settings: dict[str, Any] | None = json.loads(text) if text else None
    return settings


def tiling(tuning: Tuning | None, *, tile: bool | None = None) -> Tiling:
    """How this function cuts images that are too large for Rekognition: as large ones as its memory holds.

    Args:
        tuning: the settings; None: they cannot be read, and their defaults are taken.
        tile: True cuts smaller images as well, False none.
    """
    from lambdas.domain.images import tiles
    from lambdas.domain.shared.tuning import Tuning

    settings = tuning or Tuning()
    # https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html ; elsewhere there is no limit.
    memory_mb = int(os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", _MUCH_MEMORY_MB))
    most = tiles.max_pixels(memory_mb)
    return tiles.Tiling(settings.tile_side, settings.tile_overlap, tile, most)


def variable(name: str) -> str:
    """An environment variable of the function.

    Raises:
        MissingEnvironmentError: it is not set.
    """
    value = os.environ.get(name)
    if not value:
        raise MissingEnvironmentError(f"environment variable {name} is not set on this function")
    return value


@cache
def services() -> Services:
    return Services()
