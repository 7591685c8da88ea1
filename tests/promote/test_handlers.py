"""The steps of promote, as the state machine calls them."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest

from lambdas import promote
from lambdas.domain.costs import ledger
from lambdas.domain.engines.port import EngineError, NotYetError
from lambdas.domain.evaluation import shadow_answers
from lambdas.domain.promote.promotion import OverBudgetError
from lambdas.domain.shared import clock, lineage
from lambdas.domain.shared.records import ModelVersion, WaitingImage
from lambdas.domain.shared.scores import Verdict
from lambdas.domain.shared.state import SERVE_SECONDS
from lambdas.domain.snapshot import snapshots
from tests.fixtures import state_machines
from tests.fixtures.deployment import BUCKET, World, context
from tests.fixtures.rekognition import label

RUN = "arn:aws:states:us-east-1:123456789012:execution:retrain:a"


@pytest.fixture(autouse=True)
def leases(world: World) -> None:
    """The promotion's and its run's."""
    world.loop_state.take_lease("promote", "h")
    world.loop_state.take_lease("retrain", RUN)


def call(handler: Any, **event: Any) -> dict[str, Any]:
    """Call a function as the promotion that has the lease."""
    return cast(dict[str, Any], handler({"holder": "h", "run": RUN, **event}, context()))


def snapshot_of_cats_and_dogs(world: World) -> str:
    world.images("cat", 10)
    world.images("dog", 10)
    return snapshots.make(world.catalogue, world.s3, BUCKET).id


def truths(world: World, snapshot: str) -> dict[str, str]:
    """Label of each test image, by its key."""
    lines = map(json.loads, snapshots.entries(world.s3, BUCKET, snapshot, "TEST"))
    return {
        line["source-ref"].removeprefix(f"s3://{BUCKET}/"): line["label-0-metadata"]["class-name"]
        for line in lines
    }


def test_take_lease_lets_one_promotion_go_on(world: World) -> None:
    world.tune(poll_seconds=5)
    world.loop_state.release_lease("promote", "h")
    assert call(promote.take_lease, holder="a") == {"taken": True, "wait_seconds": 5}
    assert not call(promote.take_lease, holder="b")["taken"]
    assert call(promote.take_lease, holder="a")["taken"]


def test_start_and_watch(world: World) -> None:
    world.tune(min_inference_units=2, max_inference_units=2, poll_seconds=5)
    world.version("v1")
    for _ in range(2):
        assert call(promote.start, version="v1") == {"begun": True, "waits_for": "", "wait_seconds": 5}
    (request,) = world.fake.called("start_project_version")
    assert request["MinInferenceUnits"] == 2
    assert world.version_record("v1").state == "challenger"
    assert call(promote.watch_start, version="v1", rollback=False) == {
        "status": "STARTING",
        "message": "STARTING",
        "wait_seconds": 5,
    }
    world.fake.versions["v1"] |= {"Status": "FAILED", "StatusMessage": "no capacity"}
    world.loop_state.update_version(ModelVersion("v1", started_at=clock.in_seconds(-11)))
    answer = call(promote.watch_start, version="v1", rollback=False)
    assert (answer["status"], answer["message"]) == ("FAILED", "no capacity")


@pytest.mark.parametrize("before", ["TRAINING_COMPLETED", "STOPPED", "FAILED"])
def test_a_challenger_that_is_described_as_before_its_start_is_starting(before: str, world: World) -> None:
    world.version("v1", before)
    world.fake.lag = 1
    call(promote.start, version="v1")
    assert call(promote.watch_start, version="v1", rollback=False)["status"] == "STARTING"
    world.fake.finish()
    assert call(promote.watch_start, version="v1", rollback=False)["status"] == "RUNNING"


def test_a_challenger_that_somebody_stopped_has_not_started(world: World) -> None:
    world.version("v1", "STOPPED", started_at=clock.in_seconds(-121))
    assert call(promote.watch_start, version="v1", rollback=False)["status"] == "STOPPED"


def test_a_challenger_whose_start_hangs_is_given_up(world: World) -> None:
    world.tune(start_timeout_seconds=600)
    world.version("v1", "STARTING", state="challenger", started_at=clock.in_seconds(-601))
    watched = {
        since: call(promote.watch_start, version="v1", rollback=False, since=clock.in_seconds(-since))
        for since in (590, 601)
    }
    assert watched[590]["status"] == "STARTING"
    assert watched[601]["status"] == "TIMED_OUT"
    assert "STARTING still after 10 min" in watched[601]["message"]
    assert "start_timeout_seconds" in watched[601]["message"]


@pytest.mark.parametrize(("seconds", "waits"), [(601, False), (590, True)])
def test_a_promotion_ends_without_waiting_for_a_start_that_hangs(
    seconds: int, waits: bool, world: World
) -> None:
    """Meanwhile nobody looks after the champion; the sweeper stops what starts at last."""
    world.tune(start_timeout_seconds=600)
    world.champion("old")
    world.version("v1", "STARTING", state="challenger", started_at=clock.in_seconds(-seconds))
    world.fake.fail_next("stop_project_version", "ResourceInUseException")
    assert call(promote.stop_other_versions, holder="h")["ready"] is not waits
    world.version("v2", "RUNNING")
    assert not call(promote.stop_other_versions, holder="h")["ready"], "another has to stop"


def test_versions_are_stopped_though_the_settings_are_unusable(world: World) -> None:
    world.version("v1", "RUNNING")
    world.tune_by("no JSON")
    assert call(promote.stop_other_versions, holder="h") == {"ready": False, "wait_seconds": 60}
    assert world.fake.statuses() == {"v1": "STOPPING"}


def test_a_challenger_waits_while_the_account_runs_as_many_models_as_it_may(world: World) -> None:
    world.version("v1")
    world.fake.fail_next("start_project_version", "LimitExceededException")
    answer = call(promote.start, version="v1")
    assert answer["begun"] is False
    assert answer["waits_for"] == world.run_record().waits_for == "room for another running model: no"
    assert call(promote.start, version="v1")["begun"] is True
    assert world.run_record().waits_for == ""


def test_the_longer_a_promotion_waits_the_more_seldom_it_looks(world: World) -> None:
    """A day of looks in close succession is more than the history of an execution holds."""
    world.tune(poll_seconds=1)
    world.version("v1")
    world.fake.fail_next("start_project_version", "LimitExceededException")
    world.version("v2", "STOPPING")
    since = clock.in_seconds(-3600)
    waits = [
        call(promote.take_lease, holder="another", since=since),
        call(promote.start, version="v1", since=since),
        call(promote.watch_start, version="v1", rollback=False, since=since),
        call(promote.stop_other_versions, since=since),
    ]
    assert [90 <= answer["wait_seconds"] <= 91 for answer in waits] == [True] * 4


def test_a_function_that_was_killed_keeps_no_promotion_waiting(world: World) -> None:
    world.loop_state.release_lease("promote", "h")
    world.loop_state.take_for_serving("killed")
    assert not call(promote.take_lease)["taken"]
    with pytest.MonkeyPatch.context() as clocks:
        later = clock.in_seconds(SERVE_SECONDS + 1)
        clocks.setattr(clock, "now", lambda: later)
        assert call(promote.take_lease)["taken"]
    assert world.loop_state.take_for_serving("next") is None


# A champion that sleeps


def sleeps(world: World, answered: int) -> dict[str, str]:
    """A champion that sleeps, and has answered about so many of the challenger's test images before."""
    truth = forty_images(world)
    world.champion("old", "STOPPED")
    world.version("new", "STARTING", snapshot="s")
    kept(world, "old", dict(list(truth.items())[:answered]))
    return truth


def wake(world: World, *, rollback: bool = False) -> str:
    woken_for: str = call(promote.wake_champion, version="new", rollback=rollback)["woken_for"]
    return woken_for


def test_a_champion_whose_answers_are_known_sleeps_on(world: World) -> None:
    sleeps(world, 40)
    assert wake(world) == ""
    assert world.fake.statuses()["old"] == "STOPPED"


@pytest.mark.parametrize(("answered", "missing"), [(0, 40), (39, 1)])
def test_a_champion_is_woken_for_what_it_was_never_asked_about(
    answered: int, missing: int, world: World
) -> None:
    sleeps(world, answered)
    assert wake(world) == f"{missing} of 40 test images that old was never asked about"
    world.fake.versions["new"]["Status"] = "RUNNING"
    watched = call(promote.watch_start, version="new", rollback=False)
    assert (watched["status"], watched["message"]) == ("STARTING", "the champion starts")
    world.fake.finish()
    assert call(promote.watch_start, version="new", rollback=False)["status"] == "RUNNING"


def test_a_worse_challenger_does_not_replace_a_champion_that_sleeps(world: World) -> None:
    """Whether its answers are known or it has to be woken for them."""
    for answered in (0, 40):
        truth = sleeps(world, answered)
        wake(world)
        world.fake.finish()
        world.fake.finds = lambda version, key, truth=truth: [
            label(truth[key] if version == "old" or int(key[7:9].strip(".")) % 3 else "fox")
        ]
        assert call(promote.shadow_evaluate, version="new", rollback=False)["passed"] is False


def test_where_another_model_cannot_run_what_is_known_of_the_champion_has_to_do(world: World) -> None:
    sleeps(world, 0)
    world.fake.fail_next("start_project_version", "LimitExceededException")
    with pytest.raises(NotYetError, match="a running model to stop"):
        wake(world)
    sleeps(world, 39)
    world.fake.fail_next("start_project_version", "LimitExceededException")
    assert wake(world) == ""


def test_a_champion_that_starts_for_too_long_is_not_waited_for(world: World) -> None:
    world.tune(start_timeout_seconds=600)
    sleeps(world, 0)
    wake(world)
    world.fake.versions["new"]["Status"] = "RUNNING"
    for seconds, status in ((590, "STARTING"), (601, "RUNNING")):
        since = clock.in_seconds(-seconds)
        assert call(promote.watch_start, version="new", rollback=False, since=since)["status"] == status


@pytest.mark.parametrize(("is_there", "passed"), [(True, False), (False, True)])
def test_a_challenger_does_not_replace_a_champion_that_nothing_is_known_of(
    is_there: bool, passed: bool, world: World
) -> None:
    """Unless Rekognition has that no more: it will never serve again."""
    truth = sleeps(world, 0)
    world.fake.versions["new"]["Status"] = "RUNNING"
    world.fake.finds = lambda _, key: [label(truth[key])]
    if not is_there:
        del world.fake.versions["old"]
    verdict = call(promote.shadow_evaluate, version="new", rollback=False)
    assert verdict["passed"] is passed
    assert ("nothing is known that the challenger could be compared with" in verdict["reason"]) is is_there


def test_a_champion_whose_endpoint_has_died_is_woken(world: World) -> None:
    sleeps(world, 0)
    world.fake.versions["old"]["Status"] = "FAILED"
    assert wake(world)


def test_a_champion_that_is_just_stopping_is_woken_once_it_has_stopped(world: World) -> None:
    """Else the challenger would be held against what is known of it, which may be nothing."""
    sleeps(world, 0)
    world.fake.versions["old"]["Status"] = "STOPPING"
    with pytest.raises(NotYetError, match="old is STOPPING"):
        wake(world)
    world.fake.versions["old"]["Status"] = "STOPPED"
    assert wake(world)
    sleeps(world, 40)
    world.fake.versions["old"]["Status"] = "STOPPING"
    assert wake(world) == "", "all of its answers are known"


def test_a_champion_that_cannot_be_started_yet_is_tried_again(world: World) -> None:
    sleeps(world, 0)
    world.fake.fail_next("start_project_version", "ResourceInUseException")
    with pytest.raises(NotYetError, match="cannot be started yet"):
        wake(world)
    retriers = state_machines.tasks("promote")["WakeChampion"]["Retry"]
    (again,) = [retrier for retrier in retriers if retrier["ErrorEquals"] == [NotYetError.__name__]]
    assert again["IntervalSeconds"] * again["MaxAttempts"] >= 15 * 60


def test_a_rollback_and_a_first_version_wake_nobody(world: World) -> None:
    world.version("new", "STARTING", snapshot="s")
    assert wake(world) == ""
    sleeps(world, 0)
    assert wake(world, rollback=True) == ""
    assert call(promote.watch_start, version="new", rollback=True)["status"] == "STARTING"


def test_nothing_is_started_once_the_budget_is_used_up(world: World) -> None:
    """The version stays as it is, and can be promoted later."""
    world.version("v1", state="trained")
    running = world.version("v0", "RUNNING")
    for at in ("2026-11-28T10:00:00.000000Z", "2026-11-28T11:00:00.000000Z"):
        ledger.observe(world.loop_state, [running], at)
    world.tune(monthly_budget_usd=4)
    with pytest.MonkeyPatch.context() as clocks:
        clocks.setattr(clock, "now", lambda: "2026-11-28T11:00:00.000000Z")
        with pytest.raises(OverBudgetError, match=r"used up: 4.00 USD; .* `labelloop rollback v1`"):
            call(promote.start, version="v1")
        call(promote.start, version="v0")
        sleeps(world, 0)
        assert wake(world) == ""
    assert world.fake.called("start_project_version") == []
    assert world.version_record("v1").state == "trained"


@pytest.mark.parametrize(
    "handler", [promote.start, promote.watch_start, promote.shadow_evaluate, promote.switch]
)
def test_an_unknown_version_is_named(handler: Any, world: World) -> None:
    with pytest.raises(EngineError, match="no model version v9"):
        call(handler, version="v9", run="", rollback=False)


@pytest.mark.parametrize(
    ("champion_is_right", "challenger_is_right", "passed"), [(1, 1, True), (0, 1, True), (1, 0, False)]
)
def test_shadow_evaluate_holds_the_challenger_against_the_champion(
    champion_is_right: int, challenger_is_right: int, passed: bool, world: World
) -> None:
    made = snapshot_of_cats_and_dogs(world)
    truth = truths(world, made)
    world.tune(undecided="better")
    world.champion("old")
    world.version("new", "RUNNING", snapshot=made, verdicts=(Verdict("evaluation", True, ()),))
    right = {"old": champion_is_right, "new": challenger_is_right}
    world.fake.finds = lambda version, key: [label(truth[key] if right[version] else "fox")]
    answer = call(promote.shadow_evaluate, version="new", run=RUN, rollback=False)
    assert answer["passed"] is passed
    assert answer["reason"]
    asked = [request["Image"]["S3Object"]["Name"] for request in world.fake.called("detect_custom_labels")]
    assert sorted(asked) == sorted([*truth, *truth])
    version = world.version_record("new")
    assert [verdict.gate for verdict in version.verdicts] == ["evaluation", "shadow"]
    assert version.verdicts[1].passed is passed
    assert version.shadow is not None and version.shadow.f1 == challenger_is_right


def test_what_the_shadow_gate_cannot_tell_without_is_on_record_until_it_can(world: World) -> None:
    truth = forty_images(world)
    world.champion("old")
    world.version("new", "RUNNING")
    wrong = {"old": set(list(truth)[:8]), "new": set(list(truth)[8:14])}
    world.fake.finds = lambda version, key: [label("fox" if key in wrong[version] else truth[key])]
    answer = call(promote.shadow_evaluate, version="new", run=RUN, rollback=False)
    assert not answer["passed"]
    needed = world.loop_state.needed_images()
    assert needed.version == "new"
    assert set(needed.counts) == {"cat", "dog"}
    assert f"about {needed.counts['cat']} more of `cat`" in answer["reason"]
    wrong["old"] = set(truth)
    assert call(promote.shadow_evaluate, version="new", run=RUN, rollback=False)["passed"]
    assert world.loop_state.needed_images().counts == {}


@pytest.mark.parametrize(("f1", "passed"), [(1, True), (0, False)])
def test_shadow_evaluate_without_a_champion_asks_for_the_evaluation_gate_s_f1(
    f1: int, passed: bool, world: World
) -> None:
    made = snapshot_of_cats_and_dogs(world)
    truth = truths(world, made)
    world.version("new", "RUNNING", snapshot=made)
    world.fake.finds = lambda version, key: [label(truth[key])] if f1 else []
    assert call(promote.shadow_evaluate, version="new", run=RUN, rollback=False)["passed"] is passed


def test_shadow_evaluate_lets_a_rollback_pass_whatever_it_scores(world: World) -> None:
    made = snapshot_of_cats_and_dogs(world)
    world.champion("new")
    world.version("old", "RUNNING", snapshot=made)
    assert call(promote.shadow_evaluate, version="old", run="", rollback=True)["passed"]
    assert world.version_record("old").verdicts[0].gate == "rollback"


def test_shadow_evaluate_of_the_champion_itself_has_no_rival(world: World) -> None:
    made = snapshot_of_cats_and_dogs(world)
    world.champion("v1", snapshot=made)
    call(promote.shadow_evaluate, version="v1", run="", rollback=True)
    assert len(world.fake.called("detect_custom_labels")) == len(truths(world, made))


def retired(world: World, name: str, promoted_at: str) -> None:
    """A version that has served, and answered everything right then."""
    world.version(name, "STOPPED", state="retired", promoted_at=promoted_at)


def kept(world: World, name: str, answers: dict[str, str]) -> None:
    detections = {key: [{"label": label, "confidence": 90.0}] for key, label in answers.items()}
    shadow_answers.keep(world.s3, BUCKET, name, detections)


def test_shadow_evaluate_keeps_what_each_version_answers(world: World) -> None:
    made = snapshot_of_cats_and_dogs(world)
    truth = truths(world, made)
    world.champion("old")
    kept(world, "old", {"images/of-before.jpg": "cat", next(iter(truth)): "fox"})
    world.version("new", "RUNNING", snapshot=made)
    world.fake.finds = lambda version, key: [label(truth[key])]
    call(promote.shadow_evaluate, version="new", run=RUN, rollback=False)
    assert {
        key: [d["label"] for d in detections] for key, detections in answers_of(world, "new").items()
    } == {key: [name] for key, name in truth.items()}
    assert answers_of(world, "old").keys() == {"images/of-before.jpg", *truth}
    assert answers_of(world, "old")[next(iter(truth))][0]["label"] != "fox", "the newer answer counts"


def answers_of(world: World, version: str) -> shadow_answers.Answers:
    return shadow_answers.read(world.s3, BUCKET, version)


def forty_images(world: World) -> dict[str, str]:
    """A snapshot named s with enough test images to tell versions apart: their labels."""
    truth = {f"images/{number}.jpg": ("cat", "dog")[number % 2] for number in range(40)}
    metadata = {"type": "groundtruth/image-classification"}
    lines = [
        {
            "source-ref": f"s3://{BUCKET}/{key}",
            "label-0": 1,
            "label-0-metadata": {**metadata, "class-name": name},
        }
        for key, name in truth.items()
    ]
    body = "\n".join(map(json.dumps, lines)).encode()
    world.s3.put_object(Bucket=BUCKET, Key="datasets/s/test.manifest", Body=body)
    return truth


def test_shadow_evaluate_holds_the_challenger_against_a_champion_that_does_not_run(world: World) -> None:
    truth = forty_images(world)
    world.champion("old", "STOPPED")
    kept(world, "old", truth)
    world.version("new", "RUNNING")
    wrong = set(list(truth)[:15])
    world.fake.finds = lambda version, key: [label("fox" if key in wrong else truth[key])]
    answer = call(promote.shadow_evaluate, version="new", run=RUN, rollback=False)
    assert not answer["passed"]
    assert answer["reason"].startswith("worse with 99")
    assert "; the champion old does not run; F1" in answer["reason"]
    assert f"the champion's 1.000 on the same {len(truth)} images" in answer["reason"]


def test_versions_cannot_get_worse_step_by_step(world: World) -> None:
    """A challenger is as good as the champion, and worse than the version before that."""
    truth = forty_images(world)
    keys = list(truth)
    retired(world, "best", "2026-01-01T00:00:00.000000Z")
    kept(world, "best", truth)
    retired(world, "asked-nothing", "2026-01-02T00:00:00.000000Z")
    world.champion("old", promoted_at="2026-01-03T00:00:00.000000Z")
    world.version("new", "RUNNING")
    wrong = {"old": set(keys[:12]), "new": set(keys[:12])}
    world.fake.finds = lambda version, key: [label("fox" if key in wrong[version] else truth[key])]
    answer = call(promote.shadow_evaluate, version="new", run=RUN, rollback=False)
    assert not answer["passed"]
    assert "that of the earlier version best, 1.000" in answer["reason"]
    assert "`labelloop rollback best`" in answer["reason"]
    world.fake.versions["best"]["Status"] = "RUNNING"
    wrong["best"] = set(keys)
    assert call(promote.shadow_evaluate, version="best", run="", rollback=True)["passed"]


@pytest.mark.parametrize("why", ["deleted", "rolled back from"])
def test_a_version_that_cannot_or_should_not_serve_again_is_no_obstacle(why: str, world: World) -> None:
    world.tune(undecided="better")
    truth = forty_images(world)
    rolled_back = (Verdict("rollback", True, ()),) if why == "rolled back from" else ()
    world.champion(
        "old",
        created_at="2026-01-01T00:00:00.000000Z",
        promoted_at="2026-01-04T00:00:00.000000Z",
        verdicts=rolled_back,
    )
    retired(world, "best", "2026-01-03T00:00:00.000000Z")
    kept(world, "best", truth)
    if why == "deleted":
        del world.fake.versions["best"]
    world.version("new", "RUNNING")
    wrong = set(list(truth)[:12])
    world.fake.finds = lambda version, key: [label("fox" if key in wrong else truth[key])]
    assert call(promote.shadow_evaluate, version="new", run=RUN, rollback=False)["passed"]


def test_only_the_versions_that_served_last_are_looked_at(world: World) -> None:
    world.tune(undecided="better")
    truth = forty_images(world)
    retired(world, "best", "2026-01-01T00:00:00.000000Z")
    kept(world, "best", truth)
    for number in range(lineage.EARLIER_VERSIONS):
        retired(world, f"v{number}", f"2026-01-02T00:00:00.{number:06}Z")
    world.champion("old", promoted_at="2026-01-03T00:00:00.000000Z")
    world.version("new", "RUNNING")
    wrong = set(list(truth)[:12])
    world.fake.finds = lambda version, key: [label("fox" if key in wrong else truth[key])]
    assert call(promote.shadow_evaluate, version="new", run=RUN, rollback=False)["passed"]


def test_shadow_evaluate_can_be_called_again(world: World) -> None:
    made = snapshot_of_cats_and_dogs(world)
    world.version("new", "RUNNING", snapshot=made)
    world.fake.fail_next("detect_custom_labels", "ThrottlingException")
    with pytest.raises(Exception, match="Throttling"):
        call(promote.shadow_evaluate, version="new", run=RUN, rollback=False)
    call(promote.shadow_evaluate, version="new", run=RUN, rollback=False)
    assert len(world.version_record("new").verdicts) == 1


def test_shadow_evaluate_of_a_version_that_the_loop_did_not_train_says_so(world: World) -> None:
    world.fake.add_version("handmade", "RUNNING")
    with pytest.raises(EngineError, match="handmade"):
        call(promote.shadow_evaluate, version="handmade", run="", rollback=False)


def test_switch_makes_the_champion_and_retires_the_old_one(world: World) -> None:
    world.tune(drain_seconds=3)
    world.champion("old")
    world.version("new", "RUNNING", state="challenger")
    for _ in range(2):
        answer = call(promote.switch, version="new", run=RUN)
        assert answer["wait_seconds"] == 3
    champion = world.loop_state.champion()
    assert champion is not None
    assert (champion.version_name, champion.previous_version_name) == ("new", "old")
    assert (world.version_record("new").state, world.version_record("old").state) == ("champion", "retired")
    assert world.version_record("new").promoted_at == champion.since


def test_stop_other_versions_is_called_until_the_others_have_stopped(world: World) -> None:
    world.tune(poll_seconds=5)
    world.champion("old")
    world.version("new", "RUNNING")
    assert call(promote.stop_other_versions, holder="h") == {"ready": False, "wait_seconds": 5}
    world.fake.finish()
    assert call(promote.stop_other_versions, holder="h")["ready"]
    assert world.fake.statuses() == {"old": "RUNNING", "new": "STOPPED"}


def unavailable(*arguments: Any) -> None:
    raise RuntimeError("the table is throttled")


@pytest.mark.parametrize("can_book", [True, False])
def test_what_is_stopped_is_booked_if_the_books_can_be_kept(
    can_book: bool, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A challenger may run for less than a minute."""
    world.champion("old")
    world.version("new", "RUNNING", state="challenger")
    if not can_book:
        monkeypatch.setattr(ledger, "observe", unavailable)
    call(promote.stop_other_versions)
    assert world.fake.statuses() == {"old": "RUNNING", "new": "STOPPING"}
    booked = {entry.version for entry in world.loop_state.ledger_head().running}
    assert booked == ({"old", "new"} if can_book else set())


# Finish


def finish(world: World, outcome: str, reason: str = "because", run: str = RUN) -> dict[str, Any]:
    return call(promote.finish, holder="h", version="new", run=run, outcome=outcome, reason=reason)


@pytest.mark.parametrize(("outcome", "state"), [("rejected", "rejected"), ("failed", "failed")])
def test_finish_notes_why_the_challenger_does_not_serve(outcome: str, state: str, world: World) -> None:
    world.version("new", state="challenger", started_at=clock.now())
    cause = 'Boom: {"errorMessage": "no capacity"}'
    assert finish(world, outcome, cause) == {"outcome": outcome, "reason": "Boom: no capacity"}
    version = world.version_record("new")
    assert (version.state, version.reason) == (state, "Boom: no capacity")
    assert world.loop_state.lease("promote") is None


def test_finish_tells_the_run_what_the_promotion_decided(world: World) -> None:
    verdicts = (Verdict("shadow", True, ("good",)),)
    world.version("new", state="champion", verdicts=verdicts)
    finish(world, "promoted")
    assert world.run_record().verdicts == verdicts


def test_finish_of_a_rollback_has_no_run_to_tell(world: World) -> None:
    world.version("new", state="champion", started_at=clock.now())
    finish(world, "promoted", run="")
    assert world.loop_state.runs() == []


def test_finish_lets_waiting_images_have_the_new_champion(world: World) -> None:
    world.version("new", state="champion", started_at=clock.now())
    for outcome, moved in (("rejected", 0), ("promoted", 1)):
        world.loop_state.keep_waiting(WaitingImage("a", "2026-01-01T10:00:00.000000Z", "detect/a.jpg"))
        finish(world, outcome)
        assert len(world.received("detect")) == moved


def test_finish_of_a_promotion_that_never_had_the_lease_leaves_it(world: World) -> None:
    world.loop_state.release_lease("promote", "h")
    world.loop_state.take_lease("promote", "another")
    world.version("new")
    finish(world, "failed")
    lease = world.loop_state.lease("promote")
    assert lease is not None
    assert lease.holder == "another"
    assert world.version_record("new").reason is None


def test_finish_of_an_unknown_version_gives_the_lease_back(world: World) -> None:
    assert finish(world, "failed")["outcome"] == "failed"
    assert world.loop_state.lease("promote") is None


def test_finish_does_not_call_the_champion_failed(world: World) -> None:
    world.version("new", "RUNNING", state="challenger", started_at=clock.now())
    call(promote.switch, version="new")
    finish(world, "failed")
    assert world.version_record("new").state == "champion"


def test_a_promotion_that_never_had_the_lease_stops_nobody_s_challenger(world: World) -> None:
    """TakeLease fails (bad settings, for one) and its Catch leads to StopOtherVersions."""
    world.champion("old")
    world.version("other", "RUNNING", state="challenger")
    call(promote.stop_other_versions, holder="one without the lease")
    assert world.fake.statuses()["other"] == "RUNNING"
