"""The settings as they are kept: one JSON document in an SSM parameter, which several people may change.

PutParameter takes no condition, so a change looks at the version that it made. A version is one more than the
one before it: where ours is not, somebody has written since we read. Theirs is the version before ours, and
the change is made again, to that.
https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html
https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-versions.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lambdas.domain.shared.frozen import frozen
from lambdas.domain.shared.tuning import Tuning, TuningError

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

UNSET = object()
"""The change of a setting that gets its default again."""
MAX_BYTES = 4096
"""Of a standard parameter:
https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html"""
ATTEMPTS = 5
"""A change that meets one of somebody else's is made on top of theirs; so often."""


class SettingsError(Exception):
    """Settings that cannot be read or written; the message says what to do."""


class InvalidSettingsError(SettingsError):
    """A change that no setting can have."""


@frozen
class SettingsChange:
    """The document before and after a change."""

    before: dict[str, Any]
    after: dict[str, Any]


def change_settings(ssm: SSMClient, parameter: str, changes: Mapping[str, Any]) -> SettingsChange:
    """Write changes, on top of what anybody else changes at the same time.

    Args:
        changes: by the settings' names; `label_thresholds.bolt` is the value of one label. UNSET takes
            a value away.

    Raises:
        InvalidSettingsError: a value cannot be used.
        SettingsError: there is no room for it, or others change the settings all the time.
    """
    document, version = read_settings(ssm, parameter)
    overwritten = False
    for _ in range(ATTEMPTS):
        try:
            edited = _edited(document, changes)
        except InvalidSettingsError:
            if overwritten:
                _write(ssm, parameter, document)
            raise
        if edited == document and not overwritten:
            return SettingsChange(document, edited)
        written = _write(ssm, parameter, edited)
        if written == version + 1:
            return SettingsChange(document, edited)
        overwritten = True
        (document, _), version = read_settings(ssm, parameter, written - 1), written
    raise SettingsError("others are changing the settings all the time; look at them, and try again")


def read_settings(ssm: SSMClient, parameter: str, version: int | None = None) -> tuple[dict[str, Any], int]:
    """The document and its version; it may have values that cannot be used, for those can be mended.

    Raises:
        SettingsError: it is no document.
    """
    name = parameter if version is None else f"{parameter}:{version}"
    answer = ssm.get_parameter(Name=name)["Parameter"]
    try:
        document = json.loads(answer["Value"])
    except json.JSONDecodeError as error:
        raise SettingsError(_not_usable(parameter, f"it is not JSON: {error}")) from error
    if not isinstance(document, dict):
        raise SettingsError(_not_usable(parameter, "it has to be a JSON object"))
    return document, answer["Version"]


def _not_usable(parameter: str, why: str) -> str:
    return (
        f"the SSM parameter {parameter} cannot be used: {why}. Write an earlier version of it again:"
        f" `aws ssm get-parameter-history --name {parameter}` shows them"
    )


def _edited(document: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    edited = dict(document)
    for name, value in changes.items():
        setting, _, label = name.partition(".")
        values, key = edited, setting
        if label:
            values, key = dict(edited.get(setting) or {}), label
            edited[setting] = values
        if value is UNSET:
            values.pop(key, None)
        else:
            values[key] = value
    try:
        Tuning.from_dict(edited)
    except TuningError as error:
        raise InvalidSettingsError(f"nothing is changed: {error}") from error
    return edited


def _write(ssm: SSMClient, parameter: str, document: Mapping[str, Any]) -> int:
    """Write the document: its version."""
    text = json.dumps(document, indent=2, ensure_ascii=False)
    if len(text.encode()) > MAX_BYTES:
        text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
    if len(text.encode()) > MAX_BYTES:
        raise SettingsError(
            f"nothing is changed: the settings would have {len(text.encode())} bytes, and a parameter takes"
            f" {MAX_BYTES}. `labelloop settings unset` those that have their default"
        )
    return ssm.put_parameter(Name=parameter, Value=text, Overwrite=True)["Version"]
