from __future__ import annotations

import io
import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from rich.console import Console

from cli import following, formatting, live
from cli.deployment import Deployment
from cli.following import Execution, FollowedRun, Phase
from lambdas.domain.retrain.run_progress import RunProgress
from lambdas.domain.shared import clock, records
from tests.fixtures.cli import BEGAN, EXECUTION, V1, Cli

ARN = EXECUTION.format(name="retrain", id="images-three")


def test_states_become_phases(cli: Cli) -> None:
    cli.fake.executions[ARN] = [{"status": "RUNNING"}]
    cli.fake.histories[ARN] = [
        ("Begin", 0),
        ("WaitForBurst", 0),
        ("BurstEnded?", 1),
        ("WaitForQuiet", 1),
        ("WaitForBurst", 4),
    ]
    execution = Execution(Deployment.find("parts").stepfunctions, ARN, following.RETRAIN_PHASES)
    (waiting,) = execution.look()
    assert (waiting.began, waiting.ended) == (BEGAN, None)
    cli.fake.histories[ARN] += [("TakeLease", 6)]
    burst, lease = execution.look()
    assert burst.seconds(BEGAN) == 6
    assert lease.name == "take the lease"


def test_only_what_is_new_is_read(cli: Cli) -> None:
    cli.fake.executions[ARN] = [{"status": "RUNNING"}]
    cli.fake.histories[ARN] = [("WaitForBurst", 0)]
    execution = Execution(Deployment.find("parts").stepfunctions, ARN, following.RETRAIN_PHASES)
    assert len(execution.look()) == len(execution.look()) == 1


def test_the_last_phase_ends_with_the_execution(cli: Cli) -> None:
    stopped = BEGAN + timedelta(seconds=9)
    cli.fake.executions[ARN] = [{"status": "SUCCEEDED", "stopDate": stopped}]
    cli.fake.histories[ARN] = [("WaitForBurst", 0)]
    run = FollowedRun(Deployment.find("parts"), ARN)
    (phase,) = run.look()
    assert (run.ended, phase.ended) == (True, stopped)


def test_a_promotion_that_has_not_begun_is_a_phase_of_its_run(cli: Cli) -> None:
    cli.fake.executions[ARN] = [{"status": "RUNNING"}]
    cli.fake.histories[ARN] = [("Evaluate", 0), ("Promote", 2)]
    names = [phase.name for phase in FollowedRun(Deployment.find("parts"), ARN).look()]
    assert names == ["evaluation gate", "promote"]


@pytest.mark.parametrize("served", [False, True])
def test_the_first_promotion_has_no_phases_of_a_champion(cli: Cli, served: bool) -> None:
    promotion = EXECUTION.format(name="promote", id="images-three")
    cli.fake.executions[promotion] = [{"status": "RUNNING"}]
    cli.fake.histories[promotion] = [
        ("Start", 0),
        ("WakeChampion", 1),
        ("WatchStart", 2),
        ("ShadowEvaluate", 3),
        ("Drain", 5),
    ]
    for version in cli.loop_state.versions():
        cli.loop_state.fenced().update_version(records.ModelVersion(version.id, promoted_at=""))
    before = (
        clock.to_iso(BEGAN - timedelta(hours=1)) if served else clock.to_iso(BEGAN + timedelta(seconds=4))
    )
    cli.loop_state.fenced().update_version(records.ModelVersion(V1, promoted_at=before))
    names = [phase.name for phase in following.FollowedPromotion(Deployment.find("parts"), promotion).look()]
    of_a_champion = ["start the champion to compare with", "drain the old champion"]
    assert [name for name in names if name in of_a_champion] == (of_a_champion if served else [])
    assert names.count("start the challenger") == (2 if served else 1)
    assert "shadow gate" in names


def test_the_run_with_the_lease_is_the_one_under_way(cli: Cli) -> None:
    other = EXECUTION.format(name="retrain", id="manual-four")
    for arn in (ARN, other):
        cli.fake.executions[arn] = [{"status": "RUNNING"}]
    cli.loop_state.take_lease("retrain", ARN)
    run = following.under_way(Deployment.find("parts"))
    assert run is not None
    assert run.id == "images-three"


def test_rekognition_is_asked_how_far_the_training_is(cli: Cli) -> None:
    cli.loop_state.update_run(records.Run("images-three", version=V1))
    cli.fake.versions = {V1: {"Status": "TRAINING_IN_PROGRESS"}}
    assert FollowedRun(Deployment.find("parts"), ARN).training_status() == f"{V1}: it is being trained"
    cli.fake.versions[V1]["StatusMessage"] = "The model is being trained: 42%."
    assert (
        FollowedRun(Deployment.find("parts"), ARN).training_status()
        == f"{V1}: The model is being trained: 42%."
    )
    # The run goes on a moment after the training has ended.
    cli.fake.versions[V1] = {"Status": "TRAINING_COMPLETED", "StatusMessage": "The model is ready to run."}
    assert FollowedRun(Deployment.find("parts"), ARN).training_status() == f"{V1}: it is trained"


def test_who_follows_a_run_that_waits_for_a_person_reads_how_to_decide(cli: Cli) -> None:
    ended = {"status": "SUCCEEDED", "stopDate": BEGAN + timedelta(seconds=99), "output": "{}"}
    promotion = EXECUTION.format(name="promote", id="images-three")
    cli.fake.executions |= {ARN: [{"status": "RUNNING"}, ended], promotion: [{"status": "RUNNING"}]}
    cli.fake.histories |= {ARN: [("Promote", 0)], promotion: [("ShadowEvaluate", 1), ("AskApproval", 2)]}
    cli.loop_state.update_run(records.Run("images-three", waits_for="the approval: `labelloop approve v2`"))
    details: list[str] = []

    class Screen:
        def show(self, phases: Sequence[Phase], detail: str, progress: RunProgress) -> None:
            details.append(detail)

    following.follow(FollowedRun(Deployment.find("parts"), ARN), Screen(), poll_seconds=0)
    assert details[0] == "waits for the approval: `labelloop approve v2`"


def test_every_state_that_takes_time_has_a_phase() -> None:

    machines = Path(__file__).parents[2] / "statemachines"
    for name, phases in (("retrain", following.RETRAIN_PHASES), ("promote", following.PROMOTE_PHASES)):
        states = json.loads((machines / f"{name}.asl.json").read_text())["States"]
        long = {state for state, spec in states.items() if spec["Type"] in ("Task", "Wait")}
        assert long == set(phases)


HALF = RunProgress(0.5, 65.0)
PHASES = [
    Phase("make the dataset snapshot", BEGAN, BEGAN + timedelta(seconds=2)),
    Phase(following.TRAINING, BEGAN + timedelta(seconds=2)),
]


def test_a_log_has_one_line_for_each_phase() -> None:
    written = io.StringIO()
    with live.display(Console(file=written)) as display:
        for _ in range(3):
            display.show(PHASES, "v1: it is being trained", HALF)
    assert written.getvalue() == "  make the dataset snapshot: 2.0 s\n"


def test_a_log_mentions_what_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "HEARTBEAT_SECONDS", -1.0)
    written = io.StringIO()
    with live.display(Console(file=written)) as display:
        display.show(PHASES, "v1: it is being trained.", HALF)
    assert "so far v1: it is being trained; all in all 50 %, about 65 s left" in written.getvalue()


def test_a_terminal_shows_every_phase_and_the_footer() -> None:
    written = io.StringIO()
    console = Console(file=written, force_terminal=True, width=120, highlight=False)
    with live.display(console, lambda: "12 detections") as display:
        display.show(PHASES, "v1: it is being trained", HALF)
    for expected in (
        "make the dataset snapshot",
        "train the model",
        "is being trained",
        "50 %, about 65 s left",
        "12 detections",
    ):
        assert expected in written.getvalue()


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0.44, "0.4 s"),
        (38.2, "38 s"),
        (245, "4 min 05 s"),
        (1800, "30 min"),
        (7800, "2 h 10 min"),
        (7200, "2 h"),
        (None, ""),
    ],
)
def test_durations_in_words(amount: float | None, text: str) -> None:
    assert formatting.seconds(amount) == text


def test_money_in_words() -> None:
    assert [formatting.usd(amount) for amount in (0, 0.0312, 4.0, None)] == ["0.00", "0.0312", "4.00", ""]
