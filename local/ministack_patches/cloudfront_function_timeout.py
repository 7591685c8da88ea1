"""The time that a function of CloudFront may take.

AWS: measures the time that the function itself takes to run, against a maximum of its own.
https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/cloudfront-function-restrictions.html
MiniStack: its 5 s hold the start of Node too, which a busy machine takes longer for: the page was answered
with 503.
"""

from __future__ import annotations

EVALUATION_SECONDS = 60.0


def apply_patch() -> None:
    """Patch MiniStack in this process; to be called before the first request."""
    from ministack.core import cloudfront_js  # noqa: PLC0415 reads the environment when first imported

    cloudfront_js._EVAL_TIMEOUT = EVALUATION_SECONDS
