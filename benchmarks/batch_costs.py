"""What a million images cost in AWS: a batch, one execution for each image, and AWS's own batch sample.

Arithmetic by the table of prices (lambdas/domain/shared/pricing.py), without any free tier: nothing of this
has run in an account. Inference units cost the same for all three; what differs is what is billed by use.

- One execution for each image, as lean as it can be: two states, which ask Rekognition and write its answer
  without a function. A state is a transition:
  https://docs.aws.amazon.com/step-functions/latest/dg/concepts-transitions.html
- The sample: https://github.com/aws-samples/amazon-rekognition-custom-labels-batch-processing . S3 sends a
  message for each image; a function of 128 MB takes one at a time, asks, copies the image, writes the answer.
"""

from __future__ import annotations

from lambdas.domain.batch import estimate
from lambdas.domain.shared.pricing import PRICES, USAGE_PRICES, Usage

IMAGES = 1_000_000
UNITS = 5
RATES = (1.0, 2.0, 5.0)
"""Images that an inference unit answers in a second. AWS names none; see docs/batches.md."""
SAMPLE_GB = 0.125
COPY_SECONDS = 0.2
"""That the sample's function takes for its copy and its answer, about."""
LIMIT = 0.2
"""Of one execution for each image, without the units."""


def batch(rate: float) -> Usage:
    """A batch of images that lie in the bucket already."""
    return estimate.usage(IMAGES, 0, rate, UNITS)


def execution_each(rate: float) -> Usage:
    """One execution for each image: two transitions, Rekognition's reading and the answer's writing."""
    return Usage(transitions=2 * IMAGES, s3_puts=IMAGES, s3_gets=IMAGES)


def sample(rate: float) -> Usage:
    """The sample: three requests to the queue, one function, a copy, an answer and two readings an image.

    Its function waits for a call for as long as a unit takes for one.
    """
    return Usage(
        function_requests=IMAGES,
        function_gb_seconds=SAMPLE_GB * IMAGES * (1 / rate + COPY_SECONDS),
        s3_puts=2 * IMAGES,
        s3_gets=2 * IMAGES,
        queue_requests=3 * IMAGES,
    )


WAYS = {"batch": batch, "an execution each": execution_each, "AWS's sample": sample}


def dollars(way: str, rate: float) -> float:
    """What a way costs in USD, without the units."""
    return sum(USAGE_PRICES.usd(WAYS[way](rate)).values())


def measure() -> None:
    """What is billed by use for a million images, and the units beside it."""
    per_hour = PRICES["us-east-1"].inference_per_unit_hour
    for rate in RATES:
        units = IMAGES / rate / 3600 * per_hour
        hours = IMAGES / rate / UNITS / 3600
        print(
            f"{rate:g} images/s a unit: {units:.2f} USD for {UNITS} units, {hours:.0f} h; beside that, USD:"
        )
        for way, usage in WAYS.items():
            parts = USAGE_PRICES.usd(usage(rate))
            listed = ", ".join(f"{name} {value:.2f}" for name, value in parts.items())
            print(f"  {way:18} {sum(parts.values()):7.2f}   ({listed})")
        share = dollars("batch", rate) / dollars("an execution each", rate)
        print(f"  a batch is {share:.2f} of an execution each (limit {LIMIT})")
