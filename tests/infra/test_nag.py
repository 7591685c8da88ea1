"""cdk-nag's AWS Solutions rules: no finding without an answer written beside the resource."""

from __future__ import annotations

import json

from tests.fixtures import built


def test_no_unexplained_finding() -> None:
    assert built.nag_findings() == []


def test_an_unexplained_bucket_is_found() -> None:
    assert "AwsSolutions-S1" in json.dumps(built.nag_findings(built.CARELESS))
