"""The pictures that nobody has labelled, at the review desk: answered by a script, or by whoever watches."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console

from cli.deployment import Deployment
from demo import watch
from lambdas.domain.catalogue import images as catalogue_images
from lambdas.domain.shared import boxes
from lambdas.domain.shared.annotation import Box
from local import people
from local.console_client import ConsoleClient
from local.embedded import Running
from local.people import Person
from local.scenes import Scene

REVIEWER, GROUP = "reviewer", "reviewers"
SAME = 0.5
"""Overlap from which a box that was drawn in advance is that of a part."""
SCRIPT_PATIENCE, PERSON_PATIENCE = 120, 3600


@dataclass
class Answered:
    """How the review went: tasks, the parts in them, and how many of those the champion had drawn."""

    tasks: int = 0
    parts: int = 0
    drawn: int = 0


def by_script(console: Console, stack: Running, deployment: Deployment, scenes: Iterable[Scene]) -> Answered:
    """A script says what the pictures show, over the HTTP API that the console's page speaks."""
    truth = {hashlib.sha256(scene.jpeg()).hexdigest(): scene for scene in scenes}
    reviewer = _reviewer(stack, deployment)
    desk = ConsoleClient(deployment.console_address)
    desk.sign_in(reviewer.name, reviewer.password)
    told = Answered()
    with watch.bar(console, "pictures reviewed", len(truth)) as tell:

        def all_answered() -> bool:
            for task in desk.ask("POST", "/api/claims", {"count": 3})["tasks"]:
                answer(desk, task, truth, told)
                tell(told.tasks)
            return told.tasks >= len(truth)

        watch.until(all_answered, SCRIPT_PATIENCE, f"{len(truth)} pictures are reviewed")
    return told


def answer(desk: ConsoleClient, task: Mapping[str, Any], truth: Mapping[str, Scene], told: Answered) -> None:
    """Say of one task what its picture truly shows."""
    parts = [Box(**asdict(box)) for box in truth[task["image"]].boxes]
    drawn = [
        Box(box["label"], box["left"], box["top"], box["width"], box["height"])
        for box in task["suggestions"]["boxes"]
    ]
    said = {"verdict": "labelled", "boxes": [asdict(box) for box in parts], "seconds": 1.0}
    desk.ask("POST", f"/api/tasks/{task['id']}/answer", said)
    told.tasks += 1
    told.parts += len(parts)
    told.drawn += len(boxes.matches(drawn, parts, SAME))


def by_person(console: Console, stack: Running, deployment: Deployment, pictures: int) -> None:
    """Wait until whoever watches has answered them all."""
    reviewer = _reviewer(stack, deployment)
    console.print(f"  Your turn: {pictures} pictures wait for you at the review desk", style="bold")
    console.print(f"    {deployment.console_address}", markup=False, soft_wrap=True)
    console.print(
        f"    sign in as {reviewer.name}, password {reviewer.password}", markup=False, soft_wrap=True
    )
    with watch.bar(console, "pictures reviewed", pictures) as tell:

        def none_left() -> bool:
            left = catalogue_images.count_by_status(deployment.catalogue)["unlabelled"]
            tell(pictures - left)
            return left == 0

        watch.until(none_left, PERSON_PATIENCE, "you have reviewed every picture")


def _reviewer(stack: Running, deployment: Deployment) -> Person:
    return people.add_person(stack, deployment.user_pool_id, REVIEWER, [GROUP])
