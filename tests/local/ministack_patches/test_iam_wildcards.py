"""`*` in IAM policies and line breaks, with and without the patch."""

from __future__ import annotations

from typing import Any

import pytest

from local.ministack_patches import iam_wildcards


@pytest.fixture
def evaluator(monkeypatch: pytest.MonkeyPatch) -> Any:
    """MiniStack's policy evaluator, as it comes."""
    from ministack.core import iam_evaluator

    monkeypatch.setattr(iam_evaluator, "_fnmatch_compile", iam_evaluator._fnmatch_compile)
    return iam_evaluator


def test_the_patch_is_needed(evaluator: Any) -> None:
    assert not evaluator._fnmatch_compile("images/*", False).match("images/a\nb.png")


def test_a_wildcard_stands_for_a_line_break_too(evaluator: Any) -> None:
    iam_wildcards.apply_patch()
    pattern = evaluator._fnmatch_compile("images/*", False)
    assert pattern.match("images/a\nb.png")
    assert pattern.match("images/ab.png")
    assert not pattern.match("other/ab.png")


def test_case_is_ignored_where_ministack_ignores_it(evaluator: Any) -> None:
    iam_wildcards.apply_patch()
    assert evaluator._fnmatch_compile("S3:Get*", True).match("s3:getobject")
    assert not evaluator._fnmatch_compile("S3:Get*", False).match("s3:getobject")


def test_a_pattern_is_compiled_once(evaluator: Any) -> None:
    iam_wildcards.apply_patch()
    compiled = evaluator._fnmatch_compile("images/*.jpg", False)
    for number in range(600):  # more than Python keeps
        evaluator._fnmatch_compile(f"images/{number}/*", False)
    assert evaluator._fnmatch_compile("images/*.jpg", False) is compiled
