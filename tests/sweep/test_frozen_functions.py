"""Functions frozen before each of their writes, while their execution is stopped and swept: afterwards one
champion serves, nothing else runs, every record says so, and people have heard of the run once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest
from botocore.client import BaseClient

from lambdas import promote, retrain
from lambdas import serve as serve_handler
from lambdas import sweep as sweep_handler
from lambdas.domain.retrain import runs
from lambdas.domain.shared import clock
from lambdas.domain.shared.records import Run
from lambdas.domain.sweep import differences
from lambdas.domain.sweep.sweeper import Sweeper
from tests.fixtures.deployment import World, context
from tests.fixtures.rekognition import FakeRekognition

LONGEST = 16
"""Writes that a function makes at most."""
READS = ("Get", "Query", "Describe", "List", "describe_", "detect_")
"""What the names of other calls begin with."""


@pytest.fixture(autouse=True)
def only_what_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sweeps leave out what has nothing to do with runs, promotions and versions."""
    parts = property(lambda sweeper: (sweeper._leases, sweeper._models))
    monkeypatch.setattr(Sweeper, "_parts", parts)


@pytest.fixture
def freeze(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Callable[[], Any]], Any]:
    """Let something happen before the nth write to AWS; the list has an element for each that was made."""

    @contextmanager
    def frozen(before: int, meanwhile: Callable[[], Any]) -> Iterator[list[int]]:
        calls: list[int] = []
        real, fake = BaseClient._make_api_call, FakeRekognition._begin  # pyrefly: ignore[missing-attribute]

        def count(operation: str) -> None:
            if operation.startswith(READS):
                return
            calls.append(1)
            if len(calls) == before + 1:
                meanwhile()

        def aws(self: Any, operation: str, request: Any) -> Any:
            count(operation)
            return real(self, operation, request)

        def rekognition(self: Any, operation: str, request: Any) -> None:
            count(operation)
            fake(self, operation, request)

        with monkeypatch.context() as patched:
            patched.setattr(BaseClient, "_make_api_call", aws)
            patched.setattr(FakeRekognition, "_begin", rekognition)
            yield calls

    return frozen


def executions(world: World) -> tuple[str, str]:
    """A run and its promotion, both under way: a champion serves, and a challenger runs beside it."""
    world.tune(drain_seconds=0, burst_quiet_seconds=0)
    world.champion("old")
    world.version("new", "RUNNING", state="challenger", run="a", started_at=clock.now())
    run, holder = world.execution("retrain", "a"), world.execution("promote", "a")
    runs.begin_run(world.loop_state, run, "images", clock.now())
    world.loop_state.update_run(Run("a", version="new", snapshot="s", cutoff=clock.now()))
    world.loop_state.take_lease("promote", holder)
    return run, holder


STEPS: dict[str, tuple[Any, dict[str, Any]]] = {
    "promote start": (promote.start, {}),
    "promote switch": (promote.switch, {}),
    "promote stop": (promote.stop_other_versions, {}),
    "promote finish": (promote.finish, {"outcome": "rejected", "reason": "worse"}),
    "retrain train": (retrain.train, {"snapshot": "5a4b"}),
    "retrain report": (retrain.report, {"outcome": "rejected", "reason": "worse"}),
}


@pytest.mark.long
@pytest.mark.parametrize("name", STEPS)
def test_a_function_that_was_frozen_does_no_harm(name: str, world: World, freeze: Any) -> None:
    """All the moments of one function, each in a deployment as it was before."""
    handler, event = STEPS[name]
    for moment in range(LONGEST):
        if not _is_harmless(world, freeze, handler, event, moment):
            return
        _forget(world)
    pytest.fail("the function makes more writes than that")


def _is_harmless(world: World, freeze: Any, handler: Any, event: dict[str, Any], moment: int) -> bool:
    """Check one moment; False if the function has made all its writes before."""
    run, holder = executions(world)

    def stop_and_sweep() -> None:
        for arn in (run, holder):
            world.end_execution(arn)
        sweep_handler.handle({"detail": {"executionArn": run}}, context())

    with freeze(moment, stop_and_sweep) as calls:
        try:
            handler({"holder": holder, "run": run, "version": "new", **event}, context())
        except Exception as error:  # noqa: BLE001 what it raises goes nowhere, as its execution has ended
            assert type(error).__name__ in ("LeaseLostError", "ClientError"), error
    if len(calls) <= moment:
        return False
    world.fake.finish()
    sweep_handler.handle({}, context())
    serve_handler.handle({}, context())
    world.fake.finish()
    serve_handler.handle({}, context())
    _assert_all_is_well(world, moment)
    return True


def _assert_all_is_well(world: World, moment: int) -> None:
    champion = world.loop_state.champion()
    assert champion is not None, moment
    running = [name for name, status in world.fake.statuses().items() if status == "RUNNING"]
    assert running == [champion.version_name], moment
    assert (world.loop_state.lease("retrain"), world.loop_state.lease("promote")) == (None, None), moment
    states = {version.id: version.state for version in world.loop_state.versions()}
    assert [name for name, state in states.items() if state == "champion"] == running, moment
    assert not {"training", "challenger"} & {*states.values()}, moment
    outcome = world.run_record().outcome
    assert (outcome == "promoted") == (champion.version_name == "new"), moment
    assert len(world.received("people")) == len(world.received("machines")) == 1, moment
    compared = differences.differences(world.fake.engine, world.stepfunctions, world.loop_state)
    assert compared == [], moment


def _forget(world: World) -> None:
    """Empty what the next moment fills again."""
    for item in world.loop.scan()["Items"]:
        world.loop.delete_item(Key={"kind": item["kind"], "id": item["id"]})
    world.fake.versions.clear()
    for machine in world.machines.values():
        for execution in world.stepfunctions.list_executions(stateMachineArn=machine)["executions"]:
            _delete_execution(world, machine, execution["executionArn"])


def _delete_execution(world: World, machine: str, arn: str) -> None:
    """Moto keeps executions, and their names cannot be used again."""
    from moto.stepfunctions.models import stepfunctions_backends

    backend = cast(Any, stepfunctions_backends)["123456789012"]["us-east-1"]
    known = next(known for known in backend.state_machines if known.arn == machine)
    known.executions[:] = [execution for execution in known.executions if execution.execution_arn != arn]
