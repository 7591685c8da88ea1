"""Tokens of the engine's pages."""

from __future__ import annotations

import pytest

from local.engine.errors import InvalidPaginationTokenException
from local.engine.paging import Pages

PAGES = Pages(b"secret")


def test_no_token_looks_like_an_option_of_the_command_line() -> None:
    tokens = [PAGES.token("ListDatasetEntries", {"DatasetArn": "arn"}, key) for key in range(500)]
    assert [token for token in tokens if token.startswith("-")] == []
    assert [
        PAGES.after("ListDatasetEntries", {"DatasetArn": "arn", "NextToken": token}, None) for token in tokens
    ] == (list(range(500)))


@pytest.mark.parametrize("token", ["", "-", "AAAA", "bm9uZQ==", "é"])
def test_a_token_that_was_made_up_is_refused(token: str) -> None:
    with pytest.raises(InvalidPaginationTokenException, match="leave it out to begin again"):
        PAGES.after("DescribeProjects", {"NextToken": token}, None)
