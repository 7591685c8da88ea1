"""Where MiniStack is put right until it is mended there; each with what AWS documents."""

from __future__ import annotations

import re

from local import cdn_origins, index_queries, task_tokens


def mend() -> None:
    """To be called before the first request."""
    _wildcards_match_newlines()
    index_queries.mend()
    task_tokens.mend()
    cdn_origins.mend()


def _wildcards_match_newlines() -> None:
    """IAM's `*` stands for any characters, so also for a line break in an object's key.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
    """
    from ministack.core import iam_evaluator  # noqa: PLC0415 reads the environment when first imported

    original = iam_evaluator._fnmatch_compile

    def compiled(pattern: str, ignore_case: bool) -> re.Pattern[str]:
        found = original(pattern, ignore_case)
        return re.compile(found.pattern, found.flags | re.DOTALL)

    iam_evaluator._fnmatch_compile = compiled
