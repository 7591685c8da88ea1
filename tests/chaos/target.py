"""The deployment that is attacked: what it is told to do, and what is seen of it."""

from __future__ import annotations

import contextlib
import json
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from lambdas.domain.sweep.differences import differences
from tests.chaos.tally import Tally
from tests.fixtures.deployed_loop import HASH_LENGTH, Loop, until

SAMPLE_SECONDS = 0.5
NO_ANSWER_SECONDS = 5.0
"""How long a stack that is up may take to answer."""
SETTLE_SECONDS = 90.0
"""In which one sweep, and the start of a model, put everything right."""
STATE_SECONDS = 120.0
"""In which an execution comes to a state."""
HEARS = "hears-the-chaos"
BUSY = ("STARTING", "RUNNING", "STOPPING")


class Target:
    """A deployment with a champion, attacked and looked at by one thread."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self._heard: Counter[str] = Counter()

    @cached_property
    def functions(self) -> dict[str, str]:
        """Names of the functions by their logical ids."""
        pages = self.loop.client("cloudformation").get_paginator("list_stack_resources")
        return {
            resource["LogicalResourceId"][:-HASH_LENGTH].removesuffix("Function"): resource[
                "PhysicalResourceId"
            ]
            for page in pages.paginate(StackName=self.loop.name)
            for resource in page["StackResourceSummaries"]
            if resource["ResourceType"] == "AWS::Lambda::Function"
        }

    def functions_of(self, machine: str) -> dict[str, str]:
        """Names of the functions that a state machine's Task states call, by the states' names."""
        arns = {name.rpartition(":")[2]: state for state, name in _functions(self.states(machine))}
        return {state: name for name, state in arns.items() if name in self.functions.values()}

    def states(self, machine: str) -> dict[str, Any]:
        """The states of a state machine as it is deployed."""
        described = self.loop.stepfunctions.describe_state_machine(stateMachineArn=self.loop.outputs[machine])
        states: dict[str, Any] = json.loads(described["definition"])["States"]
        return states

    # What is done to it

    def fault(self, function: str, kind: str, times: int = 1) -> None:
        body = json.dumps({"function": function, "kind": kind, "times": times}).encode()
        self._ask("POST", body)

    def struck(self) -> int:
        """How often faults have struck since they were cleared."""
        return sum(fault["struck"] for fault in self._ask("GET")["faults"])

    def clear_faults(self) -> None:
        self._ask("DELETE")

    def _ask(self, method: str, body: bytes | None = None) -> Any:
        url = f"{self.loop.stack.endpoint}/_labelloop/functions"
        request = urllib.request.Request(url, body, method=method)  # noqa: S310
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return json.load(answer)

    def collect(self) -> None:
        """Collect unlabelled images for review, as happens by schedule."""
        (function,) = (name for logical, name in self.functions.items() if logical.endswith("Collect"))
        self.loop.client("lambda").invoke(FunctionName=function, Payload=b"{}")

    def stop(self, execution: str, cause: str) -> bool:
        """Stop an execution; False if it had ended."""
        try:
            self.loop.stepfunctions.stop_execution(executionArn=execution, cause=cause)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ValidationException":
                raise
            return False
        return True

    # What is seen of it

    def has_ended(self, execution: str) -> bool:
        described = self.loop.stepfunctions.describe_execution(executionArn=execution)
        return bool(described["status"] != "RUNNING")

    def reaches(self, execution: str, state: str) -> bool:
        """Wait until the execution is in the state; False if it ends without."""

        def look() -> str | None:
            ended = self.has_ended(execution)
            pages = self.loop.stepfunctions.get_paginator("get_execution_history")
            events = [event for page in pages.paginate(executionArn=execution) for event in page["events"]]
            entered = {event.get("stateEnteredEventDetails", {}).get("name") for event in events}
            return "in it" if state in entered else "ended" if ended else None

        return until(look, STATE_SECONDS, f"{execution} comes to {state}") == "in it"

    def listen(self) -> None:
        """Hear from now on what the loop tells machines: a queue for its events."""
        sqs, events = self.loop.client("sqs"), self.loop.client("events")
        url = sqs.create_queue(QueueName=HEARS)["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
        pattern = {"source": ["labelloop"], "detail": {"id": [{"exists": True}]}}
        events.put_rule(Name=HEARS, EventPattern=json.dumps(pattern))
        events.put_targets(Rule=HEARS, Targets=[{"Id": "queue", "Arn": arn}])

    def heard(self) -> Counter[str]:
        """How often each run was told of, since `listen`."""
        sqs = self.loop.client("sqs")
        url = sqs.get_queue_url(QueueName=HEARS)["QueueUrl"]
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
            for message in messages:
                self._heard[str(json.loads(message["Body"])["detail"]["id"])] += 1
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return self._heard

    # Whether it is as it should be

    def differences(self) -> list[str]:
        loop = self.loop
        different = differences(loop.engine, loop.stepfunctions, loop.loop_state)
        return [difference.text for difference in different]

    def settle(self, tally: Tally, attack: str) -> None:
        """Sweep once, and see that everything is put right in time; else help it on for the next attack."""
        self.loop.sweep()

        def is_right() -> bool:
            state = self.loop.loop_state
            return not state.lease("retrain") and not state.lease("promote") and not self.differences()

        try:
            until(is_right, SETTLE_SECONDS, "it is as it should be")
        except TimeoutError:
            leases = [name for name in ("retrain", "promote") if self.loop.loop_state.lease(name)]
            tally.report("outlived", attack, "; ".join([*self.differences(), *leases]))
            for _ in range(3):
                self.loop.sweep()
                time.sleep(5)

    @contextlib.contextmanager
    def watched(self, tally: Tally) -> Iterator[None]:
        """Count unserved and orphans' time while the block runs."""
        over = threading.Event()
        thread = threading.Thread(target=self._watch, args=(tally, over), daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _watch(self, tally: Tally, over: threading.Event) -> None:
        last = time.monotonic()
        while not over.wait(SAMPLE_SECONDS):
            now = time.monotonic()
            passed, last = now - last, now
            try:
                champion, statuses = self.loop.loop_state.champion(), self.loop.statuses()
                promotes = self.loop.loop_state.lease("promote")
            except (BotoCoreError, ClientError, OSError):
                tally.unserved_seconds += passed
                continue
            name = champion.version_name if champion else ""
            took = time.monotonic() - now
            if champion and statuses.get(name) != "RUNNING":
                tally.unserved_seconds += passed
            elif took > NO_ANSWER_SECONDS:  # the client has tried again meanwhile
                tally.unserved_seconds += took
            if not promotes:
                busy = [other for other, status in statuses.items() if status in BUSY and other != name]
                tally.orphan_seconds += passed * len(busy)

    def check_runs(self, tally: Tally, attack: str, known: Mapping[str, int]) -> None:
        """Every run that is new has an end and was told of once, and what it promoted serves or did."""
        new = [run for run in self.loop.loop_state.runs() if run.id not in known]
        until_told = time.monotonic() + 20
        while time.monotonic() < until_told and not {run.id for run in new} <= set(self.heard()):
            time.sleep(0.5)
        heard, champion = self.heard(), self.loop.loop_state.champion()
        served = {champion.version_name, champion.previous_version_name} if champion else set()
        for run in new:
            if not run.ended_at:
                tally.report("lost", attack, f"run {run.id} has no end")
            if not heard[run.id]:
                tally.report("lost", attack, f"nobody was told of run {run.id}")
            if heard[run.id] > 1:
                tally.report("doubled", attack, f"run {run.id} was told of {heard[run.id]} times")
            if (run.outcome == "promoted") != (run.version in served) and run.version:
                tally.report("wrong", attack, f"run {run.id} is {run.outcome}, {sorted(served)} served")

    def runs(self) -> dict[str, int]:
        return dict.fromkeys(self.loop.run_names(), 1)


def _functions(states: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The states that call a function, those within a map too."""
    for state, definition in states.items():
        if function := definition.get("Arguments", {}).get("FunctionName"):
            yield state, function
        yield from _functions(definition.get("ItemProcessor", {}).get("States", {}))


def grows(count: Callable[[], int], enough: int, seconds: float) -> None:
    """Wait until a number that is costly to count is reached, or has not grown for so many seconds."""
    reached, deadline = count(), time.monotonic() + seconds
    while reached < enough and time.monotonic() < deadline:
        time.sleep(5)
        if (now := count()) > reached:
            reached, deadline = now, time.monotonic() + seconds


def waits(look: Callable[[], bool], seconds: float) -> bool:
    """Wait until something that is costly to look at is so; whether it was so in time."""
    deadline = time.monotonic() + seconds
    while not (so := look()) and time.monotonic() < deadline:
        time.sleep(5)
    return so
