"""The steps of the demo: a detector that gets better, is not made worse, and never stops answering."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from cli import detect, formatting, history, status
from cli.deployment import Deployment
from demo import drops, review, watch
from demo.traffic import Traffic
from demo.watch import NotAsPromisedError
from lambdas.domain.catalogue import images as catalogue_images
from lambdas.domain.detect.detection import result_key
from lambdas.domain.images import drawing
from lambdas.domain.shared.records import Run
from local import embedded
from local.scenes import Scene, classification_scenes, detection_scenes, mislabelled

PARTS, SCENES = "parts", "scenes"
FIRST, WRONG, UNLABELLED, TRAYS, UNSEEN = 40, 80, 12, 36, 6
"""Images of each drop."""

TUNING = {
    "min_new_images": "20",
    "poll_seconds": "2",
    "min_f1": "0.55",
    "min_label_f1": "0.3",
    "shadow_test_images": "40",
    "f1_margin": "0.1",
}
TRAINING_STEPS = "100"
"""Steps of a training at most, so that the demo is short. Steps and not seconds, because on a busy machine
they take longer and lead to the same model."""
TRAINING_SECONDS = 1800
"""Of a training of the engine serverless at most, which its steps end long before."""


@dataclass
class Story:
    """One run of the demo."""

    console: Console
    stack: embedded.Running
    output: Path
    review_by_person: bool = False
    engine: str = "rekognition"
    """What trains and answers: docs/engines.md."""
    durations: list[tuple[str, float]] = field(default_factory=list)
    """Title and seconds of every step, in order."""
    runs: list[tuple[str, Run]] = field(default_factory=list)
    """Deployment and record of every run, in order."""

    def run(self) -> None:
        """Run all steps, from the deployment to the images with their detections.

        Raises:
            NotAsPromisedError: a step did not end as it should.
        """
        with self._step(f"Deploy {PARTS} with the CDK CLI, IAM enforced"), self.console.status("cdk deploy"):
            self._deploy(PARTS)
        parts = Deployment.find(PARTS)
        self._first_drop(parts)
        unseen = list(detection_scenes(UNSEEN, seed=99))
        images = [scene.jpeg() for scene in unseen]
        application = Deployment.find(PARTS)  # boto3's resources are not for two threads at once
        detect.ask(application, images[0])
        with (
            Traffic(lambda body: detect.ask(application, body)[0], images) as traffic,
            ThreadPoolExecutor(1) as pool,
        ):
            # Meanwhile: the training on wrong labels may share the processor, its model is rejected anyway.
            deploying = pool.submit(self._deploy, SCENES)
            truth = self._wrong_drop(parts, traffic)
            self.console.print(
                f"\n{SCENES} was deployed meanwhile in {formatting.seconds(deploying.result())}"
            )
            scenes = Deployment.find(SCENES)
            reviewed = self._review(parts)
            self._corrected_drop(parts, truth, reviewed, traffic)
            trays = self._classification(scenes, traffic)
        self._draw(parts, unseen)
        self._draw(scenes, trays)
        self._ending(parts, traffic)

    # Steps

    def _deploy(self, name: str) -> float:
        context = {**TUNING, "engine": self.engine, "training_seconds": str(TRAINING_SECONDS)}
        return embedded.deploy(self.stack, name=name, context=context)

    def _first_drop(self, parts: Deployment) -> None:
        with self._step(f"Drop 1: {FIRST} images with a manifest; the first model"):
            good = list(detection_scenes(FIRST, seed=1))
            self._drop(parts, "first", good, good)
            watch.registered(self.console, parts, FIRST)
            self._expect(parts, "promoted", None)

    def _wrong_drop(self, parts: Deployment, traffic: Traffic) -> list[Scene]:
        """Returns the scenes with their true labels."""
        with self._step(
            f"Drop 2: {WRONG} images with wrong labels; the gate rejects the model, v1 stays champion"
        ):
            truth = list(detection_scenes(WRONG, seed=2))
            champion = parts.loop_state.champion()
            self._drop(parts, "wrong", truth, list(mislabelled(truth)))
            watch.registered(self.console, parts, FIRST + WRONG)
            self._expect(parts, "rejected", traffic)
            if parts.loop_state.champion() != champion:
                raise NotAsPromisedError("the champion changed though the run was rejected")
        return truth

    def _review(self, parts: Deployment) -> int:
        """Returns the number of images that are labelled now; a person may have called some unusable."""
        with self._step(f"{UNLABELLED} images without labels; people label them"):
            scenes = list(detection_scenes(UNLABELLED, seed=3))
            with watch.bar(self.console, "images dropped", UNLABELLED) as show_done:
                drops.send_unlabelled(parts, scenes, show_done)
            watch.registered(self.console, parts, UNLABELLED, "unlabelled")
            if self.review_by_person:
                review.by_person(self.console, self.stack, parts, UNLABELLED)
            else:
                self.console.print("  a script answers for the people, over the HTTP API of the review desk")
                counts = review.by_script(self.console, self.stack, parts, scenes)
                self.console.print(
                    f"  the champion had suggested {counts.suggested} of their {counts.parts} parts"
                )
                watch.registered(self.console, parts, FIRST + WRONG + UNLABELLED)
        return catalogue_images.count_by_status(parts.catalogue)["labelled"] - FIRST - WRONG

    def _corrected_drop(
        self, parts: Deployment, truth: Sequence[Scene], reviewed: int, traffic: Traffic
    ) -> None:
        with self._step("Drop 3: the labels of drop 2 corrected; good, and promoted"):
            self._drop(parts, "corrected", [], truth)
            before = traffic.asked
            record = self._expect(parts, "promoted", traffic)
            images = record.images.train_images + record.images.test_images if record.images else 0
            if images != FIRST + WRONG + reviewed:
                raise NotAsPromisedError(f"{images} images were trained with, not all that are labelled")
            watch.until(lambda: record.version in traffic.answers, 20, "the new champion answers")
            self.console.print(f"  {traffic.asked - before} detections during this run and its switch")
            _none_failed(traffic)

    def _classification(self, scenes: Deployment, traffic: Traffic) -> list[Scene]:
        with self._step(f"Another deployment, {SCENES}: {TRAYS} images labelled by their folders"):
            trays = list(classification_scenes(TRAYS, seed=4))
            with watch.bar(self.console, "images dropped", TRAYS) as show_done:
                drops.send_by_folder(scenes, trays, show_done)
            watch.registered(self.console, scenes, TRAYS)
            self._expect(scenes, "promoted", traffic)
        unseen = list(classification_scenes(3, seed=98))
        with self._step("An image put under detect/ gets its result under results/"):
            self._ask_by_bucket(scenes, unseen[0])
        return unseen

    def _ask_by_bucket(self, deployment: Deployment, scene: Scene) -> None:
        key = f"detect/{scene.name}.jpg"
        deployment.s3.put_object(Bucket=deployment.bucket, Key=key, Body=scene.jpeg())
        with self.console.status("waiting for the result"):
            result = watch.until(
                lambda: _json(deployment, result_key(key)), 60, f"{result_key(key)} is there"
            )
        self.console.print(f"  {scene.labels[0]} tray at {key}; {result_key(key)} says:", markup=False)
        self.console.print_json(json.dumps(result), indent=2)
        if "labels" not in result:
            raise NotAsPromisedError(f"{result_key(key)} has no labels: {result}")

    def _draw(self, deployment: Deployment, unseen: Sequence[Scene]) -> None:
        with self._step(f"{len(unseen)} images that {deployment.name} has never seen"):
            for scene in unseen:
                body = scene.jpeg()
                _, labels = detect.ask(deployment, body)
                target = self.output / deployment.name / f"{scene.name}.jpg"
                drawing.save(drawing.annotate(body, labels), target)
            self.console.print(f"  written to {self.output / deployment.name}", markup=False)

    def _ending(self, parts: Deployment, traffic: Traffic) -> None:
        self.console.print("\n[bold]Model versions[/bold]")
        self.console.print(_versions(self.runs))
        self.console.print("\n[bold]labelloop status[/bold]")
        status.show(self.console, status.gather(parts))
        slowest = f"the slowest took {formatting.seconds(traffic.slowest)}"
        self.console.print(f"\n[bold green]{traffic.summary()}[/bold green]; {slowest}")
        _none_failed(traffic)

    # What steps have in common

    def _drop(
        self, deployment: Deployment, name: str, images: Sequence[Scene], labelled: Sequence[Scene]
    ) -> None:
        """Drop a manifest, and then the images: so none of them goes to people for its labels."""
        drops.send_manifest(deployment, name, labelled)
        self.console.print(f"  {name}.manifest dropped: the boxes of {len(labelled)} images")
        if not images:
            return
        with watch.bar(self.console, "images dropped", len(images)) as show_done:
            drops.send_images(deployment, images, show_done)

    def _expect(self, deployment: Deployment, outcome: str, traffic: Traffic | None) -> Run:
        """Follow the next run, which has to have this outcome: its record."""
        known = {record.id for name, record in self.runs if name == deployment.name}
        record = watch.next_run(self.console, deployment, known, traffic)
        self.runs.append((deployment.name, record))
        if record.outcome != outcome:
            version = record.version or "no version"
            raise NotAsPromisedError(
                f"{version} of {deployment.name} was to be {outcome}, but is {record.outcome}:"
                f" {record.reason or ''}"
            )
        return record

    @contextmanager
    def _step(self, title: str) -> Iterator[None]:
        began = time.monotonic()
        self.console.print(f"\n[bold cyan]{title}[/bold cyan]")
        yield
        self.durations.append((title, time.monotonic() - began))
        self.console.print(f"  done in {formatting.seconds(self.durations[-1][1])}", style="dim")


def clear(output: Path) -> None:
    """Remove the images that the last demo has written."""
    for name in (PARTS, SCENES):
        shutil.rmtree(output / name, ignore_errors=True)


def _none_failed(traffic: Traffic) -> None:
    if traffic.failures:
        raise NotAsPromisedError(f"{len(traffic.failures)} detections failed; first: {traffic.failures[0]}")


def _json(deployment: Deployment, key: str) -> dict[str, Any] | None:
    """A JSON object of the bucket; None if there is no such key."""
    try:
        body = deployment.s3.get_object(Bucket=deployment.bucket, Key=key)["Body"]
    except deployment.s3.exceptions.NoSuchKey:
        return None
    document: dict[str, Any] = json.load(body)
    return document


def _versions(runs: Sequence[tuple[str, Run]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in ("deployment", "version", "F1", "outcome", "training", "run"):
        table.add_column(column, justify="right" if column in ("F1", "training", "run") else "left")
    table.add_column("verdicts", overflow="fold")
    for deployment, record in runs:
        verdicts = "; ".join(formatting.verdict(verdict) for verdict in record.verdicts)
        table.add_row(
            deployment,
            record.version or "",
            formatting.f1(record.f1),
            history.outcome(record),
            formatting.seconds(record.billable_seconds),
            formatting.seconds(record.seconds),
            verdicts,
        )
    return table
