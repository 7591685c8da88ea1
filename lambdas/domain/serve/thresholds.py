"""From which confidence on detections of a label count, as an administrator chooses it for the deployment.

It is a part of the settings, one JSON document in an SSM parameter. PutParameter takes no condition, so a
change looks at the version that it made: where that is not the next one, somebody wrote in between, and the
change is made again on top of theirs.
https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lambdas.domain.shared.errors import ApiError
from lambdas.domain.shared.tuning import Tuning, TuningError

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

_ATTEMPTS = 5
MAX_BYTES = 4096
"""Of a standard parameter:
https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html"""


def set_threshold(ssm: SSMClient, parameter: str, label: str, percent: float | None) -> dict[str, float]:
    """Set a label's threshold, in percent: those of all labels then.

    Args:
        percent: None takes the deployment's away: the model's own holds again.

    Raises:
        ApiError: the settings cannot be used with it, or others change them all the time.
    """
    document, version = _read(ssm, parameter)
    for _ in range(_ATTEMPTS):
        edited = _edited(document, label, percent)
        written = _write(ssm, parameter, edited)
        if written == version + 1:
            return dict(edited["label_thresholds"])
        (document, _theirs), version = _read(ssm, f"{parameter}:{written - 1}"), written
    raise ApiError(409, "conflict", "others are changing the settings; try again")


def _read(ssm: SSMClient, parameter: str) -> tuple[dict[str, Any], int]:
    answer = ssm.get_parameter(Name=parameter)["Parameter"]
    return json.loads(answer["Value"]), answer["Version"]


def _edited(document: dict[str, Any], label: str, percent: float | None) -> dict[str, Any]:
    thresholds = dict(document.get("label_thresholds") or {})
    if percent is None:
        thresholds.pop(label, None)
    else:
        thresholds[label] = percent
    edited = {**document, "label_thresholds": thresholds}
    try:
        Tuning.from_dict(edited)
    except TuningError as error:
        raise ApiError(422, "bad_request", f"nothing is changed: {error}", "percent") from error
    return edited


def _write(ssm: SSMClient, parameter: str, document: dict[str, Any]) -> int:
    """Write the settings: their version."""
    text = json.dumps(document, indent=2, ensure_ascii=False)
    if len(text.encode()) > MAX_BYTES:
        text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
    if len(text.encode()) > MAX_BYTES:
        raise ApiError(
            409, "conflict", "nothing is changed: the settings have no room for another label's threshold"
        )
    return ssm.put_parameter(Name=parameter, Value=text, Overwrite=True)["Version"]
