"""Attacks on the way of an image: the functions that events and people call, and the machine of reviews."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lambdas.domain.catalogue import images as catalogue_images
from lambdas.domain.review.desk.task import Task
from lambdas.domain.review.desk.tasks import ReviewTable
from local.console_client import ConsoleClient, ConsoleError
from local.people import Person, add_person
from local.scenes import CLASSIFICATION_LABELS, Scene, classification_scenes
from tests.chaos.tally import Tally
from tests.chaos.target import Target, waits
from tests.fixtures.deployed_loop import until

SECONDS = 450.0
"""In which sweeps have put right what became of an image. A message whose function was killed is hidden for
six times the function's timeout, which is a minute."""
SWEEP_SECONDS = 10.0
FAULTS = {
    "image function fails once": ("fails", 1),
    "image function fails always": ("fails", 1000),
    "image function times out": ("times out", 1),
}
ELSEWHERE = ("Project", "Site", "FlowDefinition", "Custom", "Job", "ApiAdmin", "ApiConsole", "Applications")
"""Parts of the names of functions that deploy, that work for Ground Truth, or that no image waits for."""
LABEL = CLASSIFICATION_LABELS[0]
"""What the reviewer answers, whatever is on the image."""


@dataclass(frozen=True)
class Uploads:
    """What was put into the bucket: hashes of images with and without labels, keys of images to detect."""

    labelled: tuple[str, ...]
    unlabelled: tuple[str, ...]
    detect: tuple[str, ...]


class ImageAttacker:
    """Makes the attacks on a target whose champion serves."""

    def __init__(self, target: Target, chance: random.Random) -> None:
        self._target, self._random = target, chance
        self._reviewer: Person | None = None

    def failing(self, kind: str) -> Iterator[tuple[str, Callable[[Tally], bool]]]:
        """An attack for each function on the way of an image, and each of the desk.

        Args:
            kind: one of FAULTS.
        """
        fault, times = FAULTS[kind]
        for logical, function in self._functions().items():
            yield logical, lambda tally, f=function: self._fail(tally, f, fault, times)

    def review_stopped(self) -> Iterator[tuple[str, Callable[[Tally], bool]]]:
        """The execution that waits for a review is stopped, with its function frozen or not."""
        yield "in Ask", self._stop_review
        for kind in ("frozen before it writes", "frozen after it writes"):
            yield f"Ask {kind}", lambda tally, k=kind: self._freeze_review(tally, k)

    def _functions(self) -> Mapping[str, str]:
        """The functions that an image comes to between upload and label, or answer."""
        of_machines = {
            name
            for machine in ("RetrainMachineArn", "PromoteMachineArn", "BatchMachineArn")
            for name in self._target.functions_of(machine).values()
        }
        return {
            logical: name
            for logical, name in self._target.functions.items()
            if name not in of_machines and not any(part in logical for part in ELSEWHERE)
        }

    # Attacks

    def _fail(self, tally: Tally, function: str, kind: str, times: int) -> bool:
        """Images come while a function fails; all are registered, answered and reviewed in the end."""
        self._target.fault(function, kind, times)
        try:
            uploads = self._upload()
            self._target.loop.sweep()
            self._target.collect()
            self._review(tally, function, uploads, seconds=20, is_due=False)
            struck = self._target.struck() > 0
        finally:
            self._target.clear_faults()
        self._check(tally, function, uploads)
        return struck

    def _stop_review(self, tally: Tally) -> bool:
        (sha,) = (uploads := self._upload(labelled=0, detect=0)).unlabelled
        task = until(
            lambda: self._task(sha, waits_for_answer=True), SECONDS, "an execution waits for the review"
        )
        stopped = self._target.stop(self._execution(task), "an attack")
        self._target.loop.sweep()
        self._check(tally, "in Ask", uploads)
        return stopped

    def _freeze_review(self, tally: Tally, kind: str) -> bool:
        function = next(name for logical, name in self._functions().items() if logical.endswith("Ask"))
        self._target.fault(function, kind)
        try:
            (sha,) = (uploads := self._upload(labelled=0, detect=0)).unlabelled
            struck = waits(lambda: self._target.struck() > 0, SECONDS)
            task = self._task(sha)
            stopped = struck and task is not None and self._target.stop(self._execution(task), "an attack")
            self._target.loop.sweep()
        finally:
            self._target.clear_faults()
        self._check(tally, f"Ask {kind}", uploads)
        return stopped

    # What is put

    def _upload(self, *, labelled: int = 2, detect: int = 2) -> Uploads:
        stamp = f"{self._random.randrange(10**9):09d}"
        scenes = list(classification_scenes(labelled + 1 + detect, seed=self._random.randrange(10**9)))
        with_label, without, to_detect = scenes[:labelled], scenes[labelled], scenes[labelled + 1 :]
        for scene in with_label:
            self._target.loop.put(f"incoming/labeled/{LABEL}/{stamp}-{scene.name}.jpg", scene.jpeg())
        self._target.loop.put(f"incoming/unlabeled/{stamp}-{without.name}.jpg", without.jpeg())
        keys = tuple(f"{stamp}-{scene.name}.jpg" for scene in to_detect)
        for key, scene in zip(keys, to_detect, strict=True):
            self._target.loop.put(f"detect/{key}", scene.jpeg())
        return Uploads(tuple(map(_hash, with_label)), (_hash(without),), keys)

    # What comes of it

    def _check(self, tally: Tally, attack: str, uploads: Uploads) -> None:
        self._review(tally, attack, uploads, seconds=SECONDS, is_due=True)
        for sha in (*uploads.labelled, *uploads.unlabelled):
            image = catalogue_images.get_image(self._target.loop.catalogue, sha)
            if image is None:
                tally.report("lost", attack, f"image {sha[:12]}")
            elif image.labels and image.labels != (LABEL,):
                tally.report("wrong", attack, f"image {sha[:12]} is {image.labels}, not {LABEL}")
        for key in uploads.detect:
            if self._target.loop.json(f"results/{key}.json") is None:
                tally.report("lost", attack, f"the answer about {key}")
        for sha in uploads.unlabelled:
            done = [task for task in self._tasks(sha) if task.state == "done"]
            if len(done) > 1:
                tally.report("doubled", attack, f"image {sha[:12]} was reviewed {len(done)} times")
        self._target.settle(tally, attack)

    def _review(self, tally: Tally, attack: str, uploads: Uploads, *, seconds: float, is_due: bool) -> None:
        """Answer what is asked, and sweep now and then, until all is done that should be."""
        deadline, swept = time.monotonic() + seconds, time.monotonic()
        while not self._is_done(uploads) and time.monotonic() < deadline:
            self._answer(uploads)
            if is_due and time.monotonic() > swept + SWEEP_SECONDS:
                self._target.loop.sweep()
                swept = time.monotonic()
            time.sleep(1)
        if is_due and not self._is_done(uploads):
            tally.report("outlived", attack, f"not done: {uploads}")

    def _is_done(self, uploads: Uploads) -> bool:
        loop = self._target.loop
        images = [
            catalogue_images.get_image(loop.catalogue, sha)
            for sha in (*uploads.labelled, *uploads.unlabelled)
        ]
        return all(image and image.labels for image in images) and all(
            loop.json(f"results/{key}.json") for key in uploads.detect
        )

    def _answer(self, uploads: Uploads) -> None:
        """Answer all tasks about these images as a reviewer does, who tries again what did not work."""
        mine = {task.id for sha in uploads.unlabelled for task in self._tasks(sha) if task.state == "open"}
        if not mine:
            return
        try:
            desk = self._desk()
            for task in desk.ask("POST", "/api/claims", {"count": 5})["tasks"]:
                answer = {"verdict": "labelled", "labels": [LABEL], "seconds": 1}
                if task["kind"] == "detection":
                    answer = {"verdict": "nothing", "seconds": 1}
                desk.ask("POST", f"/api/tasks/{task['id']}/answer", answer)
        except ConsoleError as error:
            if error.status not in (401, 409) and error.status < 500:
                raise

    def _desk(self) -> ConsoleClient:
        """Signed in anew: a token lives for less time than attacks may take."""
        loop = self._target.loop
        if self._reviewer is None:
            self._reviewer = add_person(loop.stack, loop.outputs["UserPoolId"], "chaos", ["reviewers"])
        client = ConsoleClient(loop.outputs["ConsoleAddress"])
        client.sign_in(self._reviewer.name, self._reviewer.password)
        return client

    # Tasks

    def _tasks(self, sha: str) -> list[Task]:
        table: Any = self._target.loop.session.resource(
            "dynamodb", endpoint_url=self._target.loop.stack.endpoint
        ).Table(self._target.loop.outputs["ReviewTable"])
        reviews = ReviewTable(table)
        states = ("open", "done", "given_back", "deleted")
        return [task for state in states for task in reviews.in_state(state) if task.image == sha]

    def _task(self, sha: str, *, waits_for_answer: bool = False) -> Task | None:
        """The image's open task."""
        tasks = [task for task in self._tasks(sha) if task.state == "open"]
        return next((task for task in tasks if task.token or not waits_for_answer), None)

    def _execution(self, task: Task) -> str:
        machine: str = self._target.loop.outputs["ReviewMachineArn"]
        return f"{machine.replace(':stateMachine:', ':execution:')}:{task.id}"


def _hash(scene: Scene) -> str:
    return hashlib.sha256(scene.jpeg()).hexdigest()
