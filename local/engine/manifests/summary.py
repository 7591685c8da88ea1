"""What forbids a training with two manifests, and manifest summaries.

- https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/tm-debugging-aggregate-errors.html
- https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/tm-debugging-summary.html
- https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/limits.html
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from local.engine import quotas
from local.engine.manifests import errors as manifest_errors
from local.engine.manifests.errors import problem
from local.engine.manifests.lines import Line, Task, is_ignored, labels_of

USE_CASES: dict[Task, str] = {"classification": "IMAGE_LEVEL_LABELS", "detection": "OBJECT_LOCALIZATION"}

_INVALID_ROWS = "ERROR_TOO_MANY_INVALID_ROWS_IN_MANIFEST"


@dataclass(frozen=True)
class Findings:
    """Codes of the content errors, any of which forbids the training."""

    training: tuple[str, ...] = ()
    testing: tuple[str, ...] = ()
    both: tuple[str, ...] = ()
    """Codes of errors that the two manifests make only together."""

    @property
    def message(self) -> str:
        """The version's StatusMessage; empty if there is no error."""
        datasets = (("training", self.training), ("testing", self.testing), ("both", self.both))
        return " ".join(
            f"{manifest_errors.MESSAGES[code]} ({code}, {dataset})"
            for dataset, codes in datasets
            for code in codes
        )


def file_error(lines: Sequence[str]) -> str | None:
    """The message of the error that keeps a manifest from being looked into, None if it has none."""
    if not lines:
        return manifest_errors.EMPTY_MANIFEST
    # Characters are never more than bytes, and counting bytes would copy the whole manifest.
    if sum(len(line) + 1 for line in lines) > quotas.MAX_MANIFEST_BYTES:
        return manifest_errors.MANIFEST_TOO_LARGE
    return None


def content_errors(lines: Sequence[Line], task: Task) -> tuple[str, ...]:
    """Codes of the errors that one manifest makes alone."""
    codes = []
    if len(lines) > quotas.MAX_IMAGES:
        codes.append("ERROR_MANIFEST_ROWS_EXCEEDS_MAXIMUM")
    if sum(_is_invalid(line, task) for line in lines) > quotas.MAX_INVALID_SHARE * len(lines):
        codes.append(_INVALID_ROWS)
    if len({line.bucket for line in lines if line.source_ref}) > 1:
        codes.append("ERROR_IMAGES_IN_MULTIPLE_S3_BUCKETS")
    usable, labels = labels_of(lines, task), _all_labels(lines)
    if len(labels) < quotas.MIN_LABELS[task]:
        codes.append("ERROR_MANIFEST_TOO_FEW_LABELS")
    elif len(usable) < quotas.MIN_LABELS[task]:
        codes.append("ERROR_MANIFEST_TOO_FEW_USABLE_LABELS")
    if len(labels) > quotas.MAX_LABELS:
        codes.append("ERROR_MANIFEST_TOO_MANY_LABELS")
    return tuple(codes)


def shared_errors(training: Sequence[Line], testing: Sequence[Line], task: Task) -> tuple[str, ...]:
    """Codes of the errors that two manifests make only together.

    The overlap is the share of the training labels that are testing labels too, see
    https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/md-create-manifest-file-validation-rules.html
    """
    if not _overlaps(_all_labels(training), _all_labels(testing)):
        return ("ERROR_INSUFFICIENT_LABEL_OVERLAP",)
    if not _overlaps(set(labels_of(training, task)), set(labels_of(testing, task))):
        return ("ERROR_INSUFFICIENT_USABLE_LABEL_OVERLAP",)
    return ()


def summary(
    training: Sequence[Line], testing: Sequence[Line], task: Task, findings: Findings
) -> dict[str, Any]:
    """A manifest summary.

    As in the documented example, there is no use case where too many lines of a manifest are invalid.
    """
    determined = _INVALID_ROWS not in (*findings.training, *findings.testing)
    return {
        "statistics": {
            "training": _statistics(training, task, findings.training, determined),
            "testing": _statistics(testing, task, findings.testing, determined),
        },
        "errors": [problem(code) for code in findings.both],
    }


def _statistics(lines: Sequence[Line], task: Task, codes: Sequence[str], determined: bool) -> dict[str, Any]:
    valid = sum(1 for line in lines if line.usable_for(task))
    ignored = sum(1 for line in lines if is_ignored(line, task))
    return {
        "use_case": USE_CASES[task] if determined and valid else "NOT_DETERMINED",
        "total_json_lines": len(lines),
        "valid_json_lines": valid,
        "invalid_json_lines": len(lines) - valid - ignored,
        "ignored_json_lines": ignored,
        "error_json_line_indices": [number for number, line in enumerate(lines, start=1) if line.errors],
        "errors": [problem(code) for code in codes],
    }


def _is_invalid(line: Line, task: Task) -> bool:
    return bool(line.errors) and not line.usable_for(task)


def _all_labels(lines: Sequence[Line]) -> set[str]:
    return {label for line in lines for label in line.all_labels}


def _overlaps(training: set[str], testing: set[str]) -> bool:
    return len(training & testing) >= quotas.MIN_LABEL_OVERLAP * len(training)
