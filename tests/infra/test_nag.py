"""cdk-nag's AWS Solutions rules: no finding without an answer written beside the resource."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_s3 as s3
from cdk_nag import AwsSolutionsChecks

from infra.settings import Settings
from infra.stack import LabelLoopStack
from tests.infra.conftest import CONTEXT


def findings(app: cdk.App) -> list[Any]:
    """What cdk-nag objects to; it fails the synthesis if there is anything."""
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    try:
        app.synth()
    except RuntimeError as error:
        assert "ValidationFailed" in str(error)
    report = Path(app.outdir) / "validation-report.json"
    if not report.exists():
        return []
    plugins = json.loads(report.read_text())["pluginReports"]
    return [violation for plugin in plugins for violation in plugin["violations"]]


def test_no_unexplained_finding(tmp_path: Path) -> None:
    app = cdk.App(context=CONTEXT, outdir=str(tmp_path))
    LabelLoopStack(app, Settings())
    assert findings(app) == []


def test_an_unexplained_bucket_is_found(tmp_path: Path) -> None:
    app = cdk.App(context=CONTEXT, outdir=str(tmp_path))
    s3.Bucket(cdk.Stack(app, "Careless"), "Bucket")
    assert "AwsSolutions-S1" in json.dumps(findings(app))
