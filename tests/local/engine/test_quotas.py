"""Quotas of the engine's account, as its environment may have them."""

from __future__ import annotations

import pytest

from local.engine.quotas import QUOTAS_VARIABLE, Quotas


def test_quotas_are_those_of_aws_but_for_the_named_ones() -> None:
    assert Quotas.from_environment({}) == Quotas()
    given = {QUOTAS_VARIABLE: '{"running_versions": 1, "concurrent_trainings": 1}'}
    assert Quotas.from_environment(given) == Quotas(running_versions=1, concurrent_trainings=1)


@pytest.mark.parametrize(
    "text", ["{", "[]", "3", '{"trainings": 1}', '{"projects": "1"}', '{"projects": -1}']
)
def test_quotas_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=QUOTAS_VARIABLE):
        Quotas.from_environment({QUOTAS_VARIABLE: text})
