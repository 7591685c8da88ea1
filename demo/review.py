"""The review of images without labels: a script answers at the review desk, or whoever watches the demo."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

import urllib3
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
MIN_IOU = 0.5
"""Intersection over union from which a suggested box counts as that of a part."""
SCRIPT_SECONDS, PERSON_SECONDS = 120, 3600
"""Time that an answer of the script, and the review of a person, may take."""


@dataclass
class ReviewCounts:
    """Numbers of the review: tasks, the parts on their images, and those that the champion suggested."""

    tasks: int = 0
    parts: int = 0
    suggested: int = 0


def by_script(
    console: Console, stack: Running, deployment: Deployment, scenes: Iterable[Scene]
) -> ReviewCounts:
    """Let a script label the images, over the HTTP API that the console uses."""
    truth = {hashlib.sha256(scene.jpeg()).hexdigest(): scene for scene in scenes}
    reviewer = _reviewer(stack, deployment)
    desk = ConsoleClient(deployment.console_address)
    desk.sign_in(reviewer.name, reviewer.password)
    counts = ReviewCounts()
    with watch.bar(console, "images reviewed", len(truth)) as show_done:

        def reviewed() -> int:
            # What got no answer in time may have been done all the same: the catalogue knows.
            with suppress(urllib3.exceptions.HTTPError):
                for task in desk.ask("POST", "/api/claims", {"count": 3})["tasks"]:
                    answer(desk, task, truth, counts)
            done = len(truth) - catalogue_images.count_by_status(deployment.catalogue)["unlabelled"]
            show_done(done)
            return done

        watch.reached(reviewed, len(truth), SCRIPT_SECONDS, f"{len(truth)} images are reviewed")
    return counts


def answer(
    desk: ConsoleClient, task: Mapping[str, Any], truth: Mapping[str, Scene], counts: ReviewCounts
) -> None:
    """Answer a task with the boxes that its image was made with."""
    parts = [Box(**asdict(box)) for box in truth[task["image"]].boxes]
    suggested = [
        Box(box["label"], box["left"], box["top"], box["width"], box["height"])
        for box in task["suggestions"]["boxes"]
    ]
    labels = {"verdict": "labelled", "boxes": [asdict(box) for box in parts], "seconds": 1.0}
    desk.ask("POST", f"/api/tasks/{task['id']}/answer", labels)
    counts.tasks += 1
    counts.parts += len(parts)
    counts.suggested += len(boxes.matches(suggested, parts, MIN_IOU))


def by_person(console: Console, stack: Running, deployment: Deployment, images: int) -> None:
    """Wait until whoever watches the demo has answered all tasks."""
    reviewer = _reviewer(stack, deployment)
    console.print(f"  Your turn: {images} images wait for you at the review desk", style="bold")
    console.print(f"    {deployment.console_address}", markup=False, soft_wrap=True)
    console.print(
        f"    sign in as {reviewer.name}, password {reviewer.password}", markup=False, soft_wrap=True
    )
    with watch.bar(console, "images reviewed", images) as show_done:

        def none_left() -> bool:
            left = catalogue_images.count_by_status(deployment.catalogue)["unlabelled"]
            show_done(images - left)
            return left == 0

        watch.until(none_left, PERSON_SECONDS, "you have reviewed every image")


def _reviewer(stack: Running, deployment: Deployment) -> Person:
    return people.add_person(stack, deployment.user_pool_id, REVIEWER, [GROUP])
