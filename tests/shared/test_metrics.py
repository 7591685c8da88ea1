"""Metrics of a function as it is deployed: CloudWatch has them as the dashboard asks for them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
FUNCTION = """
from types import SimpleNamespace
from lambdas import metrics

@metrics.with_metrics
def handle(event, context):
    metrics.count("AnswersGiven", event["answers"])
    metrics.count("TasksSkipped", 0)
    if event["fails"]:
        raise RuntimeError

handle({"answers": 2, "fails": False}, SimpleNamespace(function_name="f"))
handle({"answers": 0, "fails": False}, SimpleNamespace(function_name="f"))
handle({"answers": 1, "fails": True}, SimpleNamespace(function_name="f"))
"""


def test_a_function_writes_each_call_s_metrics_however_it_ends() -> None:
    environment = {"POWERTOOLS_METRICS_NAMESPACE": "LabelLoop/pets", "POWERTOOLS_SERVICE_NAME": "desk"}
    done = subprocess.run(
        [sys.executable, "-W", "always", "-c", FUNCTION],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    documents = [json.loads(line) for line in done.stdout.splitlines()]
    assert [document["AnswersGiven"] for document in documents] == [[2.0], [1.0]]
    for document in documents:
        (directive,) = document["_aws"]["CloudWatchMetrics"]
        assert directive["Namespace"] == "LabelLoop/pets"
        assert directive["Dimensions"] == [["service"]]
        assert document["service"] == "desk"
        assert directive["Metrics"] == [{"Name": "AnswersGiven", "Unit": "Count"}]
    assert done.stderr.count("RuntimeError") == 1
    assert "No application metrics" not in done.stderr
