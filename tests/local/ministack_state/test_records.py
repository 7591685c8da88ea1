"""Records, each with MiniStack's own module of the service."""

from __future__ import annotations

import pytest

from local.ministack_state.records import Executions, Items


@pytest.mark.parametrize(
    ("service", "stores", "records"),
    [("dynamodb", Items.STORES, {"tables"}), ("stepfunctions", Executions.STORES, {"executions"})],
)
def test_nothing_that_ministack_saves_is_left_out(
    service: str, stores: tuple[str, ...], records: set[str]
) -> None:
    from ministack import app

    assert set(app._get_module(service).get_state()) == {*stores, *records}


def test_nothing_that_ministack_saves_of_queues_is_left_out() -> None:
    from ministack.services import sqs

    assert set(sqs.get_state()) == {"queues", "queue_name_to_url"}
