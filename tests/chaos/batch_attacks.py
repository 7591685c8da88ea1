"""Attacks on a batch: whatever is killed, each of its images has one line of results in the end."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator

from lambdas.domain.batch import control, files
from lambdas.domain.batch.control import Order
from lambdas.domain.batch.files import InputLine
from lambdas.domain.shared.records import Batch
from local.scenes import Scene, classification_scenes
from tests.chaos.tally import Tally
from tests.chaos.target import Target
from tests.fixtures.deployed_loop import until

IMAGES = 450
"""Of a batch: five parts, so that two workers are busy for some seconds."""
PICTURES = 10
"""That differ; a batch may ask about one object many times."""
BATCH_SECONDS = 300.0
_FOLDER = "attacked/"


def _scenes() -> Iterator[Scene]:
    return classification_scenes(PICTURES, seed=1)


class BatchAttacker:
    """Makes batches on a target, and attacks them."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._number = 0

    def attacks(self) -> Iterator[tuple[str, Callable[[Tally], bool]]]:
        """Names of the attacks, and what makes each."""
        for name, strike in {
            "a worker killed": lambda batch: self._kill("BatchAnswerPart"),
            "the endpoint killed": lambda batch: self._kill("local.engine.serving.child"),
            "cancelled and resumed": self._cancel,
        }.items():
            yield name, lambda tally, n=name, s=strike: self._strike(tally, n, s)

    def failing(self, kind: str, times: int) -> Iterator[tuple[str, Callable[[Tally], bool]]]:
        """An attack for each function that the state machine of batches calls."""
        for state, function in self._target.functions_of("BatchMachineArn").items():
            yield f"Batch's {state}", lambda tally, s=state, f=function: self._fail(tally, s, f, kind, times)

    def _fail(self, tally: Tally, state: str, function: str, kind: str, times: int) -> bool:
        """Make a batch while a function of its machine fails; it is done once the function works again."""
        order = self._order()
        self._target.fault(function, kind, times)
        try:
            arn = self._start(order)
            until(lambda: self._target.has_ended(arn), BATCH_SECONDS, f"{order.batch} ends")
            struck = self._target.struck() > 0
        finally:
            self._target.clear_faults()
        self._target.settle(tally, f"Batch's {state}")
        self._until_done(order)
        self._check(tally, f"Batch's {state}", order)
        return struck

    def _strike(self, tally: Tally, name: str, strike: Callable[[Batch], bool]) -> bool:
        """Begin a batch, attack it once some of its images are answered, and look at it once it is done."""
        order = self._order()
        arn = self._start(order)
        until(lambda: self._answered(order) > 0, BATCH_SECONDS, f"{order.batch} has answers")
        batch = self._target.loop.loop_state.batch(order.batch)
        struck = batch is not None and batch.is_live and strike(batch)
        until(lambda: self._target.has_ended(arn), BATCH_SECONDS, f"{order.batch} ends")
        self._target.settle(tally, name)
        self._until_done(order)
        self._check(tally, name, order)
        return struck

    def _order(self) -> Order:
        """Store pictures, and the input of a batch that asks about them."""
        loop = self._target.loop
        self._number += 1
        name = f"attacked-{self._number}-{time.time_ns()}"
        pictures = {f"{_FOLDER}{scene.name}.jpg": scene.jpeg() for scene in _scenes()}
        for key, body in pictures.items():
            loop.put(key, body)
        keys = list(pictures)
        lines = [InputLine(str(number), loop.bucket, keys[number % PICTURES]) for number in range(IMAGES)]
        for number in range(-(-IMAGES // files.PART_LINES)):
            part = lines[number * files.PART_LINES : (number + 1) * files.PART_LINES]
            loop.put(files.input_key(name, number), files.as_text(part).encode())
        return Order(name, source="an attack", total=IMAGES)

    def _start(self, order: Order) -> str:
        loop = self._target.loop
        return control.start(loop.stepfunctions, loop.outputs["BatchMachineArn"], order)

    def _answered(self, order: Order) -> int:
        batch = self._target.loop.loop_state.batch(order.batch)
        return batch.answered if batch else 0

    def _kill(self, words: str) -> bool:
        """Kill the processes of the stack with these words in their command."""
        listed = subprocess.run(
            ["ps", "-A", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True
        ).stdout
        server = str(self._target.loop.stack.pid)
        rows = [line.split(maxsplit=2) for line in listed.splitlines()]
        pids = [int(pid) for pid, parent, *rest in rows if parent == server and words in " ".join(rest)]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        return bool(pids)

    def _cancel(self, batch: Batch) -> bool:
        loop = self._target.loop
        control.cancel(loop.stepfunctions, loop.outputs["BatchMachineArn"], batch, "an attack")
        return True

    def _until_done(self, order: Order) -> None:
        """Go on with a batch that has not come to its end."""
        if self._state(order) != "done":
            arn = self._start(order)
            until(lambda: self._target.has_ended(arn), BATCH_SECONDS, f"{order.batch} is done")

    def _state(self, order: Order) -> str:
        batch = self._target.loop.loop_state.batch(order.batch)
        return batch.state if batch else ""

    def _check(self, tally: Tally, attack: str, order: Order) -> None:
        """Each image has one line, and nothing is held any more."""
        loop = self._target.loop
        if (state := self._state(order)) != "done":
            tally.report("outlived", attack, f"{order.batch} is {state}")
        ids = Counter[str]()
        for key in loop.keys(files.results_prefix(order.batch)):
            text = loop.s3.get_object(Bucket=loop.bucket, Key=key)["Body"].read().decode()
            ids.update(line.id for line in files.result_lines(text))
        if missing := {str(number) for number in range(order.total)} - set(ids):
            tally.report("lost", attack, f"{len(missing)} images of {order.batch}", len(missing))
        if doubled := [id for id, count in ids.items() if count > 1]:
            tally.report("doubled", attack, f"{len(doubled)} images of {order.batch}", len(doubled))
        if holds := loop.loop_state.holds():
            tally.report("outlived", attack, f"{[hold.id for hold in holds]} hold a version")
