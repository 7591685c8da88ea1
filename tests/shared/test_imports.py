"""What a function does not import: it would wait for it at every cold start."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = """
import json, sys
import lambdas.{module}
print(json.dumps(sorted(sys.modules)))
"""
REPORT = {"PIL", "lambdas.domain.report", "lambdas.domain.snapshot.snapshots"}
ROUTER = {"aws_lambda_powertools.event_handler", "pydantic"}
API = ROUTER | {"lambdas.http"}
BATCH = {"asyncio", "aws_lambda_powertools.utilities.batch"}
REVIEW = {"lambdas.domain.review.desk.task", "lambdas.domain.review.desk.tasks"}
ROUTE = {
    "lambdas.contract.requests",
    "lambdas.contract.responses",
    "lambdas.domain.register.registration",
    "lambdas.domain.review.desk.desk",
    "lambdas.domain.review.routing",
    "lambdas.domain.review.task_opening",
    "lambdas.domain.shared.state",
}
"""What only some routes of a function need, or some of the functions of a file."""


@pytest.mark.long
@pytest.mark.parametrize(
    ("module", "unneeded"),
    [
        ("retrain", REPORT | API | BATCH | REVIEW | {"lambdas.domain.catalogue.images"}),
        ("promote", REPORT | API | BATCH | REVIEW | {"lambdas.domain.catalogue.images"}),
        ("detect", REPORT | API | BATCH | REVIEW | {"lambdas.domain.catalogue.images"}),
        ("rekognition_project", REPORT | API | BATCH | REVIEW | {"lambdas.domain.catalogue.images"}),
        (
            "register",
            API
            | BATCH
            | {
                "lambdas.domain.report",
                "lambdas.domain.review.desk.task",
                "lambdas.domain.annotations.recognition",
                "lambdas.domain.shared.state",
            },
        ),
        ("review", REPORT | API | BATCH | ROUTE),
        ("console", ROUTER | BATCH | ROUTE),
        ("desk", ROUTER | BATCH | ROUTE),
        ("admin", ROUTER | BATCH | ROUTE),
        ("sweep", {"PIL", "lambdas.domain.report", "statistics"} | API | BATCH),
        ("batch", REPORT | API | BATCH | REVIEW | {"statistics"}),
    ],
)
def test_a_function_does_not_wait_for_what_it_has_no_use_for(module: str, unneeded: set[str]) -> None:
    command = [sys.executable, "-c", SCRIPT.format(module=module)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    imported = set(json.loads(done.stdout))
    assert "boto3" in imported
    assert imported & unneeded == set()
