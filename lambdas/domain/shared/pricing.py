"""What training and inference cost: prices of Rekognition by Region, of SageMaker's training jobs, and of
what is billed by use.

The pricing page fills its tables in by script, so that a Region's price can be read there by people alone.
What could be found in print stands in `PRICES`; for every other Region the highest price that is known is
taken, and is said to be an estimate. Settings replace both. The bill is what counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace

from lambdas.domain.shared.frozen import frozen
from lambdas.domain.shared.records import LedgerEntry, is_serverless
from lambdas.domain.shared.tuning import Tuning

PAGE = "https://aws.amazon.com/rekognition/pricing/"
AS_OF = "2026-11-28"
"""When the table below was last compared with its sources."""
SERVERLESS_MACHINE = "ml.m5.xlarge"
"""The only machine of training jobs whose price is known here; whoever deploys another says its price."""
SERVERLESS_TRAINING_PER_HOUR = 0.257
"""Of a training job on that machine in eu-west-1, as AWS billed it in December 2023:
https://github.com/aws-samples/sagemaker-ssh-helper/blob/main/Sample_Costs.md . For other Regions it is an
estimate. Times BillableTimeInSeconds it is the cost of a job on a spot machine as well, where these are
fewer: "the savings" are "(1 - BillableTimeInSeconds / TrainingTimeInSeconds) * 100":
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeTrainingJob.html"""
_SERVERLESS_REGION = "eu-west-1"


@frozen
class Prices:
    """The prices of a Region, in USD."""

    training_per_hour: float
    inference_per_unit_hour: float
    is_estimate: bool = False
    """Whether the Region's own prices are not known."""
    serverless_training_per_hour: float = SERVERLESS_TRAINING_PER_HOUR
    """Of the machine that the engine serverless trains on."""

    def training_usd(self, billable_seconds: float, *, serverless: bool = False) -> float:
        """What a training costs; `serverless`: one of the engine of that name."""
        hour = self.serverless_training_per_hour if serverless else self.training_per_hour
        return round(billable_seconds / 3600 * hour, 4)

    def inference_usd(self, running_seconds: float, inference_units: float) -> float:
        return round(running_seconds / 3600 * inference_units * self.inference_per_unit_hour, 4)

    def entry_usd(self, entry: LedgerEntry) -> float:
        """What an entry of the ledger costs."""
        if entry.what == "answers":
            return serving_usd(entry.units, entry.seconds)
        if entry.what == "training":
            return self.training_usd(entry.seconds, serverless=is_serverless(entry.version))
        return self.inference_usd(entry.seconds, entry.units)


PRICES: Mapping[str, Prices] = {
    # https://aws.amazon.com/rekognition/pricing/ , its examples
    "us-east-1": Prices(1.00, 4.00),
    # https://aws.amazon.com/jp/rekognition/pricing/ as https://www.skyarch.net/blog/ quotes it, comparing
    # custom labels and custom moderation; the quotation names no Region, and is taken to be of Tokyo.
    "ap-northeast-1": Prices(1.37, 4.00),
}
HIGHEST = Prices(
    max(prices.training_per_hour for prices in PRICES.values()),
    max(prices.inference_per_unit_hour for prices in PRICES.values()),
    is_estimate=True,
)
"""Of Regions whose prices are not in the table."""


def prices(region: str, tuning: Tuning) -> Prices:
    """The prices of a Region, those of the settings first."""
    known = PRICES.get(region, HIGHEST)
    training, inference = tuning.training_usd_per_hour, tuning.inference_usd_per_unit_hour
    return replace(
        known,
        training_per_hour=known.training_per_hour if training is None else training,
        inference_per_unit_hour=known.inference_per_unit_hour if inference is None else inference,
        is_estimate=known.is_estimate and (training is None or inference is None),
        serverless_training_per_hour=tuning.serverless_training_usd_per_hour or SERVERLESS_TRAINING_PER_HOUR,
    )


def is_serverless_estimate(region: str, tuning: Tuning) -> bool:
    """Whether the price of the engine serverless's trainings is another Region's."""
    return tuning.serverless_training_usd_per_hour is None and region != _SERVERLESS_REGION


@frozen
class Usage:
    """What is billed by use: requests, state transitions and the time of functions."""

    transitions: float = 0
    """State transitions of standard workflows."""
    function_requests: float = 0
    function_gb_seconds: float = 0
    s3_puts: float = 0
    """PUT, COPY, POST and LIST requests."""
    s3_gets: float = 0
    """GET, HEAD and all other requests."""
    queue_requests: float = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            **{field.name: getattr(self, field.name) + getattr(other, field.name) for field in fields(self)}
        )


@frozen
class UsagePrices:
    """Prices of us-east-1 in USD of what is billed by use, without any free tier, as of AS_OF.

    Other Regions differ by some percent, and all of it is small beside inference units. The pages of S3 and
    SQS fill their tables in by script: these prices are as https://c3x.dev/blog/s3-request-fees-explained and
    https://cloudburn.io/blog/amazon-sqs-pricing (March 2026) quote them.
    """

    transition: float = 0.025 / 1000
    """https://aws.amazon.com/step-functions/pricing/"""
    function_request: float = 0.20 / 1e6
    """https://docs.aws.amazon.com/whitepapers/latest/how-aws-pricing-works/lambda.html"""
    function_gb_second: float = 0.0000133334
    """Of arm64, which functions run on unless `architecture` says otherwise, as
    https://cloudchipr.com/blog/aws-lambda-pricing quotes it: the whitepaper above has that of x86_64 alone,
    0.00001667."""
    s3_put: float = 0.005 / 1000
    s3_get: float = 0.0004 / 1000
    """https://aws.amazon.com/s3/pricing/"""
    queue_request: float = 0.40 / 1e6
    """https://aws.amazon.com/sqs/pricing/"""

    def usd(self, usage: Usage) -> dict[str, float]:
        """What it costs, by what is billed."""
        return {
            "transitions": usage.transitions * self.transition,
            "functions": usage.function_requests * self.function_request
            + usage.function_gb_seconds * self.function_gb_second,
            "s3": usage.s3_puts * self.s3_put + usage.s3_gets * self.s3_get,
            "queues": usage.queue_requests * self.queue_request,
        }


USAGE_PRICES = UsagePrices()
SERVING_MEMORY_MB = 1769
"""Of the function that answers for the engine serverless: one whole processor,
https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html"""
ANSWER_SECONDS = 0.3
"""That the function takes for an image: `python -m benchmarks serving_function` measures less."""
_SERVING_GETS = 3
"""For an image, and at a cold start the model's two files: counted for each answer."""


def serving_usage(answers: float, seconds: float) -> Usage:
    """What answers of the engine serverless use, which took so many seconds together."""
    return Usage(
        function_requests=answers,
        function_gb_seconds=seconds * SERVING_MEMORY_MB / 1024,
        s3_gets=answers * _SERVING_GETS,
    )


def serving_usd(answers: float, seconds: float) -> float:
    """What answers of the engine serverless cost."""
    return round(sum(USAGE_PRICES.usd(serving_usage(answers, seconds)).values()), 4)
