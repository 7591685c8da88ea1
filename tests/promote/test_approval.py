"""A person's approval: asked for, given, declined, too late, or overtaken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from lambdas import promote
from lambdas.domain.console import approval as console_approval
from lambdas.domain.promote import approval
from lambdas.domain.shared import clock
from lambdas.domain.shared.errors import ApiError
from lambdas.domain.shared.records import Approval, ApprovalDecision, ModelVersion, Run
from lambdas.domain.shared.scores import Verdict
from lambdas.domain.shared.state import LeaseLostError
from tests.fixtures.deployment import World, context

RUN = "arn:aws:states:us-east-1:123456789012:execution:retrain:a"
HOLDER = "arn:aws:states:us-east-1:123456789012:execution:promote:a"
FIRST = "t1"
"""The token of the first attempt."""
STEP: dict[str, Any] = {"holder": HOLDER, "run": RUN, "version": "v2"}


@pytest.fixture(autouse=True)
def challenger(world: World) -> None:
    """A version that has passed the shadow gate, beside a champion."""
    world.loop_state.take_lease("promote", HOLDER)
    world.loop_state.take_lease("retrain", RUN)
    world.champion("v1")
    shadow = Verdict("shadow", True, ("better with 97 % confidence",))
    world.version("v2", "STOPPED", state="challenger", verdicts=(shadow,))


def call(handler: Any, **event: Any) -> dict[str, Any]:
    """Call a function of the promotion."""
    return cast(dict[str, Any], handler({**STEP, **event}, context()))


def ask(world: World, token: str = FIRST, seconds: int = 3600) -> None:
    call(promote.ask_approval, seconds=seconds, token=token)


def decide(decision: str = "approved", by: str = "ann", why: str = "") -> dict[str, Any]:
    """Decide as the promotion that has its lease again."""
    return call(promote.decide, decision=decision, by=by, why=why)


def letters(world: World) -> list[str]:
    """Letters that have come since the last look."""
    return [letter["Message"] for letter in world.received("people")]


def test_who_is_asked_hears_what_the_gates_said_and_where_to_answer(world: World) -> None:
    ask(world)
    (letter,) = letters(world)
    assert "v2 has passed the gates and waits for approval. It was compared with v1." in letter
    assert "better with 97 % confidence" in letter
    assert "/versions" in letter
    assert "labelloop approve v2" in letter
    pending = world.loop_state.approval("v2")
    assert pending is not None
    assert (pending.token, pending.champion, pending.execution) == ("t1", "v1", HOLDER)
    assert 3590 < clock.seconds_between(clock.now(), pending.deadline) <= 3600
    assert world.version_record("v2").state == "pending"


def test_the_run_says_what_it_waits_for_and_the_champion_can_be_looked_after(world: World) -> None:
    ask(world)
    assert "the approval of v2 until" in str(world.run_record().waits_for)
    assert world.loop_state.lease("promote") is None
    assert world.loop_state.lease("retrain") is not None, "no other run begins"


def test_asking_again_changes_the_token_alone(world: World) -> None:
    """A function that was killed after its write is called again, with another token."""
    ask(world)
    before = world.loop_state.approval("v2")
    ask(world, "t2")
    after = world.loop_state.approval("v2")
    assert before is not None and after is not None
    assert (after.token, after.asked_at, after.deadline) == ("t2", before.asked_at, before.deadline)
    assert len(letters(world)) == 1


def test_a_promotion_that_has_lost_its_run_asks_nobody(world: World) -> None:
    world.loop_state.release_lease("retrain", RUN)
    with pytest.raises(LeaseLostError):
        ask(world)
    assert world.loop_state.approval("v2") is None
    assert letters(world) == []


@pytest.mark.parametrize(("decision", "approved"), [("approved", True), ("declined", False)])
def test_a_decision_is_recorded_with_who_when_and_why(decision: str, approved: bool, world: World) -> None:
    ask(world)
    world.loop_state.take_lease("promote", HOLDER)
    answer = decide(decision, why="looked at all of it")
    assert answer == {"approved": approved, "reason": f"{decision} by ann: looked at all of it"}
    version = world.version_record("v2")
    assert version.state == "challenger"
    assert version.approval is not None
    assert (version.approval.by, version.approval.why) == ("ann", "looked at all of it")
    assert version.approval.asked_at < version.approval.at <= clock.now()
    assert world.loop_state.approvals() == []
    assert world.run_record().waits_for == ""
    assert decide("declined" if approved else "approved", "ben") == answer, "a step is taken twice"


def test_a_version_that_was_approved_before_is_not_approved_by_that(world: World) -> None:
    """What this promotion asks was taken back, as the sweeper does."""
    earlier = Approval("approved", "ann", clock.now(), promotion="an earlier one")
    world.loop_state.update_version(ModelVersion("v2", approval=earlier))
    assert decide() == {"approved": False, "reason": "nobody was asked about v2"}


@pytest.mark.parametrize(("setting", "approved"), [("decline", False), ("approve", True)])
def test_the_deadline_decides_as_the_settings_say(setting: str, approved: bool, world: World) -> None:
    world.tune(approval_at_deadline=setting)
    ask(world)
    world.loop_state.take_lease("promote", HOLDER)
    answer = decide("", "")
    assert answer["approved"] is approved
    assert "nobody had decided in time" in answer["reason"]


def test_an_approval_does_not_replace_a_champion_that_was_not_compared(world: World) -> None:
    """Somebody has gone back to an older version meanwhile."""
    ask(world)
    world.champion("v0")
    world.loop_state.take_lease("promote", HOLDER)
    answer = decide()
    assert not answer["approved"]
    assert "approved by ann, but v0 has become the champion since" in answer["reason"]
    assert "`labelloop rollback v2`" in answer["reason"]


def test_a_run_that_was_cancelled_meanwhile_promotes_nothing(world: World) -> None:
    ask(world)
    world.loop_state.release_lease("retrain", RUN)
    world.loop_state.take_lease("promote", HOLDER)
    with pytest.raises(LeaseLostError):
        decide()


@pytest.mark.parametrize(
    ("settings", "rollback", "seconds"),
    [
        ({}, False, 0),
        ({"approval": "on_promotion", "approval_deadline_hours": 2}, False, 7200),
        ({"approval": "on_promotion"}, True, 0),
    ],
)
def test_people_are_asked_where_the_settings_say_so_and_not_about_rollbacks(
    settings: dict[str, Any], rollback: bool, seconds: int, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.tune(**settings)
    passed = Verdict("shadow", True, ())
    monkeypatch.setattr("lambdas.domain.promote.shadow.Trial.evaluate", lambda trial: passed)
    answer = call(promote.shadow_evaluate, rollback=rollback)
    assert answer["approval_seconds"] == seconds


# What administrators do


class Waiting:
    """Executions that wait for tokens."""

    def __init__(self, *tokens: str) -> None:
        self.tokens, self.outputs = set(tokens), dict[str, str]()

    def send_task_success(self, *, taskToken: str, output: str) -> None:
        if taskToken not in self.tokens:
            error = {"Error": {"Code": "TaskTimedOut", "Message": ""}}
            raise ClientError(error, "SendTaskSuccess")
        self.tokens.remove(taskToken)
        self.outputs[taskToken] = output


def answer(
    world: World,
    waiting: Waiting,
    version: str = "v2",
    decision: ApprovalDecision = "approved",
    why: str = "",
) -> None:
    console_approval.answer(
        world.fake.engine,
        waiting,  # pyrefly: ignore[bad-argument-type]
        world.loop_state,
        version,
        decision,
        by="ann",
        why=why,
    )


def test_what_an_administrator_says_goes_to_the_execution_that_waits(world: World) -> None:
    ask(world)
    waiting = Waiting("t1")
    answer(world, waiting, why=" good ")
    assert waiting.outputs == {"t1": '{"decision": "approved", "by": "ann", "why": "good"}'}


def test_whoever_declines_says_why(world: World) -> None:
    ask(world)
    with pytest.raises(ApiError, match="say why"):
        answer(world, Waiting("t1"), decision="declined", why=" ")


@pytest.mark.parametrize(
    ("why", "problem"),
    [
        ("x" * 501, "up to 500 characters"),
        ("\x1b[2J", "control characters"),
        ("a\x00b", "control characters"),
        (b"\xff".decode(errors="surrogateescape"), "control characters"),
    ],
)
def test_a_reason_that_cannot_be_kept_decides_nothing(why: str, problem: str, world: World) -> None:
    """A function that wrote it would fail, and the run with it."""
    ask(world)
    waiting = Waiting("t1")
    with pytest.raises(ApiError, match=f"the reason has .*{problem}") as refused:
        answer(world, waiting, decision="declined", why=why)
    assert (refused.value.status, refused.value.field) == (422, "why")
    assert not waiting.outputs


def test_a_version_that_the_engine_has_no_more_can_only_be_declined(world: World) -> None:
    ask(world)
    world.fake.versions.clear()
    waiting = Waiting("t1")
    with pytest.raises(ApiError, match=r"v2 was deleted.*decline it, or `labelloop reproduce v2` trains"):
        answer(world, waiting)
    assert not waiting.outputs
    answer(world, waiting, decision="declined", why="it is gone")
    assert waiting.outputs


def test_what_an_earlier_promotion_was_told_is_not_what_this_one_was(world: World) -> None:
    ask(world)
    world.loop_state.take_lease("promote", HOLDER)
    decide("declined", why="too slow")
    with pytest.raises(ApiError, match=r"declined by ann: too slow. `labelloop rollback v2` makes it serve"):
        answer(world, Waiting(), "v2")
    ended = ModelVersion("v2", state="failed", reason="not approved before its promotion ended: stopped")
    world.loop_state.update_version(ended)
    with pytest.raises(ApiError, match="v2 does not wait for approval: it is failed: not approved before"):
        answer(world, Waiting(), "v2")


def test_an_answer_that_nobody_waits_for_is_a_sentence(world: World) -> None:
    with pytest.raises(ApiError, match="there is no model version v9"):
        answer(world, Waiting(), "v9")
    with pytest.raises(ApiError, match="v1 does not wait for approval: it is champion"):
        answer(world, Waiting(), "v1")
    world.loop_state.fenced().update_version(ModelVersion("v2", deleted_at=clock.now()))
    with pytest.raises(ApiError, match="v2 was deleted"):
        answer(world, Waiting())


def test_the_second_of_two_answers_is_a_sentence(world: World) -> None:
    ask(world)
    waiting = Waiting("t1")
    answer(world, waiting)
    with pytest.raises(ApiError, match="v2 was decided about already: somebody did just now"):
        answer(world, waiting, decision="declined", why="no")
    world.loop_state.take_lease("promote", HOLDER)
    decide()
    with pytest.raises(ApiError, match="v2 was decided about already: approved by ann"):
        answer(world, waiting)


def test_an_answer_while_the_one_before_is_recorded_is_a_sentence(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(world)
    state, reads = world.loop_state, list[str]()

    def recorded_between(read: Callable[[str], Any]) -> Callable[[str], Any]:
        """The decision is recorded between the two reads."""

        def reads_around(version: str) -> Any:
            value = read(version)
            reads.append(version)
            if len(reads) == 1:
                state.take_lease("promote", HOLDER)
                with monkeypatch.context() as plain:
                    plain.undo()
                    decide()
            return value

        return reads_around

    waiting = Waiting()
    monkeypatch.setattr(state, "approval", recorded_between(state.approval))
    monkeypatch.setattr(state, "version", recorded_between(state.version))
    with pytest.raises(ApiError, match="v2 was decided about already"):
        answer(world, waiting)


def test_an_answer_after_the_deadline_is_a_sentence(world: World) -> None:
    ask(world, seconds=-1)
    with pytest.raises(ApiError, match=r"its deadline was 20.*`labelloop rollback v2`"):
        answer(world, Waiting("t1"))


def test_people_who_could_not_be_told_are_told_later(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from lambdas.services import services

    def fails(**_: Any) -> None:
        raise ConnectionError

    with monkeypatch.context() as broken:
        broken.setattr(services().sns, "publish", fails)
        ask(world)
    assert letters(world) == []
    ask(world, "t2")
    assert len(letters(world)) == 1


def test_the_run_of_a_version_that_waits_says_so_in_words(world: World) -> None:
    ask(world)
    pending = world.loop_state.approval("v2")
    assert pending is not None
    assert approval.in_words(pending) == Run("a", waits_for=approval.in_words(pending)).waits_for
    assert approval.in_words(pending).endswith(
        "`labelloop approve v2` or `labelloop decline v2 --reason TEXT`"
    )
