"""How fast the embedded engine answers DetectCustomLabels, what it spends the time on, what memory it takes.

`python -m benchmarks.engine_serving --help` lists what can be chosen.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import boto3
from PIL import Image

from local import embedded, scenes
from local.embedded import REGION, Running, stack_in
from local.engine.model_directory import version_directory
from local.engine.serving import child as serving_child
from portable import PortableModel
from portable.images import read, to_canvas
from tests.fixtures.engine import BUCKET, boxed

REQUESTS = 10_000
TRAINING_SECONDS = 15
SIZE = (640, 480)
TRAIN, TEST, ASKED = 40, 8, 16
ROUND = 100
"""Requests of one measurement; each is made three times and the median counts."""
LIMIT_PER_SECOND = 25
BUSY = 4
"""Concurrent clients."""


@dataclass(frozen=True)
class Speed:
    """What some requests to one version took."""

    seconds: float
    latencies: Sequence[float]

    @property
    def per_second(self) -> float:
        return len(self.latencies) / self.seconds

    def percentile(self, percent: int) -> float:
        """Milliseconds."""
        return 1000 * statistics.quantiles(self.latencies, n=100)[percent - 1]


class Serving:
    """Two versions of one project, trained on generated scenes, in an embedded stack."""

    def __init__(self, stack: Running) -> None:
        self._stack = stack
        self.server = stack.pid
        self._local = threading.local()
        self._engine = stack.home / "state" / "engine"
        self.images = [_jpeg(scene.image) for scene in scenes.detection_scenes(ASKED, seed=3)]
        self.project = self._with_datasets()

    @property
    def rekognition(self) -> Any:
        """The calling thread's own client."""
        if not hasattr(self._local, "client"):
            self._local.client = _client(self._stack, "rekognition")
        return self._local.client

    def trained(self, name: str) -> str:
        """The ARN of a new version."""
        output = {"S3Bucket": BUCKET, "S3KeyPrefix": name}
        asked = {"ProjectArn": self.project, "VersionName": name, "OutputConfig": output}
        arn: str = self.rekognition.create_project_version(**asked)["ProjectVersionArn"]
        self._wait("project_version_training_completed", name)
        return arn

    def start(self, arn: str) -> int:
        """Start a version; the id of the process that holds it."""
        before = set(_model_processes(self._stack))
        self.rekognition.start_project_version(ProjectVersionArn=arn, MinInferenceUnits=1)
        self._wait("project_version_running", arn.split("/")[3])
        (started,) = set(_model_processes(self._stack)) - before
        return started

    def model(self, arn: str) -> PortableModel:
        """The version's model, in this process."""
        return PortableModel.load(self.folder(arn))

    def folder(self, arn: str) -> Path:
        """The folder of the version's model."""
        return version_directory(self._engine, arn) / "model"

    def predict(self, arn: str) -> Callable[[bytes], Any]:
        """What the version's process does with an image's bytes, in this process."""
        return serving_child.load(version_directory(self._engine, arn))

    def ask(self, arn: str, requests: int, clients: int) -> Speed:
        """Send so many images, from so many clients at once."""

        def detect(image: bytes) -> float:
            began = time.perf_counter()
            self.rekognition.detect_custom_labels(ProjectVersionArn=arn, Image={"Bytes": image})
            return time.perf_counter() - began

        with ThreadPoolExecutor(clients) as pool:
            list(pool.map(detect, islice(cycle(self.images), 2 * clients)))  # connected and warm
            began = time.perf_counter()
            latencies = list(pool.map(detect, islice(cycle(self.images), requests)))
            return Speed(time.perf_counter() - began, latencies)

    def _with_datasets(self) -> str:
        s3 = _client(self._stack, "s3")
        s3.create_bucket(Bucket=BUCKET)
        arn: str = self.rekognition.create_project(ProjectName="serving")["ProjectArn"]
        for seed, (kind, count) in enumerate((("TRAIN", TRAIN), ("TEST", TEST)), start=1):
            lines = []
            for scene in scenes.detection_scenes(count, seed):
                s3.put_object(Bucket=BUCKET, Key=f"{scene.name}.jpg", Body=scene.jpeg())
                boxes = [(box.label, box.left, box.top, box.width, box.height) for box in scene.boxes]
                lines.append(boxed(f"{scene.name}.jpg", *boxes, size=scene.image.size))
            s3.put_object(Bucket=BUCKET, Key=kind, Body="\n".join(lines).encode())
            source = {"GroundTruthManifest": {"S3Object": {"Bucket": BUCKET, "Name": kind}}}
            self.rekognition.create_dataset(ProjectArn=arn, DatasetType=kind, DatasetSource=source)
        while "CREATE_IN_PROGRESS" in self._dataset_statuses():
            time.sleep(0.2)
        return arn

    def _dataset_statuses(self) -> set[str]:
        (project,) = self.rekognition.describe_projects()["ProjectDescriptions"]
        return {dataset["Status"] for dataset in project["Datasets"]}

    def _wait(self, waiter: str, name: str) -> None:
        waiting = self.rekognition.get_waiter(waiter)
        waiting.wait(
            ProjectArn=self.project, VersionNames=[name], WaiterConfig={"Delay": 1, "MaxAttempts": 900}
        )


def measure(requests: int = REQUESTS, training_seconds: int = TRAINING_SECONDS) -> None:
    """Everything about one running version, then beside a second one that is idle and that is busy."""
    variables = {"LABELLOOP_TRAINING_SECONDS": str(training_seconds)}
    with tempfile.TemporaryDirectory() as home, stack_in(Path(home), variables=variables) as stack:
        serving = Serving(stack)
        first, second = serving.trained("first"), serving.trained("second")
        process = serving.start(first)
        at_start = _resident(process)
        size = statistics.mean(map(len, serving.images)) / 1000
        print(f"JPEGs of {SIZE[0]} x {SIZE[1]}, {size:.0f} kB; limit {LIMIT_PER_SECOND} images/s")
        _alone(serving, first, process)
        _memory(serving, first, process, at_start, requests)
        _beside(serving, first, second)


def _alone(serving: Serving, arn: str, process: int) -> None:
    model, predict = serving.model(arn), serving.predict(arn)
    forward = _forward(model, serving.images)
    rounds = []
    # In turn, so that what else the machine does strikes all of them.
    for _ in range(3):
        rounds.append(
            (
                _milliseconds(forward),
                _milliseconds(lambda number: predict(serving.images[number % ASKED])),
                serving.ask(arn, ROUND, 1),
                serving.ask(arn, 2 * ROUND, BUSY),
            )
        )
    forwards, predicts, ones, many = zip(*rounds, strict=True)
    single, busy = _middle(ones), _middle(many)
    network, whole = statistics.median(forwards), statistics.median(predicts)
    _cold(serving.folder(arn), serving.images[0])
    canvas = model.facts.canvas
    print(f"  network alone:  {network:6.1f} ms, input {canvas.width} x {canvas.height}")
    print(f"  bytes to boxes: {whole:6.1f} ms, in the benchmark's process")
    for speed, clients in ((single, "1 client: "), (busy, f"{BUSY} clients:")):
        p50, p99 = speed.percentile(50), speed.percentile(99)
        print(f"  {clients}      {speed.per_second:6.1f} images/s, p50 {p50:.1f} ms, p99 {p99:.1f} ms")
    print(f"  API and client: {single.percentile(50) - whole:6.1f} ms of 1 client's p50")
    _processors(serving, arn, process)


def _processors(serving: Serving, arn: str, process: int) -> None:
    """Whose work a request is. Other programs hardly change these figures, as they do the others."""
    parts = {"model": process, "server": serving.server, "client": os.getpid()}
    before = {part: _processor_milliseconds(pid) for part, pid in parts.items()}
    serving.ask(arn, 2 * ROUND, BUSY)
    requests = 2 * ROUND + 2 * BUSY
    spent = {part: (_processor_milliseconds(pid) - before[part]) / requests for part, pid in parts.items()}
    print("  processor time: " + ", ".join(f"{part} {ms:.1f} ms" for part, ms in spent.items()))


def _memory(serving: Serving, arn: str, process: int, at_start: float, requests: int) -> None:
    before = _resident(process)
    speed = serving.ask(arn, requests, BUSY)
    after = _resident(process)
    print(f"  memory of the model's process: {at_start:.0f} MB at start, {before:.0f} MB after the above,")
    print(f"    {after:.0f} MB after {requests} more, at {speed.per_second:.1f} images/s")


def _beside(serving: Serving, first: str, second: str) -> None:
    alone = _middle([serving.ask(first, ROUND, BUSY) for _ in range(3)])
    serving.start(second)
    idle = _middle([serving.ask(first, ROUND, BUSY) for _ in range(3)])
    ended = threading.Event()
    other: list[float] = []

    def keep_busy() -> None:
        while not ended.is_set():
            other.append(serving.ask(second, ROUND // 4, BUSY).per_second)

    thread = threading.Thread(target=keep_busy)
    thread.start()
    busy = _middle([serving.ask(first, ROUND, BUSY) for _ in range(3)])
    ended.set()
    thread.join()
    print(f"  first version, {BUSY} clients: {alone.per_second:.1f} images/s alone,")
    print(f"    {idle.per_second:.1f} with a second one idle,")
    print(f"    {busy.per_second:.1f} with {BUSY} clients at the second one ({statistics.median(other):.1f})")


def _forward(model: PortableModel, images: Sequence[bytes]) -> Callable[[int], object]:
    """The first of the model's graphs on what `predict` gives it of an image."""
    canvas = model.facts.canvas
    pixels = [to_canvas(read(io.BytesIO(image))[0], canvas)[None] for image in images]
    return lambda number: model.graph.run(pixels[number % len(pixels)])


COLD = """
import time
began = time.process_time()
import sys
from pathlib import Path
folder, image = Path(sys.argv[2]), Path(sys.argv[3]).read_bytes()
if sys.argv[1] == "PyTorch":
    import io, torch
    torch.set_num_threads(1)
    from learning import Model
    model = Model.load(folder)
    predict = lambda: model.predict_file(io.BytesIO(image))
else:
    from portable import PortableModel
    model = PortableModel.load(folder)
    predict = lambda: model.predict(image)
loaded = time.process_time()
predict()
times = []
for _ in range(50):
    start = time.process_time()
    predict()
    times.append(time.process_time() - start)
lines = Path("/proc/self/status").read_text().splitlines()
memory = next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))
print(f"{loaded - began:.2f} s, then {1000 * sorted(times)[25]:.1f} ms an image; {memory:.0f} MB")
"""
"""A process that loads a model and answers, with one thread. It counts the processor's time."""


def _cold(folder: Path, image: bytes) -> None:
    """What a process of its own takes to import and load the model, and for an image, by both ways."""
    with tempfile.NamedTemporaryFile(suffix=".jpg") as file:
        file.write(image)
        file.flush()
        for runtime in ("PyTorch", "ONNX Runtime"):
            command = [sys.executable, "-c", COLD, runtime, str(folder), file.name]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            print(f"  imported and loaded, {runtime}: {done.stdout.strip()}")


def _milliseconds(work: Callable[[int], object]) -> float:
    """Median of a round."""
    times = []
    for number in range(ROUND // 2):
        began = time.perf_counter()
        work(number)
        times.append(time.perf_counter() - began)
    return 1000 * statistics.median(times)


def _middle(speeds: Sequence[Speed]) -> Speed:
    return sorted(speeds, key=lambda speed: speed.per_second)[len(speeds) // 2]


def _model_processes(stack: Running) -> list[int]:
    """Processes of the stack that hold a model."""
    processes = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            status, command = (path / "status").read_text(), (path / "cmdline").read_text()
        except OSError:
            continue
        if f"\nPPid:\t{stack.pid}\n" in status and "local.engine.serving.child" in command:
            processes.append(int(path.name))
    return processes


def _processor_milliseconds(process: int) -> float:
    """User and system time of all its threads, ended ones too."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return 1000 * (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident(process: int) -> float:
    """Megabytes."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


def _client(stack: Running, service: str) -> Any:
    return boto3.session.Session().client(  # pyrefly: ignore[no-matching-overload]
        service,
        endpoint_url=stack.endpoint,
        region_name=REGION,
        aws_access_key_id=embedded.ACCESS_KEY_ID,
        aws_secret_access_key=embedded.SECRET_ACCESS_KEY,
    )


def _jpeg(image: Image.Image) -> bytes:
    body = io.BytesIO()
    image.resize(SIZE).save(body, "JPEG", quality=90)
    return body.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine_serving", description=__doc__)
    parser.add_argument(
        "--requests", type=int, default=REQUESTS, help="how many between two looks at the memory"
    )
    parser.add_argument(
        "--training-seconds", type=int, default=TRAINING_SECONDS, help="for each of two versions"
    )
    arguments = parser.parse_args()
    measure(arguments.requests, arguments.training_seconds)


if __name__ == "__main__":
    main()
