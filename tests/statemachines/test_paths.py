"""Every way through the state machines, played on MiniStack with IAM enforced."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from tests.fixtures.scripted_stack import Fails, Played, Script, Stage, execution_name
from tests.fixtures.state_machine_paths import PATHS, REPORTERS, Path

Play = Callable[..., Played]
_numbers = itertools.count()


@pytest.fixture
def play(stage: Stage, request: pytest.FixtureRequest) -> Play:
    def played(machine: str, script: Script | None = None, input: dict[str, Any] | None = None) -> Played:
        name = f"{next(_numbers)}-{execution_name(request.node.name)}"
        asked = {"version": name} if machine == "promote" else {}
        return stage.end(stage.begin(machine, name, script, {**asked, **(input or {})}))

    return played


@pytest.mark.parametrize("name", PATHS)
def test_path(name: str, play: Play) -> None:
    path = PATHS[name]
    played = play(path.machine, path.script, dict(path.request))
    assert played.visited == path.visited
    assert played.status == ("SUCCEEDED" if path.succeeds else "FAILED")
    reported = played.calls_of(f"{path.machine}-{REPORTERS[path.machine]}")
    assert len(reported) == 1
    assert reported[0]["outcome"] == path.outcome
    reason = path.reason.format(version=_name(played))
    assert (
        reported[0]["reason"].startswith(reason)
        if path.reason.endswith(": ")
        else (reported[0]["reason"] == reason)
    )
    if path.succeeds:
        assert played.output["outcome"] == path.outcome
    else:
        assert played.error == {"retrain": "RunFailed", "promote": "PromotionFailed"}[path.machine]
        assert played.cause == reported[0]["reason"]
    assert_one_ending(path, played)


def assert_one_ending(path: Path, played: Played) -> None:
    """Report is retrain's last call; Finish is promote's, and StopOtherVersions the one before it."""
    functions = [function for function, _ in played.calls]
    if path.machine == "retrain":
        assert functions[-1] == "retrain-Report"
    else:
        assert functions[-2:] == ["promote-StopOtherVersions", "promote-Finish"]


def test_retrain_tells_its_functions_what_they_need(play: Play) -> None:
    played = play("retrain", input={"trigger": "images", "force": True, "started_by": "ann"})
    run, name = played.arn, _name(played)
    started_at = played.calls[0][1]["started_at"]
    assert started_at.startswith("20")
    since = [call.pop("since") for _, call in played.calls if "since" in call]
    assert since == sorted(since) and len(since) == 3 and since[0] >= started_at
    step = {"run": run, "redrives": 0}
    assert played.calls == [
        ("retrain-WaitForBurst", {"run": run, "started_at": started_at}),
        (
            "retrain-TakeLease",
            {**step, "trigger": "images", "started_by": "ann", "engine": "", "started_at": started_at},
        ),
        ("retrain-CountOpenReviews", {"run": run, "started_at": started_at}),
        ("retrain-Snapshot", {**step, "force": True, "snapshot": ""}),
        ("retrain-CheckData", {**step, "snapshot": "5a4b"}),
        ("retrain-SyncDatasets", {**step, "snapshot": "5a4b"}),
        ("retrain-Train", {**step, "snapshot": "5a4b"}),
        ("retrain-WatchTraining", {**step, "version": name}),
        ("retrain-Evaluate", {**step, "version": name, "snapshot": "5a4b"}),
        ("retrain-FindLabelIssues", {**step, "version": name, "snapshot": "5a4b"}),
        (
            "retrain-PromoteMachine",
            {"version": name, **step, "AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID": run},
        ),
        ("retrain-Report", {"run": run, "outcome": "promoted", "reason": "it serves"}),
    ]


def test_retrain_without_input_is_a_manual_run_that_is_not_forced(play: Play) -> None:
    played = play("retrain")
    begun = played.calls_of("retrain-TakeLease")[0]
    assert (begun["trigger"], begun["started_by"]) == ("manual", "")
    assert played.calls_of("retrain-Snapshot")[0]["force"] is False


def test_promote_tells_its_functions_what_they_need(play: Play) -> None:
    played = play("promote", input={"run": "arn:run:a", "rollback": False})
    holder, version = played.arn, _name(played)
    of_version = {"holder": holder, "version": version, "run": "arn:run:a"}
    since = [call.pop("since") for _, call in played.calls if "since" in call]
    assert since == sorted(since) and len(since) == 4 and since[0].startswith("20")
    assert played.calls == [
        ("promote-TakeLease", {"holder": holder, "run": "arn:run:a", "redrives": 0}),
        ("promote-Start", of_version),
        ("promote-WakeChampion", {**of_version, "rollback": False}),
        ("promote-WatchStart", {**of_version, "rollback": False}),
        ("promote-ShadowEvaluate", {**of_version, "rollback": False}),
        ("promote-Switch", of_version),
        ("promote-StopOtherVersions", {"holder": holder}),
        ("promote-Finish", {**of_version, "outcome": "promoted", "reason": "it serves"}),
    ]


def test_a_rollback_needs_no_run(play: Play) -> None:
    played = play("promote", input={"rollback": True})
    assert played.calls_of("promote-ShadowEvaluate")[0] == {
        "holder": played.arn,
        "version": _name(played),
        "run": "",
        "rollback": True,
    }
    assert played.calls_of("promote-Finish")[0]["run"] == ""


@pytest.mark.parametrize("outcome", ["promoted", "rejected"])
def test_retrain_with_the_real_promote_inside(outcome: str, play: Play) -> None:
    verdict = {"passed": outcome == "promoted", "reason": "worse than the champion"}
    played = play("whole", {"promote-ShadowEvaluate": [verdict]})
    assert played.status == "SUCCEEDED"
    assert played.output["outcome"] == outcome
    finish = played.calls_of("promote-Finish")[0]
    assert finish["outcome"] == outcome
    assert finish["run"] == played.arn
    assert finish["holder"].endswith(f":promote:{_name(played)}")
    assert played.calls_of("retrain-Report") == [
        {"run": played.arn, "outcome": outcome, "reason": finish["reason"]}
    ]


def test_a_promotion_that_fails_fails_its_run(play: Play) -> None:
    played = play("whole", {"promote-Start": [Fails("no more units")]})
    assert played.status == "FAILED"
    (report,) = played.calls_of("retrain-Report")
    assert report["outcome"] == "failed"
    assert report["reason"].startswith("PromotionFailed: ")
    assert "no more units" in report["reason"]
    functions = [function for function, _ in played.calls]
    assert functions[-3:] == ["promote-StopOtherVersions", "promote-Finish", "retrain-Report"]


def _name(played: Played) -> str:
    return played.arn.rsplit(":", 1)[-1]
