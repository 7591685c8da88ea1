from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import boto3
import pytest

from infra.embedded import s3_addressing
from infra.lambda_asset import ROOT
from infra.settings import Settings, SettingsError, check_region, read
from lambdas.domain.shared.regions import CUSTOM_LABELS_REGIONS
from tests.fixtures.built import CONTEXT

PROJECT_TYPE = '"AWS::Rekognition::Project"'


def settings(**context: Any) -> Settings:
    return read({"environments": CONTEXT["environments"], **context}.get)


def test_defaults_are_for_aws() -> None:
    assert settings() == Settings()


def test_an_environment_changes_what_it_names() -> None:
    embedded = settings(environment="embedded")
    assert embedded.embedded
    assert s3_addressing(embedded) == {"S3_ADDRESSING_STYLE": "path"}
    assert s3_addressing(settings()) == {}
    assert embedded.tuning.burst_quiet_seconds == 3


def test_an_object_is_json_on_the_command_line() -> None:
    assert settings(label_thresholds='{"cat": 80}').tuning.label_thresholds == {"cat": 80}
    in_file = {"default": {"label_thresholds": {"cat": 80}}}
    assert read({"environments": in_file}.get).tuning.label_thresholds == {"cat": 80}


def test_an_engine_is_one_that_there_is_and_its_machine_is_sagemakers() -> None:
    assert settings().engine == "rekognition"
    priced = {"serverless_training_usd_per_hour": 0.8}
    assert settings(engine="both", training_instance="ml.g4dn.xlarge", **priced).trains_on_gpu
    with pytest.raises(SettingsError, match="its price is not known here; say with serverless_training_usd"):
        settings(engine="both", training_instance="ml.g4dn.xlarge")
    assert not settings(training_instance="ml.m5.xlarge").trains_on_gpu
    with pytest.raises(SettingsError, match="engine='sagemaker': use one of rekognition, both, serverless"):
        settings(engine="sagemaker")
    with pytest.raises(SettingsError, match=r"training_instance='m5\.xlarge'"):
        settings(training_instance="m5.xlarge")
    with pytest.raises(SettingsError, match="graphics cards that are newer"):
        settings(training_instance="ml.p3.2xlarge")
    for seconds in (59, 86_401):
        with pytest.raises(SettingsError, match="training_seconds"):
            settings(training_seconds=seconds)
    for size in (9, 16_385):
        with pytest.raises(SettingsError, match="training_volume_gb"):
            settings(training_volume_gb=size)


def test_other_buckets_are_named_with_commas_between() -> None:
    named = settings(batch_buckets=" cameras, night.shift ,cameras,")
    assert named.other_batch_buckets == ["cameras", "night.shift"]
    assert settings().other_batch_buckets == []
    with pytest.raises(SettingsError, match="'s3://x' is no name of a bucket"):
        settings(batch_buckets="cameras,s3://x")
    with pytest.raises(SettingsError, match="batch_buckets: 20 at most"):
        settings(batch_buckets=",".join(f"bucket-{number}" for number in range(21)))


def test_an_amount_is_a_number_or_nothing() -> None:
    assert settings(monthly_budget_usd="100").tuning.monthly_budget_usd == 100.0
    assert settings(monthly_budget_usd="null").tuning.monthly_budget_usd is None
    in_file = {"default": {"monthly_budget_usd": 250}}
    assert read({"environments": in_file}.get).tuning.monthly_budget_usd == 250.0
    assert read({"environments": {"default": {"monthly_budget_usd": None}}}.get) == Settings()


def test_context_text_becomes_the_setting_s_type() -> None:
    settings_read = settings(name="parts", retain_data="false", min_f1="0.9", min_new_images="7")
    assert settings_read.name == "parts"
    assert settings_read.retain_data is False
    assert settings_read.tuning.min_f1 == 0.9
    assert settings_read.tuning.min_new_images == 7


@pytest.mark.parametrize(
    ("context", "words"),
    [
        ({"environment": "prod"}, "known: default, embedded"),
        ({"environments": {"default": {"colour": "red"}}}, "unknown settings colour"),
        ({"name": "Has Spaces"}, "lower-case letters"),
        ({"name": "jigsaws"}, "choose one without 'aws' in it"),
        ({"name": "amazonas"}, "without 'amazon'"),
        ({"name": "incognito"}, "without 'cognito'"),
        ({"name": "xn--loop"}, "begins otherwise; S3"),
        ({"name": "sthree-loop"}, "begins otherwise"),
        ({"architecture": "sparc"}, "arm64 or x86_64"),
        ({"log_retention_days": "91"}, "log_retention_days=91: use one of 1, 3, 5"),
        ({"log_retention_days": "-5"}, "log_retention_days=-5"),
        ({"detection_days": "0"}, "detection_days=0: expected 1 to 3650"),
        ({"detection_days": "3651"}, "detection_days=3651"),
        ({"retry_seconds": "-1"}, "retry_seconds=-1: expected 0 to 900"),
        ({"retry_seconds": "901"}, "retry_seconds=901"),
        ({"detect_concurrency": "1"}, "detect_concurrency=1: expected 2 to 1000"),
        ({"register_concurrency": "1"}, "register_concurrency=1: expected 2 to 1000"),
        ({"register_concurrency": "1001"}, "register_concurrency=1001"),
        ({"retrain_schedule": "daily"}, "rate(7 days) or cron(0 3 ? * MON *) and its like, or never"),
        ({"sweep_schedule": "never"}, "use rate(7 days) or cron("),
        ({"sweep_schedule": "rate(0 minutes)"}, "use rate(7 days)"),
        ({"sweep_schedule": "rate(1 minutes)"}, "use rate(7 days)"),
        ({"sweep_schedule": "rate(5 minute)"}, "use rate(7 days)"),
        ({"sweep_schedule": "rate(\u0665 minutes)"}, "use rate(7 days)"),
        ({"retrain_schedule": "cron(0 3 * * *)"}, "use rate(7 days)"),
        ({"retrain_schedule": "cron(0 3 * * * *)"}, "use rate(7 days)"),
        ({"retrain_schedule": "cron(0 3 ? * ? *)"}, "use rate(7 days)"),
        ({"review_heartbeat_seconds": "900"}, "more than passes between two sweeps"),
        ({"sweep_schedule": "rate(1 day)"}, "review_heartbeat_seconds=86400"),
        ({"retain_data": "perhaps"}, "true or false"),
        ({"min_new_images": "many"}, "expected int"),
        ({"min_new_images": "0"}, "1 or more"),
        ({"label_thresholds": "cat"}, "label_thresholds='cat': expected a JSON object"),
        ({"label_thresholds": '{"cat": 101}'}, "label_thresholds: cat=101"),
        ({"min_f1": "1.5"}, "between 0 and 1"),
        ({"monthly_budget_usd": "0"}, "null for no budget"),
        ({"monthly_budget_usd": "-1"}, "monthly_budget_usd=-1.0: expected an amount of USD above 0"),
        ({"monthly_budget_usd": "nan"}, "monthly_budget_usd=nan"),
        ({"monthly_budget_usd": "much"}, "monthly_budget_usd='much': expected a number, or null"),
        ({"environments": {"default": {"monthly_budget_usd": [1]}}}, "expected a number, or null"),
        ({"environments": {"default": {"monthly_budget_usd": True}}}, "expected a number, or null"),
        ({"environments": {"default": {"min_new_images": "ten"}}}, "expected int"),
        ({"environments": {"default": {"min_new_images": True}}}, "expected int"),
    ],
)
def test_a_bad_setting_is_named(context: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError) as raised:
        settings(**context)
    assert words in str(raised.value)


@pytest.mark.parametrize("region", ["us-west-1", "eu-north-1", "ca-central-1", "us-gov-west-1", ""])
def test_a_region_without_custom_labels_is_refused_with_those_that_have_it(region: str) -> None:
    with pytest.raises(SettingsError) as raised:
        check_region(Settings(), region)
    assert all(known in str(raised.value) for known in CUSTOM_LABELS_REGIONS)
    assert "-c other_region=true" in str(raised.value)
    check_region(Settings(other_region=True), region)
    check_region(Settings(embedded=True), region)


def test_custom_labels_is_where_cloudformation_has_its_projects() -> None:
    """By the lists of resource types that cfn-lint has of each Region."""
    regions = boto3.Session().get_available_regions("rekognition")
    lists = {region: resource_types(region) for region in regions}
    assert {region for region, types in lists.items() if PROJECT_TYPE in types} == {*CUSTOM_LABELS_REGIONS}
    for region in CUSTOM_LABELS_REGIONS:
        check_region(Settings(), region)


def resource_types(region: str) -> str:
    spec = find_spec("cfnlint")
    assert spec and spec.origin
    types = Path(spec.origin).parent / "data" / "schemas" / "providers" / f"{region}.json"
    return types.read_text()


def test_the_app_does_not_synthesize_for_a_region_without_custom_labels() -> None:
    environment = os.environ | {"CDK_DEFAULT_REGION": "eu-north-1", "CDK_CONTEXT_JSON": json.dumps(CONTEXT)}
    command = [sys.executable, "app.py"]
    refused = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "LabelLoop: eu-north-1 is not known to have Rekognition Custom Labels" in refused.stderr


@pytest.mark.parametrize(
    "schedule",
    [
        "rate(1 minute)",
        "rate(15 minutes)",
        "cron(0 10 * * ? *)",
        "cron(0/15 8-17 ? * MON-FRI 2026-2030)",
        "cron(0 9 ? * 2#1 *)",
        "cron(0 0 LW JAN,JUL ? *)",
    ],
)
def test_a_schedule_that_eventbridge_takes_is_taken(schedule: str) -> None:
    assert Settings(retrain_schedule=schedule, sweep_schedule=schedule).sweep_schedule == schedule
