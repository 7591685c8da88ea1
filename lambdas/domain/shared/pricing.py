"""What training and inference cost, estimated from Amazon Rekognition's price list."""

from __future__ import annotations

TRAINING_USD_PER_HOUR = 1.0
INFERENCE_USD_PER_UNIT_HOUR = 4.0
"""US East (N. Virginia), https://aws.amazon.com/rekognition/pricing/ ; the bill is what counts."""


def training_usd(billable_seconds: float) -> float:
    return round(billable_seconds / 3600 * TRAINING_USD_PER_HOUR, 4)


def inference_usd(running_seconds: float, inference_units: int) -> float:
    return round(running_seconds / 3600 * inference_units * INFERENCE_USD_PER_UNIT_HOUR, 4)
