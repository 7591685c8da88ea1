"""From which confidence on detections of a label count, as an administrator chooses it for the deployment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambdas.domain.shared import settings_parameter
from lambdas.domain.shared.errors import ApiError
from lambdas.domain.shared.settings_parameter import UNSET, InvalidSettingsError, SettingsError

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient


def set_threshold(ssm: SSMClient, parameter: str, label: str, percent: float | None) -> dict[str, float]:
    """Set a label's threshold, in percent: those of all labels then.

    Args:
        percent: None takes the deployment's away: the model's own holds again.

    Raises:
        ApiError: the settings cannot be used with it, or others change them all the time.
    """
    changes = {f"label_thresholds.{label}": UNSET if percent is None else percent}
    try:
        change = settings_parameter.change_settings(ssm, parameter, changes)
    except InvalidSettingsError as error:
        raise ApiError(422, "bad_request", str(error), "percent") from error
    except SettingsError as error:
        raise ApiError(409, "conflict", str(error)) from error
    return dict(change.after.get("label_thresholds") or {})
