"""Numbers on the command line."""

from __future__ import annotations

import click
import pytest

from cli.application_commands import apps
from cli.batch_commands import batches
from cli.detection_commands import detections_group
from cli.main import app
from cli.number_range import NumberRange


@pytest.mark.parametrize("text", ["nan", "-nan", "inf", "-1", "101", "many"])
def test_what_is_no_number_within_the_limits_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter):
        NumberRange(0, 100).convert(text, None, None)


def test_what_lies_within_is_taken() -> None:
    assert [NumberRange(0, 100).convert(text, None, None) for text in ("0", "0.5", "1e2")] == [0, 0.5, 100]


def test_every_number_of_every_command_is_of_such_a_range() -> None:
    groups: list[click.Group] = [app, apps, batches, detections_group]
    types = [
        parameter.type for group in groups for each in group.commands.values() for parameter in each.params
    ]
    numbers = [type for type in types if isinstance(type, click.types.FloatParamType)]
    assert len(numbers) >= 5
    assert all(isinstance(type, NumberRange) for type in numbers)
