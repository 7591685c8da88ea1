"""`*` in IAM policies and line breaks.

AWS: `*` stands for any characters, so also for a line break in an object's key.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
MiniStack: its patterns' `.` matches no line break.
"""

from __future__ import annotations

import functools
import re

_KEPT = 4096
"""Patterns, as many as MiniStack keeps: Python keeps 512, and a deployment has more."""


def apply_patch() -> None:
    """Patch MiniStack in this process; to be called before the first request."""
    from ministack.core import iam_evaluator  # noqa: PLC0415 reads the environment when first imported

    original = iam_evaluator._fnmatch_compile

    @functools.lru_cache(_KEPT)
    def compiled(pattern: str, ignore_case: bool) -> re.Pattern[str]:
        expression = original(pattern, ignore_case)
        return re.compile(expression.pattern, expression.flags | re.DOTALL)

    iam_evaluator._fnmatch_compile = compiled
