"""The attacks, kind by kind. Each ends with a deployment that is as it should be, or says that it is not."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from lambdas.domain.catalogue import images as catalogue_images
from local import embedded
from local.scenes import Scene, classification_scenes
from tests.chaos.batch_attacks import BatchAttacker
from tests.chaos.image_attacks import FAULTS, ImageAttacker
from tests.chaos.tally import Tally
from tests.chaos.target import Target, grows
from tests.fixtures.deployed_loop import until

PROMOTE, RETRAIN = "PromoteMachineArn", "RetrainMachineArn"
MANY = "many objects"
FUNCTION_SECONDS = 60.0
REGISTER_SECONDS = 300.0
"""In which another image is registered: how many a busy machine manages in a minute says nothing."""


@dataclass(frozen=True)
class Attack:
    """Something that is done to a deployment.

    Attributes:
        kind: the row of the table that it counts in.
        name: what tells it from others of its kind.
        strike: does it; False if it could not be done.
    """

    kind: str
    name: str
    strike: Callable[[Tally], bool]


class Attacker:
    """Makes the attacks on a target.

    Args:
        chance: chooses what the attacks leave open.
        rollbacks: the share of promotions that are rollbacks, which no gate ends early.
    """

    def __init__(self, target: Target, chance: random.Random, *, rollbacks: float = 0.5) -> None:
        self._target, self._random, self._rollbacks = target, chance, rollbacks
        self._number = 0
        self._images, self._batches = ImageAttacker(target, chance), BatchAttacker(target)

    def attacks(self, kinds: tuple[str, ...] | None = None, objects: int = 10_000) -> list[Attack]:
        """All attacks of these kinds, in the order in which they should be made."""
        of_kind: dict[str, Callable[[], Iterator[Attack]]] = {
            "stopped": self._stopped,
            "frozen before its write": lambda: self._frozen("frozen before it writes"),
            "frozen after its write": lambda: self._frozen("frozen after it writes"),
            "function fails once": lambda: self._failing("fails", 1),
            "function fails always": lambda: self._failing("fails", 1000),
            "function times out": lambda: self._failing("times out", 1),
            "review stopped": lambda: self._listed("review stopped", self._images.review_stopped()),
            **{kind: lambda k=kind: self._listed(k, self._images.failing(k)) for kind in FAULTS},
            "champion killed": lambda: self._one("champion killed", self._kill_champion),
            "trainer killed": lambda: self._one("trainer killed", self._kill_trainer),
            "stack killed": self._stack_killed,
            "batch attacked": lambda: self._listed("batch attacked", self._batches.attacks()),
            "events lost, doubled, shuffled": lambda: self._one(
                "events lost, doubled, shuffled", self._shuffle_events
            ),
            MANY: lambda: self._one(MANY, lambda tally: self._many(tally, objects)),
        }
        chosen = [kind for kind in of_kind if kinds is None or any(kind.startswith(part) for part in kinds)]
        lists = {kind: list(of_kind[kind]()) for kind in chosen}
        for attacks in lists.values():
            self._random.shuffle(attacks)
        # What is trained on is another dataset afterwards, so it comes last.
        last = lists.pop(MANY, [])
        # By turns, so that a short time has something of every kind.
        longest = max((len(attacks) for attacks in lists.values()), default=0)
        return [
            attacks[place] for place in range(longest) for attacks in lists.values() if place < len(attacks)
        ] + last

    def _listed(self, kind: str, attacks: Iterable[tuple[str, Callable[[Tally], bool]]]) -> Iterator[Attack]:
        for name, attack in attacks:
            yield Attack(kind, name, attack)

    def _one(self, kind: str, strike: Callable[[Tally], bool]) -> Iterator[Attack]:
        yield Attack(kind, kind, strike)

    # Executions

    def _begin(self, machine: str) -> str:
        """Start a promotion of the version that does not serve, or a run."""
        self._number += 1
        name = f"attack-{self._number}-{self._random.randrange(10**6)}"
        if machine == RETRAIN:
            return self._target.loop.start(machine, name, {"trigger": "manual", "force": True})
        version = {"version": self._other_version(), "rollback": self._random.random() < self._rollbacks}
        return self._target.loop.start(machine, name, version)

    def _other_version(self) -> str:
        """A version that is trained, has been judged, and does not serve."""
        champion = self._target.loop.loop_state.champion()
        serves = champion.version_name if champion else ""
        others = [version for version in self._target.loop.loop_state.versions() if version.id != serves]
        retired = [version.id for version in others if version.state == "retired"]
        usable = retired or [version.id for version in others if version.state in ("trained", "rejected")]
        return self._random.choice(sorted(usable))

    def _stopped(self) -> Iterator[Attack]:
        for machine in (PROMOTE, RETRAIN):
            for state, definition in self._target.states(machine).items():
                if definition["Type"] in ("Task", "Wait"):
                    name = f"{machine.removesuffix('MachineArn')} in {state}"
                    yield Attack("stopped", name, lambda tally, m=machine, s=state: self._stop(tally, m, s))

    def _stop(self, tally: Tally, machine: str, state: str) -> bool:
        return self._during(
            tally, f"{machine} in {state}", machine, lambda arn: self._target.reaches(arn, state)
        )

    def _frozen(self, kind: str) -> Iterator[Attack]:
        row = kind.replace("it writes", "its write")
        for machine in (PROMOTE, RETRAIN):
            for state, function in self._target.functions_of(machine).items():
                name = f"{machine.removesuffix('MachineArn')}'s {state}"
                yield Attack(
                    row, name, lambda tally, m=machine, f=function, n=name: self._freeze(tally, n, m, f, kind)
                )

    def _freeze(self, tally: Tally, name: str, machine: str, function: str, kind: str) -> bool:
        self._target.fault(function, kind)

        def frozen(arn: str) -> bool:
            def look() -> str | None:
                return "frozen" if self._target.struck() else "ended" if self._target.has_ended(arn) else None

            return until(look, 180, f"{function} is frozen") == "frozen"

        return self._during(tally, name, machine, frozen)

    def _during(self, tally: Tally, name: str, machine: str, comes: Callable[[str], bool]) -> bool:
        """Stop an execution where it has come to, sweep, let go what is frozen, and see what comes of it."""
        known, arn = self._target.runs(), self._begin(machine)
        try:
            if not comes(arn) or not self._target.stop(arn, "an attack"):
                return False
            self._target.loop.sweep()
            time.sleep(1)
        finally:
            self._target.clear_faults()
        self._until_ended(arn)
        time.sleep(2)  # what was frozen goes on
        self._target.settle(tally, name)
        self._target.check_runs(tally, name, known)
        return True

    def _until_ended(self, arn: str) -> None:
        """Wait for the execution, and the promotion that it has begun."""
        until(lambda: self._target.has_ended(arn), 300, f"{arn} ends")
        name = arn.rpartition(":")[2]
        machine = self._target.loop.outputs[PROMOTE].replace(":stateMachine:", ":execution:")
        steps = self._target.loop.stepfunctions
        try:
            steps.describe_execution(executionArn=f"{machine}:{name}")
        except steps.exceptions.ExecutionDoesNotExist:
            return
        until(lambda: self._target.has_ended(f"{machine}:{name}"), 300, f"promotion {name} ends")

    def _failing(self, kind: str, times: int) -> Iterator[Attack]:
        row = (
            f"function {kind}"
            if kind == "times out"
            else f"function fails {'once' if times == 1 else 'always'}"
        )
        for machine in (PROMOTE, RETRAIN):
            for state, function in self._target.functions_of(machine).items():
                name = f"{machine.removesuffix('MachineArn')}'s {state}"
                yield Attack(
                    row,
                    name,
                    lambda tally, m=machine, f=function, n=name: self._fail(tally, n, m, f, kind, times),
                )
        yield from self._listed(row, self._batches.failing(kind, times))

    def _fail(  # noqa: PLR0917
        self, tally: Tally, name: str, machine: str, function: str, kind: str, times: int
    ) -> bool:
        known = self._target.runs()
        self._target.fault(function, kind, times)
        try:
            self._until_ended(self._begin(machine))
            struck = self._target.struck() > 0
        finally:
            self._target.clear_faults()
        self._target.settle(tally, name)
        self._target.check_runs(tally, name, known)
        return struck

    # Processes

    def _kill_champion(self, tally: Tally) -> bool:
        pids = self._children("local.engine.serving.child")
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        time.sleep(2)
        self._target.settle(tally, "champion killed")
        return bool(pids)

    def _kill_trainer(self, tally: Tally) -> bool:
        known, arn = self._target.runs(), self._begin(RETRAIN)
        pids = until(lambda: self._children("local.engine.training.child"), 180, "a training runs")
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        self._until_ended(arn)
        self._target.settle(tally, "trainer killed")
        self._target.check_runs(tally, "trainer killed", known)
        return True

    def _children(self, module: str) -> list[int]:
        """Processes of the stack that run a module; each has a session of its own."""
        listed = subprocess.run(
            ["ps", "-A", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True
        ).stdout
        rows = [line.split(maxsplit=2) for line in listed.splitlines()]
        server = str(self._target.loop.stack.pid)
        return [int(pid) for pid, parent, *rest in rows if parent == server and module in " ".join(rest)]

    def _stack_killed(self) -> Iterator[Attack]:
        for number in range(3):
            yield Attack("stack killed", f"death {number + 1}", self._kill_stack)

    def _kill_stack(self, tally: Tally) -> bool:
        """During a run, and while images come: whatever was acknowledged has to be there afterwards."""
        loop = self._target.loop
        known = self._target.runs()
        self._begin(self._random.choice((RETRAIN, PROMOTE)))
        images = self._registered()
        put = [self._put(scene, "killed") for scene in self._scenes(12)]
        time.sleep(self._random.uniform(0, 12))
        os.kill(loop.stack.pid, signal.SIGKILL)
        until(lambda: embedded.running(loop.stack.home) is None, 10, "the stack is dead")
        loop.stack = embedded.start(loop.stack.home, keep=True, variables=VARIABLES)
        self._target.settle(tally, "stack killed")
        self._target.check_runs(tally, "stack killed", known)
        for sha in images - self._registered():
            tally.report("lost", "stack killed", f"image {sha[:12]} was registered")
        self._check_registered(tally, "stack killed", dict.fromkeys(put, "killed"))
        return True

    # Images

    def _scenes(self, count: int) -> list[Scene]:
        self._number += 1
        return list(classification_scenes(count, seed=self._random.randrange(10**9)))

    def _put(self, scene: Scene, label: str) -> str:
        """Put an image that is labelled by its folder: its hash."""
        body = scene.jpeg()
        self._target.loop.put(f"incoming/labeled/{label}/{self._number}-{scene.name}.jpg", body)
        return hashlib.sha256(body).hexdigest()

    def _check_registered(self, tally: Tally, attack: str, labels: dict[str, str]) -> None:
        """Each image is in the catalogue, with its label or none that is wrong."""
        loop = self._target.loop

        def missing() -> list[str]:
            return [sha for sha in labels if catalogue_images.get_image(loop.catalogue, sha) is None]

        def registered() -> int:
            loop.sweep()
            return len(labels) - len(missing())

        if missing():
            grows(registered, len(labels), REGISTER_SECONDS)
        for sha in missing():
            tally.report("lost", attack, f"image {sha[:12]}")
        for sha, label in labels.items():
            image = catalogue_images.get_image(loop.catalogue, sha)
            if image and image.labels and image.labels != (label,):
                tally.report("wrong", attack, f"image {sha[:12]} is {image.labels}, not {label}")

    def _shuffle_events(self, tally: Tally) -> bool:
        """Keys overwritten by other content with other labels; events lost, doubled and in any order."""
        loop, events = self._target.loop, self._target.loop.client("events")
        rule = loop.resource("AWS::Events::Rule", "RegisterEventQueueRule")
        labels: dict[str, str] = {}
        sent: list[dict[str, Any]] = []
        events.disable_rule(Name=rule)
        loop.tune(resend_event_after_seconds=1)
        try:
            first, second = self._scenes(10), self._scenes(10)
            for label, scenes in (("empty", first), ("damaged", second)):
                for place, scene in enumerate(scenes):
                    key = f"incoming/annotations/shuffled/{self._number}-{place}.jpg"
                    labels[hashlib.sha256(scene.jpeg()).hexdigest()] = label
                    sent.append(self._stored(key, scene.jpeg()))
                lines = "\n".join(
                    _line(loop.bucket, f"incoming/annotations/shuffled/{self._number}-{place}.jpg", label)
                    for place in range(len(scenes))
                )
                key = f"incoming/annotations/shuffled/{self._number}-{label}.manifest"
                sent.append(self._stored(key, lines.encode()))
        finally:
            events.enable_rule(Name=rule)
        kept = [event for event in sent if self._random.random() < 0.8]
        queue = loop.resource("AWS::SQS::Queue", "RegisterEventQueue")
        for event in self._random.sample(kept * 2, len(kept) * 2):
            loop.client("sqs").send_message(QueueUrl=queue, MessageBody=json.dumps(event))
        self._check_registered(tally, "events", labels)
        loop.tune(resend_event_after_seconds=60)
        return True

    def _stored(self, key: str, body: bytes) -> dict[str, Any]:
        """Put an object; the event that S3 would send by EventBridge."""
        loop = self._target.loop
        stored = loop.s3.put_object(Bucket=loop.bucket, Key=key, Body=body)
        about = {
            "key": key,
            "size": len(body),
            "etag": stored["ETag"].strip('"'),
            "version-id": stored["VersionId"],
            "sequencer": f"{time.time_ns():018X}",
        }
        return {
            "source": "aws.s3",
            "detail-type": "Object Created",
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "detail": {"bucket": {"name": loop.bucket}, "object": about},
        }

    def _many(self, tally: Tally, count: int) -> bool:
        """Many objects at once: none lost, none twice."""
        loop = self._target.loop
        scene = self._scenes(1)[0].jpeg()
        # Other content for the same work: a comment after the marker that begins a JPEG.
        bodies = [
            scene[:2] + b"\xff\xfe\x00\x0c" + f"{number:010d}".encode() + scene[2:] for number in range(count)
        ]
        hashes = {hashlib.sha256(body).hexdigest() for body in bodies}
        prefix = f"incoming/labeled/many/{self._number}"
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda place: loop.put(f"{prefix}/{place}.jpg", bodies[place]), range(count)))

        # What is registered lies there no more; to read the catalogue each time would keep the stack busy.
        grows(lambda: count - len(loop.keys(prefix)), count, REGISTER_SECONDS)
        registered = self._registered()
        if missing := len(hashes - registered):
            tally.report("lost", MANY, f"{missing} of {count}", missing)
        left = loop.keys(prefix)
        if len(left) > missing:
            tally.report("wrong", MANY, f"{len(left)} objects lie under {prefix} still")
        return True

    def _registered(self) -> set[str]:
        """The hashes of all images of the catalogue."""
        pages = self._target.loop.catalogue.meta.client.get_paginator("scan").paginate(
            TableName=self._target.loop.catalogue.name, ProjectionExpression="id"
        )
        ids = [str(item["id"]) for page in pages for item in page["Items"]]
        return {identity.removeprefix("image#") for identity in ids if identity.startswith("image#")}


def strike(target: Target, attacks: list[Attack], seconds: float, tallies: dict[str, Tally]) -> None:
    """Make the attacks one after the other, as long as there is time.

    Many objects are put when the time is over.

    Args:
        tallies: what has come of each kind, to be completed.
    """
    tallies |= {attack.kind: Tally(attack.kind) for attack in attacks}
    deadline = time.monotonic() + seconds
    for attack in attacks:
        if time.monotonic() > deadline and attack.kind != MANY:
            continue
        tally, began = tallies[attack.kind], time.monotonic()
        with target.watched(tally):
            try:
                struck = attack.strike(tally)
            except Exception as error:  # noqa: BLE001 the next attack is made all the same
                struck = True
                traceback.print_exc()
                tally.report("outlived", attack.name, repr(error))
                if not embedded.answers(target.loop.stack):
                    tally.tried += 1
                    print("The stack does not answer any more: no further attacks", flush=True)  # noqa: T201
                    break
                target.clear_faults()
        tally.tried += struck
        reached = "" if struck else " (not reached)"
        print(f"{time.monotonic() - began:5.0f} s  {attack.kind}: {attack.name}{reached}", flush=True)  # noqa: T201


VARIABLES = {
    "LABELLOOP_ENGINE_FAULTS": "1",
    "LABELLOOP_TRAINING_STEPS": "5",
    "LABELLOOP_LABEL_CHECK_SECONDS": "0",
    "LABELLOOP_PRETRAINED": "none",
    "SFN_WAIT_SCALE": "0.3",
}
"""For the stack: faults, and models that learn nothing."""


def _line(bucket: str, key: str, label: str) -> str:
    metadata = {
        "class-name": label,
        "confidence": 1,
        "type": "groundtruth/image-classification",
        "human-annotated": "yes",
        "creation-date": time.strftime("%Y-%m-%dT%H:%M:%S"),
    }
    return json.dumps({"source-ref": f"s3://{bucket}/{key}", "state": 1, "state-metadata": metadata})
