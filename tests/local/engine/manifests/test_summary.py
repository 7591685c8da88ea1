"""What forbids a training with two manifests, and their summary."""

from __future__ import annotations

import pytest

from local.engine import quotas
from local.engine.manifests import lines as manifest_lines
from local.engine.manifests import summary as manifest_summary
from local.engine.manifests.summary import Findings
from tests.fixtures.engine import boxed, classified

CAT = boxed("a.png", ("cat", 1, 2, 30, 40))
CLASSIFIED = classified("a.png", "cat")


def parsed(*lines: str) -> list[manifest_lines.Line]:
    return [manifest_lines.parse(line) for line in lines]


@pytest.mark.parametrize(
    ("lines", "task", "codes"),
    [
        ([classified("a.png", "cat"), classified("b.png", "dog")], "classification", ()),
        ([classified("a.png", "cat")], "classification", ("ERROR_MANIFEST_TOO_FEW_LABELS",)),
        ([CAT], "detection", ()),
        ([CLASSIFIED], "detection", ("ERROR_MANIFEST_TOO_FEW_USABLE_LABELS",)),
        (
            [classified("a.png", *(f"l{n}" for n in range(251)))],
            "classification",
            ("ERROR_MANIFEST_TOO_MANY_LABELS",),
        ),
        (
            [classified("a.png", "cat", bucket="one"), classified("b.png", "dog", bucket="two")],
            "classification",
            ("ERROR_IMAGES_IN_MULTIPLE_S3_BUCKETS",),
        ),
        ([*[CAT] * 4, "x"], "detection", ()),
        ([*[CAT] * 3, "x"], "detection", ("ERROR_TOO_MANY_INVALID_ROWS_IN_MANIFEST",)),
        ([*[CAT] * 3, boxed("b.png"), "{}"], "detection", ()),
    ],
)
def test_content_errors_of_one_manifest(
    lines: list[str], task: manifest_lines.Task, codes: tuple[str, ...]
) -> None:
    assert manifest_summary.content_errors(parsed(*lines), task) == codes


def test_more_lines_than_allowed_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    assert quotas.MAX_IMAGES == 250_000
    monkeypatch.setattr(quotas, "MAX_IMAGES", 2)
    assert manifest_summary.content_errors(parsed(*[CAT] * 2), "detection") == ()
    assert manifest_summary.content_errors(parsed(*[CAT] * 3), "detection") == (
        "ERROR_MANIFEST_ROWS_EXCEEDS_MAXIMUM",
    )


@pytest.mark.parametrize(
    ("training", "testing", "codes"),
    [
        (["cat", "dog"], ["cat"], ()),
        (["cat", "dog", "fox"], ["cat", "cow"], ("ERROR_INSUFFICIENT_LABEL_OVERLAP",)),
        ([], [], ()),
    ],
)
def test_at_least_half_of_the_labels_are_tested(
    training: list[str], testing: list[str], codes: tuple[str, ...]
) -> None:
    lines = [parsed(*(classified("a.png", label) for label in labels)) for labels in (training, testing)]
    assert manifest_summary.shared_errors(lines[0], lines[1], "classification") == codes


def test_labels_of_the_other_task_do_not_overlap() -> None:
    training, testing = parsed(CAT), parsed(CLASSIFIED)
    assert manifest_summary.shared_errors(training, testing, "detection") == (
        "ERROR_INSUFFICIENT_USABLE_LABEL_OVERLAP",
    )


@pytest.mark.parametrize(
    ("lines", "message"),
    [([], "The manifest file is empty."), ([CAT], None)],
)
def test_an_empty_manifest_is_an_error_of_the_file(lines: list[str], message: str | None) -> None:
    assert manifest_summary.file_error(lines) == message


def test_a_manifest_of_more_than_a_gigabyte_is_an_error_of_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    assert quotas.MAX_MANIFEST_BYTES == 1 << 30
    monkeypatch.setattr(quotas, "MAX_MANIFEST_BYTES", len(CAT))
    assert manifest_summary.file_error([CAT]) == "The manifest file size exceeds the maximum supported size."


def test_the_summary_has_the_documented_structure() -> None:
    training = parsed(
        CAT, "nonsense", boxed("b.png"), boxed("c.png", ("cat", 0, 0, 1, 1), ("dog", 1, 1, 9, 9))
    )
    testing = parsed(CAT)
    findings = Findings((), (), ("ERROR_FAILED_IMAGES_S3_COPY",))
    assert manifest_summary.summary(training, testing, "detection", findings) == {
        "statistics": {
            "training": {
                "use_case": "OBJECT_LOCALIZATION",
                "total_json_lines": 4,
                "valid_json_lines": 2,
                "invalid_json_lines": 1,
                "ignored_json_lines": 1,
                "error_json_line_indices": [2, 4],
                "errors": [],
            },
            "testing": {
                "use_case": "OBJECT_LOCALIZATION",
                "total_json_lines": 1,
                "valid_json_lines": 1,
                "invalid_json_lines": 0,
                "ignored_json_lines": 0,
                "error_json_line_indices": [],
                "errors": [],
            },
        },
        "errors": [
            {"code": "ERROR_FAILED_IMAGES_S3_COPY", "message": "Failed to copy images from S3 bucket."}
        ],
    }


def test_too_many_invalid_lines_leave_the_use_case_open() -> None:
    findings = Findings(training=("ERROR_TOO_MANY_INVALID_ROWS_IN_MANIFEST",))
    written = manifest_summary.summary(parsed(CAT, "x"), parsed(CAT), "detection", findings)
    assert {statistics["use_case"] for statistics in written["statistics"].values()} == {"NOT_DETERMINED"}
    assert written["statistics"]["training"]["errors"] == [
        {
            "code": "ERROR_TOO_MANY_INVALID_ROWS_IN_MANIFEST",
            "message": "The manifest file contains too many invalid rows.",
        }
    ]
