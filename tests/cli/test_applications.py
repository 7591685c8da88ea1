"""`labelloop apps` and `labelloop detections`: who may ask, and what was asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import boto3
import pytest
from PIL import Image

from lambdas.domain.applications import records
from lambdas.domain.applications.records import Detection, Records
from lambdas.domain.shared import clock
from tests.fixtures.cli import Cli
from tests.fixtures.images import picture

API = "https://d1e2f3a4b5.execute-api.us-east-1.amazonaws.com"
TOKENS = "https://parts-1.auth.us-east-1.amazoncognito.com/oauth2/token"
NEVER = 4102444800


@pytest.fixture
def shops(cli: Cli) -> Cli:
    """A deployment whose people have a pool."""
    pool = boto3.client("cognito-idp").create_user_pool(PoolName="people")["UserPool"]["Id"]
    cli.fake.outputs["UserPoolId"] = pool
    return cli


def secrets_of(cli: Cli) -> list[str]:
    cognito, pool = boto3.client("cognito-idp"), cli.fake.outputs["UserPoolId"]
    clients = cognito.list_user_pool_clients(UserPoolId=pool, MaxResults=60)["UserPoolClients"]
    return [
        cognito.describe_user_pool_client(UserPoolId=pool, ClientId=client["ClientId"])["UserPoolClient"][
            "ClientSecret"
        ]
        for client in clients
    ]


# Applications


def test_an_application_gets_the_lines_that_its_developer_needs(shops: Cli) -> None:
    shown = shops("apps", "add", "cameras", "--rate", "1200").stdout
    (secret,) = secrets_of(shops)
    lines = [line for line in shown.splitlines() if line.startswith("export ")]
    (listed,) = shops.json("apps", "list")
    assert lines == [
        f"export LABELLOOP_URL={API}",
        f"export LABELLOOP_TOKEN_URL={TOKENS}",
        f"export LABELLOOP_CLIENT_ID={listed['client_id']}",
        f"export LABELLOOP_CLIENT_SECRET={secret}",
    ]
    assert "shown this once" in shown
    others = [line for line in shown.splitlines() if line and line not in lines]
    assert all(line.startswith("# ") for line in others), "a shell cannot read it as it is"
    assert (listed["id"], listed["rate"]) == ("cameras", 1200)
    assert secret not in shops("apps", "list").output + json.dumps(listed)
    assert ["cameras", "1200"] in [line.split()[:2] for line in shops("apps", "list").stdout.splitlines()]


def test_programs_get_the_same(shops: Cli) -> None:
    added = shops.json("apps", "add", "cameras")
    assert added["application"] == "cameras"
    assert [added["LABELLOOP_CLIENT_SECRET"]] == secrets_of(shops)
    assert added["previous_until"] is None


def test_a_rotated_secret_stays_good_for_a_day_or_as_long_as_is_said(shops: Cli) -> None:
    shops("apps", "add", "cameras")
    shown = shops("apps", "rotate", "cameras").stdout
    assert "The secret before it stays good until" in shown
    assert len(secrets_of(shops)) == 2
    rotated = shops.json("apps", "rotate", "cameras", "--overlap", "0")
    assert rotated["previous_until"] is None
    assert [rotated["LABELLOOP_CLIENT_SECRET"]] == secrets_of(shops)


def test_a_rate_is_changed(shops: Cli) -> None:
    shops("apps", "add", "cameras")
    assert "cameras may make 30 requests a minute" in shops("apps", "rate", "cameras", "30").stdout
    assert shops.json("apps", "list")[0]["rate"] == 30


def test_an_application_is_removed_once_somebody_has_confirmed_it(shops: Cli) -> None:
    assert "No application yet" in shops("apps", "list").stdout
    shops("apps", "add", "cameras")
    asked = shops("apps", "remove", "cameras")
    assert asked.exit_code == 2
    assert "Its calls fail from then on" in asked.stderr and "give --yes" in asked.stderr
    assert "cameras is removed" in shops("apps", "remove", "cameras", "--yes").stdout
    assert shops.json("apps", "list") == [] and secrets_of(shops) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["add", "Cameras!"], "lower-case letters"),
        (["add", "cameras"], "there is an application cameras already"),
        (["add", "others", "--rate", "99999999"], "requests a minute"),
        (["rotate", "others"], "there is no application 'others'; known: cameras"),
        (["rotate", "cameras", "--overlap", "9999"], "30 days"),
        (["rate", "others", "5"], "there is no application 'others'"),
        (["remove", "others", "--yes"], "there is no application 'others'"),
    ],
)
def test_what_cannot_be_done_says_why(shops: Cli, arguments: list[str], message: str) -> None:
    shops("apps", "add", "cameras")
    result = shops("apps", *arguments)
    assert result.exit_code == 1
    assert message in result.stderr
    assert [listed["id"] for listed in shops.json("apps", "list")] == ["cameras"]


# Detections


def label(name: str, confidence: float) -> dict[str, Any]:
    box = {"left": 0.25, "top": 0.5, "width": 0.125, "height": 0.25}
    return {"label": name, "confidence": confidence, "class_id": 0, "box": box}


def detected(application: str, at: str, *labels: dict[str, Any], **more: Any) -> Detection:
    moment = clock.parse(at).timestamp()
    return Detection(
        application,
        records.new_id(moment),
        at,
        "v3-0123456789abcdef",
        f"applications/{application}/images/a",
        "",
        640,
        480,
        labels,
        expires_at=NEVER,
        **more,
    )


OLD = detected("cameras", "2026-01-30T12:00:00.000000Z", label("bolt", 91.0), label("nut", 55.0))
LATER = detected("robots", "2026-01-31T11:00:00.000000Z", label("bolt", 62.5))
NEW = detected("cameras", "2026-01-31T12:00:00.000000Z", feedback="wrong", note="a nut")


@pytest.fixture
def asked(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Cli:
    monkeypatch.setattr(clock, "now", lambda: "2026-01-31T13:00:00.000000Z")
    table = Records(boto3.resource("dynamodb").Table("detections"))
    for detection in (OLD, LATER, NEW):
        table.keep(detection)
        table.note_caller(detection.application, 0, detection.expires_at)
    table.add_requests("cameras", 0, 1)
    return cli


@pytest.mark.parametrize(
    ("arguments", "listed"),
    [
        ([], [NEW, LATER, OLD]),
        (["--limit", "2"], [NEW, LATER]),
        (["--app", "cameras"], [NEW, OLD]),
        (["--app", "nobody"], []),
        (["--since", "90m"], [NEW]),
        (["--since", "3h"], [NEW, LATER]),
        (["--since", "2d"], [NEW, LATER, OLD]),
        (["--since", "2026-01-31T12:30:00+01:00"], [NEW]),
        (["--since", "2026-01-31"], [NEW, LATER]),
        (["--label", "bolt"], [LATER, OLD]),
        (["--label", "screw"], []),
        (["--below", "70"], [LATER, OLD]),
        (["--label", "bolt", "--below", "70"], [LATER]),
    ],
)
def test_detections_are_found_newest_first(asked: Cli, arguments: list[str], listed: list[Detection]) -> None:
    assert [one["id"] for one in asked.json("detections", "find", *arguments)] == [one.id for one in listed]


def test_detections_are_listed_for_people(asked: Cli) -> None:
    shown = asked("detections", "find", "--limit", "2").stdout
    assert "The newest 2" in shown
    first, second = (line for line in shown.splitlines() if "v3-0123456789abcdef" in line)
    assert "wrong" in first and NEW.id in first and "cameras" in first
    assert "bolt 62.5" in second and "robots" in second
    assert asked("detections", "find", "--label", "screw").stdout == "No detection is like that\n"


@pytest.mark.parametrize("since", ["yesterday", "5w", "", "999999d"])
def test_a_time_that_is_none_is_refused(asked: Cli, since: str) -> None:
    result = asked("detections", "find", "--since", since)
    if since:
        assert result.exit_code == 2
        assert "give 30m, 12h, 7d" in result.stderr


def test_a_detection_is_shown_with_its_image(asked: Cli, tmp_path: Path) -> None:
    document = asked.json("detections", "show", NEW.id)
    assert (document["feedback"], document["note"]) == ("wrong", "a nut")
    assert document["image"] == "s3://parts-data/applications/cameras/images/a"
    shown = asked("detections", "show", OLD.id).stdout
    assert ["bolt", "91.0", "160", "240", "80", "120"] in [line.split() for line in shown.splitlines()]
    assert "Nothing was seen" in asked("detections", "show", NEW.id).stdout
    gone = asked("detections", "show", OLD.id, "--save", str(tmp_path / "a.png"))
    assert gone.exit_code == 1 and "is deleted by now" in gone.stderr
    asked.s3.put_object(Bucket="parts-data", Key=OLD.key, Body=picture(size=(640, 480)))
    document = asked.json("detections", "show", OLD.id, "--save", str(tmp_path / "a.png"))
    assert document["drawn"] == str(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as drawn:
        assert drawn.size == (640, 480)


def test_a_detection_that_nobody_has_is_refused(asked: Cli) -> None:
    for id in ("0" * 32, "rate#0", "../x"):
        result = asked("detections", "show", id)
        assert result.exit_code == 1
        assert f"there is no detection {id}" in result.stderr
