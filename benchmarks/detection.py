"""What the detection API adds to the engine's own answers, with one client and with four.

`python -m benchmarks.detection 40` makes fewer requests. Processor time tells more than the clock where the
machine has other work.
"""

from __future__ import annotations

import io
import os
import statistics
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from pathlib import Path

from PIL import Image

from benchmarks.embedded_stack import deployed
from labelloop.client import Client, Retries
from lambdas.domain.applications.directory import MAX_RATE, Directory
from lambdas.domain.shared.pricing import PRICES, USAGE_PRICES, Usage
from local.scenes import detection_scenes
from tests.fixtures.deployed_loop import Loop, until

CONTEXT = {
    "serving_policy": "always",  # a version must not fall asleep between two rounds
    "min_new_images": "100000",
    "min_f1": "0",
    "min_label_f1": "0",
    "min_test_images_per_label": "1",
    "shadow_test_images": "2",
    "f1_margin": "1",
    # What goes to review is work of other functions, on the same processors.
    "review_confidence_threshold": "0",
    "review_min_confidence": "100",
    "review_sample_rate": "0",
}
TRAINED, ASKED = 30, 16
STEPS = "40"
"""Of the training: what the model is worth does not matter, and it answers as quickly."""
RUN_SECONDS = 1800
"""That the run may take, on a machine with other work."""
ROUNDS, REQUESTS = 3, 100
"""Each way in turn, so that what else the machine does strikes both; the middle round counts."""
BUSY = 4
ADDED_LIMIT_MS, SHARE_LIMIT = 15, 0.8

CALLS = {"PutObject": 1.0, "PutItem": 3.0, "UpdateItem": 0.1, "DetectCustomLabels": 1.0}
"""What a detection asks of AWS where a function answers ten a second: its image is stored, its idempotency
key taken, the champion asked, the answer kept, and how it looks; requests are counted once a second."""
INDEX_WRITES = 1.0
"""Of the index that gives answers of ten minutes (infra/drift.py)."""
DYNAMODB_WRITE_USD = 0.625 / 1e6
"""Of up to 1 kB: https://aws.amazon.com/dynamodb/pricing/on-demand/"""
API_REQUEST_USD = 1.0 / 1e6
"""Of an HTTP API, up to 512 kB: https://aws.amazon.com/api-gateway/pricing/"""
MEMORY_GB = 1769 / 1024
"""Of the function (infra/applications.py)."""
UNIT_RATE = 1.0
"""Images that an inference unit answers in a second. AWS names no figure; see docs/batches.md."""
MILLION = 1_000_000

Ask = Callable[[bytes], object]


def measure(requests: int = REQUESTS) -> None:
    with deployed("detection", CONTEXT, {"LABELLOOP_TRAINING_STEPS": STEPS}) as loop:
        arn = _champion(loop)
        scenes = list(detection_scenes(ASKED, seed=3))
        kinds = {
            "small pictures": [scene.jpeg() for scene in scenes],
            "photographs of 1,600 x 1,200": [_photograph(scene.image) for scene in scenes],
        }
        with _client(loop) as client:
            direct, through = _direct(loop, arn), client.detect
            for name, images in kinds.items():
                size = statistics.mean(map(len, images)) / 1000
                print(f"{name}, JPEGs of {size:.0f} kB, functions warm, no image goes to review")
                for ask in (direct, through):
                    _latencies(ask, images, 2 * BUSY, BUSY)
                _one_client(direct, through, images, requests)
                _many_clients(direct, through, images, requests)
                _processors(loop, direct, through, images, requests)
    print_costs()


def print_costs() -> None:
    """What a million detections cost on AWS by the price table: arithmetic, nothing of this has run there."""
    writes = CALLS["PutItem"] + CALLS["UpdateItem"] + INDEX_WRITES
    usage = Usage(
        function_requests=MILLION,
        function_gb_seconds=MILLION / UNIT_RATE * MEMORY_GB,
        s3_puts=MILLION * CALLS["PutObject"],
    )
    parts = USAGE_PRICES.usd(usage)
    costs = {
        "API Gateway": MILLION * API_REQUEST_USD,
        "function": parts["functions"],
        "S3": parts["s3"],
        "DynamoDB": MILLION * writes * DYNAMODB_WRITE_USD,
    }
    listed = ", ".join(f"{name} {usd:.2f}" for name, usd in costs.items())
    unit = MILLION / UNIT_RATE / 3600 * PRICES["us-east-1"].inference_per_unit_hour
    calls = ", ".join(f"{number:g} {name}" for name, number in CALLS.items())
    print(f"calls of AWS for a detection: {calls}")
    print(f"  a million on AWS, USD: {listed}; beside the unit's {unit:.2f} at {UNIT_RATE:g} images/s")


def _one_client(direct: Ask, through: Ask, images: list[bytes], requests: int) -> None:
    rounds = [(_p50(direct, images, requests), _p50(through, images, requests)) for _ in range(ROUNDS)]
    own, whole = sorted(rounds, key=lambda both: both[1] - both[0])[ROUNDS // 2]
    print(f"1 client, p50 of {requests} images; limit {ADDED_LIMIT_MS} ms more")
    print(f"  DetectCustomLabels {own:.1f} ms, API {whole:.1f} ms: {whole - own:.1f} ms more")


def _many_clients(direct: Ask, through: Ask, images: list[bytes], requests: int) -> None:
    rounds = [(_rate(direct, images, requests), _rate(through, images, requests)) for _ in range(ROUNDS)]
    own, whole = sorted(rounds, key=lambda both: both[1] / both[0])[ROUNDS // 2]
    print(
        f"{BUSY} clients, {2 * requests} images;"
        f" limit {SHARE_LIMIT:.0%} of {BUSY} threads that call DetectCustomLabels"
    )
    print(f"  DetectCustomLabels {own:.1f} images/s, API {whole:.1f} images/s: {whole / own:.0%}")


def _processors(loop: Loop, direct: Ask, through: Ask, images: list[bytes], requests: int) -> None:
    print(
        f"processor time of a request, one client, {requests} images, ms; what the stack does by itself too"
    )
    for name, ask in (("DetectCustomLabels", direct), ("API", through)):
        before = _spent(loop.stack.pid)
        _latencies(ask, images, requests, 1)
        after = _spent(loop.stack.pid)
        spent = {what: 1000 * (after[what] - before[what]) / requests for what in after}
        parts = ", ".join(f"{what} {milliseconds:.1f}" for what, milliseconds in spent.items())
        print(f"  {name} {sum(spent.values()):.1f}: {parts}")


def _spent(server: int) -> dict[str, float]:
    """Seconds of processors that the client, the stack's server, its functions and the model have had."""
    spent = {"client": sum(os.times()[:2]), "server": 0.0, "functions": 0.0, "model": 0.0}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            facts = (process / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended
        parent, group = int(facts[1]), int(facts[2])
        if server in (parent, group):
            # Models and trainings have groups of their own.
            what = "server" if process.name == str(server) else "functions" if group == server else "model"
            spent[what] += (int(facts[11]) + int(facts[12])) / os.sysconf("SC_CLK_TCK")
    return spent


def _p50(ask: Ask, images: list[bytes], requests: int) -> float:
    """Milliseconds."""
    return 1000 * statistics.median(_latencies(ask, images, requests, 1))


def _rate(ask: Ask, images: list[bytes], requests: int) -> float:
    """Images a second."""
    began = time.perf_counter()
    _latencies(ask, images, 2 * requests, BUSY)
    return 2 * requests / (time.perf_counter() - began)


def _latencies(ask: Ask, images: list[bytes], requests: int, clients: int) -> list[float]:
    """Seconds of each request."""

    def timed(image: bytes) -> float:
        began = time.perf_counter()
        ask(image)
        return time.perf_counter() - began

    with ThreadPoolExecutor(clients) as pool:
        return list(pool.map(timed, islice(cycle(images), requests)))


# What is asked


def _photograph(picture: Image.Image) -> bytes:
    """It as large as a camera's, and with a camera's noise."""
    large = picture.resize((1600, 1200))
    noise = Image.effect_noise(large.size, 20).convert("RGB")
    file = io.BytesIO()
    Image.blend(large, noise, 0.1).save(file, "JPEG", quality=85)
    return file.getvalue()


def _champion(loop: Loop) -> str:
    """The ARN of a version that serves."""
    loop.drop_by_manifest(detection_scenes(TRAINED, seed=1), "scenes")
    until(lambda: len(loop.images()) == TRAINED, 300, "the images are registered")
    loop.start("RetrainMachineArn", "champion", {"trigger": "manual", "force": True})
    run = loop.run("champion", RUN_SECONDS)
    assert run.outcome == "promoted", run.reason
    champion = loop.loop_state.champion()
    assert champion
    return champion.version_arn


def _direct(loop: Loop, arn: str) -> Ask:
    """DetectCustomLabels, with a client for each thread."""
    own = threading.local()

    def ask(image: bytes) -> object:
        if not hasattr(own, "client"):
            own.client = loop.client("rekognition")
        return own.client.detect_custom_labels(ProjectVersionArn=arn, Image={"Bytes": image})

    return ask


def _client(loop: Loop) -> Client:
    """A client for a new application, which fails rather than tries again."""
    directory = Directory(
        loop.client("cognito-idp"), loop._table("ApplicationsTable"), loop.outputs["UserPoolId"]
    )
    credentials = directory.add("benchmark", MAX_RATE)
    return Client(
        loop.outputs["DetectionApiAddress"],
        token_url=loop.outputs["TokenAddress"],
        client_id=credentials.client_id,
        client_secret=credentials.client_secret,
        retries=Retries(0),
    )


if __name__ == "__main__":
    measure(int(sys.argv[1]) if len(sys.argv) > 1 else REQUESTS)
