"""A batch of 5,000 images, beside four threads that ask DetectCustomLabels, and AWS's sample of batches.

The sample puts the event of each image into an SQS queue, from which a function takes them one by one: one
message and one call of a function for each image. Here that is measured as calls of the deployed worker with
parts of one image each. https://github.com/aws-samples/amazon-rekognition-custom-labels-batch-image-processing
"""

from __future__ import annotations

import io
import itertools
import json
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from PIL import Image

from benchmarks.embedded_stack import deployed
from lambdas.domain.batch import control, files
from lambdas.domain.batch.control import Order
from lambdas.domain.batch.files import InputLine
from lambdas.domain.shared import clock
from lambdas.domain.shared.annotation import Box
from lambdas.domain.shared.manifests import detection_entry, entry_line
from lambdas.domain.shared.records import Batch, Hold, ModelVersion
from local import scenes
from tests.fixtures.deployed_loop import Loop

IMAGES = 5_000
CLIENTS = 4
ALONE = 200
"""Images of the pattern of one call for each."""
TRAIN, TEST = 40, 8
LIMIT_PERCENT = 80
VERSION = "bench"
TIMEOUT_SECONDS = 3600.0


@dataclass(frozen=True)
class Speed:
    """What some images took."""

    images: int
    seconds: float

    @property
    def per_second(self) -> float:
        return self.images / self.seconds


class Batches:
    """A deployment with a champion that runs, and images to ask it about."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self._local = threading.local()
        self.machine = loop.outputs["BatchMachineArn"]

    @property
    def rekognition(self) -> Any:
        """The calling thread's own client."""
        if not hasattr(self._local, "client"):
            self._local.client = self.loop.client("rekognition")
        return self._local.client

    def prepare(self) -> str:
        """Train a version and make it the champion, without a run: its ARN."""
        project = self.loop.outputs["ProjectArn"]
        for seed, (kind, count) in enumerate((("TRAIN", TRAIN), ("TEST", TEST)), start=1):
            self._dataset(project, kind, scenes.detection_scenes(count, seed))
        asked = {"OutputConfig": {"S3Bucket": self.loop.bucket, "S3KeyPrefix": "training/bench"}}
        made = self.rekognition.create_project_version(ProjectArn=project, VersionName=VERSION, **asked)
        arn: str = made["ProjectVersionArn"]
        self._wait("project_version_training_completed")
        self.start(arn)
        state = self.loop.loop_state.fenced()
        state.update_version(ModelVersion(VERSION, arn=arn, state="champion", created_at=clock.now()))
        state.switch_champion(None, arn, VERSION)
        return arn

    def start(self, arn: str) -> None:
        """Start the version, and wait until it runs."""
        self.rekognition.start_project_version(ProjectVersionArn=arn, MinInferenceUnits=1)
        self._wait("project_version_running")

    def _wait(self, waiter: str) -> None:
        project = self.loop.outputs["ProjectArn"]
        self.rekognition.get_waiter(waiter).wait(
            ProjectArn=project, VersionNames=[VERSION], WaiterConfig={"Delay": 1, "MaxAttempts": 900}
        )

    def _dataset(self, project: str, kind: str, pictures: Any) -> None:
        lines = []
        for scene in pictures:
            key = f"datasets/bench/{kind}/{scene.name}.jpg"
            self.loop.put(key, scene.jpeg())
            boxes = [Box(box.label, box.left, box.top, box.width, box.height) for box in scene.boxes]
            size = {"width": scene.image.width, "height": scene.image.height}
            entry = detection_entry(
                self.loop.bucket, key, boxes=boxes, changed_at="2026-01-01T00:00:00.000000Z", **size
            )
            lines.append(entry_line(entry))
        manifest = f"datasets/bench/{kind}.manifest"
        self.loop.put(manifest, "\n".join(lines).encode())
        source = {"S3Object": {"Bucket": self.loop.bucket, "Name": manifest}}
        made = self.rekognition.create_dataset(
            ProjectArn=project, DatasetType=kind, DatasetSource={"GroundTruthManifest": source}
        )
        while self._status(made["DatasetArn"]) == "CREATE_IN_PROGRESS":
            time.sleep(0.2)

    def _status(self, dataset: str) -> str:
        described = self.rekognition.describe_dataset(DatasetArn=dataset)
        return str(described["DatasetDescription"]["Status"])

    def put_images(self, count: int) -> list[str]:
        """Put images into the bucket: their keys."""
        named = list(_pictures(count))
        with ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(lambda image: self.loop.put(*image), named))
        return [key for key, _ in named]

    def put_input(self, name: str, keys: list[str], part_lines: int = files.PART_LINES) -> Order:
        """Write the input of a batch: its order."""
        lines = (InputLine(str(number), self.loop.bucket, key) for number, key in enumerate(keys))
        for number, part in enumerate(_chunks(lines, part_lines)):
            self.loop.put(files.input_key(name, number), files.as_text(part).encode())
        return Order(name, source="benchmark", total=len(keys))

    def begin(self, order: Order) -> str:
        """Start a batch: its execution."""
        return control.start(self.loop.stepfunctions, self.machine, order)

    def end(self, name: str) -> Batch:
        """The batch once it has ended."""
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while (batch := self.loop.loop_state.batch(name)) is None or not batch.ended_at:
            if time.monotonic() > deadline:
                raise TimeoutError(f"the batch does not end: {batch}")
            time.sleep(0.5)
        return batch

    def direct(self, arn: str, keys: list[str]) -> Speed:
        """Ask about images by CLIENTS threads that call DetectCustomLabels."""

        def detect(key: str) -> None:
            image = {"S3Object": {"Bucket": self.loop.bucket, "Name": key}}
            self.rekognition.detect_custom_labels(ProjectVersionArn=arn, Image=image)

        return Speed(len(keys), _timed(detect, keys))

    def one_by_one(self, name: str, keys: list[str]) -> Speed:
        """Ask about images by one call of the worker for each, CLIENTS at a time."""
        order = self.put_input(name, keys, 1)
        function = self.loop.resource("AWS::Lambda::Function", "BatchAnswerPartFunction")
        execution = self._held(order)

        def call(number: int) -> None:
            event = {"batch": name, "execution": execution, "part": files.input_key(name, number)}
            answer = self._functions.invoke(FunctionName=function, Payload=json.dumps(event).encode())
            assert "FunctionError" not in answer, answer["Payload"].read()

        return Speed(len(keys), _timed(call, range(len(keys))))

    def _held(self, order: Order) -> str:
        """Put a batch on record that no execution works on: the name that stands for one."""
        champion = self.loop.loop_state.champion()
        assert champion is not None
        record = Batch(
            order.batch,
            version=VERSION,
            version_arn=champion.version_arn,
            state="running",
            total=order.total,
            created_at=clock.now(),
            execution_arn=order.batch,
        )
        hold = Hold(order.batch, VERSION, champion.version_arn, order.batch, clock.now())
        assert self.loop.loop_state.begin_batch(record, hold, None)
        return order.batch

    @property
    def _functions(self) -> Any:
        if not hasattr(self._local, "functions"):
            self._local.functions = self.loop.client("lambda")
        return self._local.functions

    def check(self, name: str, total: int) -> None:
        """Make sure that each image has one line."""
        ids = [
            line.id
            for number in range(-(-total // files.PART_LINES))
            for line in files.result_lines(self._results(name, number))
        ]
        assert ids == [str(number) for number in range(total)], f"{len(ids)} lines of {len(set(ids))} images"

    def _results(self, name: str, number: int) -> str:
        key = files.result_key(name, files.input_key(name, number))
        return str(self.loop.s3.get_object(Bucket=self.loop.bucket, Key=key)["Body"].read().decode())


def _pictures(count: int) -> Iterator[tuple[str, bytes]]:
    """Keys and JPEGs of some 200 kB that differ in a short comment, as cameras write one at the beginning."""
    body = io.BytesIO()
    Image.effect_noise((720, 540), 60).convert("RGB").save(body, "JPEG", quality=75)
    picture = body.getvalue()
    for number in range(count):
        comment = f"{number:08d}".encode()
        segment = b"\xff\xfe" + struct.pack(">H", len(comment) + 2) + comment
        yield f"pictures/{number:05d}.jpg", picture[:2] + segment + picture[2:]


def _chunks(lines: Iterator[InputLine], size: int) -> Iterator[list[InputLine]]:
    while part := list(itertools.islice(lines, size)):
        yield part


def _timed(work: Callable[[Any], None], items: Any) -> float:
    with ThreadPoolExecutor(CLIENTS) as pool:
        began = time.perf_counter()
        list(pool.map(work, items))
        return time.perf_counter() - began


def measure(images: int = IMAGES) -> None:
    """The batch, between two halves of the direct calls, so that what else the machine does strikes both."""
    context = {"serving_policy": "always", "min_new_images": "100000"}
    with deployed("batches", context) as loop:
        bench = Batches(loop)
        arn = bench.prepare()
        keys = bench.put_images(images)
        bench.direct(arn, keys[:40])  # connected and warm
        half = max(len(keys) // 4, 1)
        first = bench.direct(arn, keys[:half])
        began = time.perf_counter()
        bench.begin(bench.put_input("night", keys))
        batch = bench.end("night")
        whole = Speed(images, time.perf_counter() - began)
        second = bench.direct(arn, keys[:half])
        bench.check("night", images)
        single = bench.one_by_one("single", keys[:ALONE])
    direct = Speed(2 * half, first.seconds + second.seconds)
    percent = 100 * whole.per_second / direct.per_second
    print(f"{images} images of 200 kB, one inference unit; limit {LIMIT_PERCENT} percent of direct calls")
    print(f"  {CLIENTS} threads, direct calls: {direct.per_second:6.1f} images/s")
    print(f"  a batch, from its start to its end: {whole.per_second:6.1f} images/s, {percent:.0f} percent")
    print(f"  one call of a function for each: {single.per_second:6.1f} images/s ({ALONE} images)")
    print(f"  {batch.state}: {batch.answered} answered, {batch.failed} failed; each image has one line")


if __name__ == "__main__":
    measure(int(sys.argv[1]) if len(sys.argv) > 1 else IMAGES)
