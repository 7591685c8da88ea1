"""Policies of IAM, read once.

AWS: decides about a request in no time that anybody notices.
MiniStack: parses every policy of the caller anew for every request.

What is kept is kept by the document's text: a policy that is changed is another one.
"""

from __future__ import annotations

import functools
from typing import Any

_KEPT = 4096
"""Documents; a deployment has some hundred."""


def apply_patch() -> None:
    """Patch MiniStack in this process; to be called before the first request."""
    from ministack.core import iam_evaluator  # noqa: PLC0415 reads the environment when first imported

    parse = iam_evaluator.parse_policy_document
    of_text = functools.lru_cache(_KEPT)(parse)

    def parsed(document: Any) -> Any:
        return of_text(document) if isinstance(document, str) else parse(document)

    iam_evaluator.parse_policy_document = parsed
