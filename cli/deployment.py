"""A deployment of LabelLoop: the outputs of its CloudFormation stack, and clients of the services it uses."""

from __future__ import annotations

import gc
import json
import os
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
)
from botocore.exceptions import ConnectionError as UnreachableError
from botocore.loaders import Loader

from cli import formatting
from cli.output import CommandError
from lambdas.domain.shared.state import LoopState
from lambdas.domain.shared.tuning import Tuning, TuningError

if TYPE_CHECKING:
    from mypy_boto3_cognito_idp import CognitoIdentityProviderClient
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_rekognition import RekognitionClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_ssm import SSMClient
    from mypy_boto3_stepfunctions import SFNClient

    from lambdas.domain.engines.port import Engine
    from lambdas.domain.engines.rekognition.engine import RekognitionEngine
    from lambdas.domain.review.desk.tasks import ReviewTable

CONFIG = Config(retries={"mode": "standard", "max_attempts": 6}, connect_timeout=5)

OUTPUTS = {
    "bucket": "DataBucket",
    "catalogue_table": "CatalogueTable",
    "loop_state_table": "LoopStateTable",
    "review_table": "ReviewTable",
    "tuning_parameter": "TuningParameter",
    "applications_table": "ApplicationsTable",
    "detections_table": "DetectionsTable",
    "detection_api_address": "DetectionApiAddress",
    "token_address": "TokenAddress",
    "project_arn": "ProjectArn",
    "user_pool_id": "UserPoolId",
    "console_address": "ConsoleAddress",
    "retrain_machine_arn": "RetrainMachineArn",
    "promote_machine_arn": "PromoteMachineArn",
    "register_queue_url": "RegisterQueueUrl",
    "register_dead_letters_url": "RegisterDeadLettersUrl",
    "annotation_queue_url": "AnnotationQueueUrl",
    "annotation_dead_letters_url": "AnnotationDeadLettersUrl",
    "detect_dead_letters_url": "DetectDeadLettersUrl",
    "video_dead_letters_url": "VideoDeadLettersUrl",
    "serve_function": "ServeFunction",
    "batch_machine_arn": "BatchMachineArn",
    "batch_buckets": "BatchBuckets",
}
"""Which output of the stack each attribute of a Deployment is read from."""

_TABLES = ("catalogue", "reviews", "loop_state")
"""Attributes of a Deployment, too; each with a resource of its own."""

_BAD_CREDENTIALS = {
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "SignatureDoesNotMatch",
}


_THROTTLED = {
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
}
"""What botocore has tried again, with pauses, before it comes here:
https://boto3.amazonaws.com/v1/documentation/api/latest/guide/retries.html"""


SERVICES = (
    "cloudformation",
    "cloudfront",
    "cognito-idp",
    "dynamodb",
    "health",
    "iam",
    "lambda",
    "logs",
    "rekognition",
    "s3",
    "sagemaker",
    "service-quotas",
    "sns",
    "sqs",
    "ssm",
    "stepfunctions",
    "sts",
)
"""By their names in botocore: those that the command line calls."""


class _Loader(Loader):
    """Loads the models of just these services. botocore's own lists the 400 folders of all, twice."""

    def list_available_services(self, type_name: str) -> list[str]:
        return list(SERVICES)


@cache
def session(profile: str = "") -> boto3.Session:
    """The session that all clients of a profile are made in: what they have in common is read once.

    Args:
        profile: of the AWS CLI's configuration; empty: what boto3's environment names.
    """
    core = botocore.session.get_session()
    paths = core.get_component("data_loader").search_paths
    core.register_component("data_loader", _Loader(paths, include_default_search_paths=False))
    return boto3.Session(botocore_session=core, profile_name=profile or None)


def s3_client(config: Config) -> S3Client:
    """An S3 client that is set up in this way."""
    return session().client("s3", config=config)


EMBEDDED_ACCOUNT = "000000000000"
"""MiniStack's; AWS gives this number to nobody."""


class DeploymentError(CommandError):
    """The deployment cannot be found or used; the message says what to do."""


class SettingsError(DeploymentError):
    """The settings in force cannot be used."""


@dataclass(frozen=True)
class Deployment:
    """A deployment: its name, its resources, and clients to reach them."""

    name: str
    bucket: str
    catalogue_table: str
    loop_state_table: str
    review_table: str
    tuning_parameter: str
    applications_table: str
    detections_table: str
    detection_api_address: str
    token_address: str
    project_arn: str
    user_pool_id: str
    console_address: str
    retrain_machine_arn: str
    promote_machine_arn: str
    register_queue_url: str
    register_dead_letters_url: str
    annotation_queue_url: str
    annotation_dead_letters_url: str
    detect_dead_letters_url: str
    video_dead_letters_url: str
    serve_function: str
    batch_machine_arn: str
    batch_buckets: str
    """Names of the buckets that batches may read, with commas between."""
    serverless_engine: str = ""
    """What is to be known of the engine serverless, as JSON; empty: the deployment has none."""
    profile: str = ""
    """Of the AWS CLI's configuration, by which it is reached; empty: boto3's environment says how."""

    @classmethod
    def find(cls, name: str, profile: str = "") -> Deployment:
        """Look a deployment up by its name, in the account and region that boto3's environment names, or a
        profile.

        Raises:
            DeploymentError: there is none, or AWS cannot be asked.
        """
        outputs = _outputs(name, profile)
        if missing := sorted(set(OUTPUTS.values()) - set(outputs)):
            raise DeploymentError(
                f"the stack {name} is not a LabelLoop deployment of this release, or is not complete:"
                f" it lacks the outputs {', '.join(missing)}"
            )
        known = {attribute: outputs[output] for attribute, output in OUTPUTS.items()}
        return cls(name=name, **known, serverless_engine=outputs.get("ServerlessEngine", ""), profile=profile)

    @property
    def _session(self) -> boto3.Session:
        return session(self.profile) if self.profile else session()

    @property
    def is_embedded(self) -> bool:
        """Whether it is in the embedded stack, where nothing is billed and starts take seconds."""
        return self.project_arn.split(":")[4] == EMBEDDED_ACCOUNT

    @property
    def register_queue_urls(self) -> tuple[str, str]:
        """Queues of files that were dropped and are not registered yet."""
        return self.register_queue_url, self.annotation_queue_url

    @cached_property
    def s3(self) -> S3Client:
        return self._session.client("s3", config=CONFIG)

    @cached_property
    def rekognition(self) -> RekognitionClient:
        return self._session.client("rekognition", config=CONFIG)

    @cached_property
    def engine(self) -> Engine:
        """What trains, starts and stops its model versions."""
        from lambdas.domain.engines.rekognition.engine import RekognitionEngine

        rekognition = RekognitionEngine(self.rekognition, self.project_arn)
        return self._both(rekognition) if self.serverless_engine else rekognition

    def _both(self, rekognition: RekognitionEngine) -> Engine:
        from lambdas.domain.engines.both import Engines
        from lambdas.domain.engines.serverless.detector import ServerlessDetector
        from lambdas.domain.engines.serverless.engine import ServerlessEngine
        from lambdas.domain.engines.serverless.training_jobs import TrainingSettings

        settings = json.loads(self.serverless_engine)
        sagemaker = self._session.client("sagemaker", config=CONFIG)
        # What KMS has encrypted is given to links of the newer signature alone, as models are that SageMaker
        # has written: https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html
        signer = self._session.client("s3", config=CONFIG.merge(Config(signature_version="s3v4")))
        detector = ServerlessDetector(self.functions, sagemaker, signer, settings["function"])
        try:
            training = TrainingSettings(**settings["training"])
        except TypeError as error:
            raise DeploymentError(
                f"{self.name} was deployed by another release of LabelLoop than this command is of: deploy it"
                f" again, or use that one ({error})"
            ) from error
        serverless = ServerlessEngine(sagemaker, detector, training, rekognition.region)
        return Engines(rekognition, serverless, settings["usual"])

    @cached_property
    def stepfunctions(self) -> SFNClient:
        return self._session.client("stepfunctions", config=CONFIG)

    @cached_property
    def functions(self) -> Any:
        return self._session.client("lambda", config=CONFIG)

    @cached_property
    def sqs(self) -> SQSClient:
        return self._session.client("sqs", config=CONFIG)

    @cached_property
    def ssm(self) -> SSMClient:
        return self._session.client("ssm", config=CONFIG)

    @cached_property
    def catalogue(self) -> Table:
        return self._session.resource("dynamodb", config=CONFIG).Table(self.catalogue_table)

    @cached_property
    def applications(self) -> Table:
        return self._session.resource("dynamodb", config=CONFIG).Table(self.applications_table)

    @cached_property
    def detections(self) -> Table:
        return self._session.resource("dynamodb", config=CONFIG).Table(self.detections_table)

    @cached_property
    def cognito(self) -> CognitoIdentityProviderClient:
        return self._session.client("cognito-idp", config=CONFIG)

    @cached_property
    def loop_state(self) -> LoopState:
        return LoopState(self._session.resource("dynamodb", config=CONFIG).Table(self.loop_state_table))

    @cached_property
    def reviews(self) -> ReviewTable:
        from lambdas.domain.review.desk.tasks import ReviewTable

        return ReviewTable(self._session.resource("dynamodb", config=CONFIG).Table(self.review_table))

    def connect(self) -> None:
        """Make every client now: they can be used by several threads, and not be made by several."""
        collects = gc.isenabled()
        gc.disable()
        try:
            for name in ("s3", "rekognition", "stepfunctions", "sqs", "ssm", *_TABLES):
                getattr(self, name)
        finally:
            if collects:
                gc.enable()

    def tuning(self) -> Tuning:
        """The thresholds and intervals that are in force.

        Raises:
            SettingsError: the parameter's values cannot be used.
        """
        parameter = self.ssm.get_parameter(Name=self.tuning_parameter)
        try:
            return Tuning.from_json(parameter["Parameter"]["Value"])
        except TuningError as error:
            raise SettingsError(
                f"the settings in the SSM parameter {self.tuning_parameter} cannot be used: {error}."
                " Correct them with `labelloop settings set` or `unset`"
            ) from error


def explain(error: BotoCoreError | ClientError) -> str:
    """Explain an error of AWS, or of the connection to it, and say what to do about it."""
    match error:
        case ClientError():
            return _from_aws(error)
        case NoCredentialsError() | PartialCredentialsError():
            return f"no AWS credentials: {_SIGN_IN}"
        case ProfileNotFound():
            return f"{error}: set AWS_PROFILE to one that `aws configure list-profiles` shows"
        case NoRegionError():
            return f"no AWS region: set AWS_DEFAULT_REGION to the deployment's, or {_EMBEDDED}"
        case HTTPClientError() | UnreachableError():
            return _unreachable(error)
    return str(error)


def _from_aws(error: ClientError) -> str:
    code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
    if code in _BAD_CREDENTIALS:
        why, advice = (message or code).rstrip("."), _SIGN_IN[0].upper() + _SIGN_IN[1:]
        return f"AWS does not accept these credentials: {why}. {advice}"
    if code in _THROTTLED:
        attempts = error.response.get("ResponseMetadata", {}).get("RetryAttempts", 0) + 1
        return (
            f"AWS takes no more requests just now ({error.operation_name}: {code}, after"
            f" {formatting.count(attempts, 'attempt')}): the account asks for too much at once."
            " Run the command again in a moment"
        )
    return f"{error.operation_name}: {code}: {message}"


_EMBEDDED = "source `. .embedded/env` for the embedded stack (`make up`)"
_SIGN_IN = f"sign in as for the AWS CLI, or {_EMBEDDED}"


def _unreachable(error: BotoCoreError) -> str:
    endpoint = os.environ.get("AWS_ENDPOINT_URL")
    if endpoint is None:
        return f"AWS cannot be reached: {error}"
    return (
        f"nothing answers at {endpoint} (AWS_ENDPOINT_URL): the embedded stack is down; start it with"
        " `make up` and source `. .embedded/env` again"
    )


def _outputs(name: str, profile: str) -> dict[str, str]:
    try:
        stacks = (
            (session(profile) if profile else session())
            .client("cloudformation", config=CONFIG)
            .describe_stacks(StackName=name)["Stacks"]
        )
    except ClientError as error:
        if error.response["Error"]["Code"] == "ValidationError":
            raise DeploymentError(_no_such_stack(name, profile)) from error
        raise DeploymentError(explain(error)) from error
    except BotoCoreError as error:
        raise DeploymentError(explain(error)) from error
    if not stacks:
        raise DeploymentError(_no_such_stack(name, profile))
    return {output["OutputKey"]: output["OutputValue"] for output in stacks[0].get("Outputs", [])}


def _no_such_stack(name: str, profile: str) -> str:
    aws = session(profile) if profile else session()
    endpoint = os.environ.get("AWS_ENDPOINT_URL")
    where = [f"profile {aws.profile_name}", *([f"endpoint {endpoint}"] if endpoint else [])]
    return (
        f"there is no stack {name} in {aws.region_name} ({', '.join(where)}). Name another one with --name,"
        " set AWS_DEFAULT_REGION or AWS_PROFILE to those that it was deployed with, deploy it"
        f" (`npx cdk deploy`), or {_EMBEDDED}"
    )
