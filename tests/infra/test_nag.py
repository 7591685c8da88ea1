"""cdk-nag's AWS Solutions rules: no finding without an answer written beside the resource."""

from __future__ import annotations

import json
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_s3 as s3

from tests.fixtures import built


def test_no_unexplained_finding() -> None:
    assert built.nag_findings() == []


def test_an_unexplained_bucket_is_found(tmp_path: Path) -> None:
    app = cdk.App(context=built.CONTEXT, outdir=str(tmp_path))
    s3.Bucket(cdk.Stack(app, "Careless"), "Bucket")
    assert "AwsSolutions-S1" in json.dumps(built.synthesize_with_nag(app))
