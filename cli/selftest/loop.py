"""The real loop once through: a deployment of its own, 20 images, a training, a promotion, a detection."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from PIL import Image
from rich.console import Console

from cli import control, following, live, serving
from cli.deployment import Deployment, session
from cli.selftest import datasets, models, runs, training
from cli.selftest.datasets import DatasetBench
from cli.selftest.models import ModelBench
from cli.selftest.probe import Answer, Probe, T, put, until
from cli.selftest.runs import RunBench
from cli.selftest.spending import CountingDisplay, Spending
from cli.selftest.training import TrainingBench
from lambdas.domain.catalogue import images as catalogue_images
from lambdas.domain.engines.port import BUSY, EngineError, Version
from lambdas.domain.shared import clock
from lambdas.domain.shared.annotation import Box
from lambdas.domain.shared.manifests import detection_entry, entry_line
from lambdas.domain.shared.records import Run
from local.scenes import Scene, detection_scenes

IMAGES = 20
"""That the loop is given; the last of them is without boxes."""
SEED = 2026
_DROPPED = "incoming/annotations/selftest"
_DETECTED = "selftest.jpg"

THE_LOOP = "Does the whole loop work: images, run, promotion, detection?"


@dataclass
class Loop:
    """The selftest's deployment while it is there.

    Attributes:
        datasets_project: name of the Rekognition project of the questions about datasets.
        pause: seconds between two looks at what takes its time.
    """

    deployment: Deployment
    datasets_project: str
    spending: Spending
    pause: float
    console: Console
    answers: list[Answer] = field(default_factory=list)

    def go(self) -> Run:
        """Once through, with all questions on the way; the answers are in `answers`."""
        if self.deployment.engine.name == "serverless":
            return self._go_serverless()
        scenes = list(detection_scenes(IMAGES, SEED))
        self._say(f"gives the loop {IMAGES} images")
        self._drop(scenes)
        self._say("asks about datasets")
        self._ask_about_datasets(scenes)
        self._say("trains and promotes: about an hour on AWS")
        run = self._train()
        self._say("asks about the run, and about the model")
        self._ask_about_models(run, scenes[0])
        return run

    def _go_serverless(self) -> Run:
        """Once through with the engine serverless: it has no datasets, and nothing that runs.

        SageMaker forgets no training job, and gives a name once: each selftest draws other images.
        """
        scenes = list(detection_scenes(IMAGES, seed=int(time.time())))
        self._say(f"gives the loop {IMAGES} images")
        self._drop(scenes)
        self._say("trains and promotes: about half an hour on AWS")
        run = self._train()
        self._say("asks about the run, the training job and the function that answers")
        deployment, version = self.deployment, self._version(run)
        detector = deployment.engine.named("serverless")
        bench = TrainingBench(
            session().client("sagemaker"),
            deployment.stepfunctions,
            deployment.s3,
            detector,
            run,
            version,
            scenes[0],
        )
        self.ask(training.QUESTIONS, bench)
        self.ask([Probe(THE_LOOP, "yes", lambda _: self._outcome(run, scenes[0]))], None)
        return run

    def _say(self, step: str) -> None:
        self.console.print(f"Selftest {step}", markup=False, soft_wrap=True)

    def ask(self, probes: Sequence[Probe[T]], bench: T) -> None:
        """Ask questions one after the other."""
        self.answers += [put(probe, bench) for probe in probes]

    # The images

    def _drop(self, scenes: Sequence[Scene]) -> None:
        """Put the annotations first, then their images: nobody is asked about any of them."""
        *labelled, empty = scenes
        empty = Scene(empty.name, _plain(empty.image.size), ())
        lines = [entry_line(self._entry(scene)) for scene in (*labelled, empty)]
        self._put(f"{_DROPPED}.manifest", "\n".join(lines).encode())
        for scene in (*labelled, empty):
            self._put(f"{_DROPPED}/{scene.name}.jpg", scene.jpeg())
        catalogue = self.deployment.catalogue
        until(
            lambda: catalogue_images.count_by_status(catalogue)["labelled"] == IMAGES,
            "all images are registered with their labels",
            pause=self.pause,
        )

    def _entry(self, scene: Scene) -> dict[str, Any]:
        return detection_entry(
            self.deployment.bucket,
            f"{_DROPPED}/{scene.name}.jpg",
            width=scene.image.width,
            height=scene.image.height,
            boxes=[Box(box.label, box.left, box.top, box.width, box.height) for box in scene.boxes],
            changed_at=clock.now(),
        )

    def _put(self, key: str, body: bytes) -> None:
        self.deployment.s3.put_object(Bucket=self.deployment.bucket, Key=key, Body=body)

    # The run

    def _train(self) -> Run:
        run, _ = control.train(self.deployment, force=False)
        with live.display(self.console) as display:
            following.follow(run, CountingDisplay(display, self.spending))
        return run.record()

    def _version(self, run: Run) -> Version:
        version = self.deployment.engine.describe_version(str(run.version))
        if version is None:
            raise EngineError(f"the run {run.outcome} without a model version: {run.reason}")
        return version

    def _detect(self, body: bytes) -> dict[str, Any]:
        """What the loop answers about an image under detect/."""
        self._put(f"detect/{_DETECTED}", body)
        return until(
            lambda: self._json(f"results/{_DETECTED}.json"), "the detection is there", pause=self.pause
        )

    def _json(self, key: str) -> dict[str, Any] | None:
        s3 = self.deployment.s3
        try:
            document: dict[str, Any] = json.load(
                s3.get_object(Bucket=self.deployment.bucket, Key=key)["Body"]
            )
        except s3.exceptions.NoSuchKey:
            return None
        return document

    # The questions

    def _ask_about_datasets(self, scenes: Sequence[Scene]) -> None:
        bench = DatasetBench(
            self.deployment.rekognition,
            self.deployment.s3,
            self.deployment.bucket,
            self.datasets_project,
            self.pause,
        )
        bench.prepare(scenes)
        self.ask(datasets.QUESTIONS, bench)

    def _ask_about_models(self, run: Run, scene: Scene) -> None:
        deployment, version = self.deployment, self._version(run)
        clients = (deployment.stepfunctions, deployment.rekognition, deployment.s3)
        where = (deployment.bucket, deployment.project_arn)
        self.ask(runs.QUESTIONS, RunBench(*clients, *where, run, version))
        self.ask([Probe(THE_LOOP, "yes", lambda _: self._outcome(run, scene))], None)
        bench = ModelBench(deployment.rekognition, deployment.s3, deployment.bucket, version, scene)
        if version.status == "RUNNING":
            self.spending.look()
            self.ask(models.RUNNING, bench)
            serving.ask(deployment, "stop", "the selftest has asked what it had to ask of a running model")
        until(lambda: self._is_idle(run), "the model has stopped", pause=self.pause)
        self.spending.look()
        self.ask(models.IDLE, bench)

    def _outcome(self, run: Run, scene: Scene) -> str:
        if run.outcome != "promoted":
            return f"the run {run.outcome}: {run.reason}"
        result = self._detect(scene.jpeg())
        return "yes" if result.get("model_version") == run.version else f"the detection: {result}"

    def _is_idle(self, run: Run) -> bool:
        return self._version(run).status not in BUSY


def _plain(size: tuple[int, int]) -> Image.Image:
    """A bench with nothing on it."""
    return Image.effect_noise(size, 30).convert("RGB")
