"""The serving function of the engine `serverless`: a cold start, an answer, and what 1,000 a day cost.

A process with the function's own asset and nothing else imports it, loads a model and answers, with one
thread. The models have learned nothing, and so look for as much as the learned ones at least: a detector with
a second stage, whose 32 crops are all classified, and one without. What Lambda itself takes to start an
environment, and S3 to give model and image, come beside it in AWS. Seconds are the processor's, which do not
depend on what else the machine does.

Prices are those of lambdas/domain/shared/pricing.py.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from infra import lambda_asset
from lambdas.domain.shared import pricing
from lambdas.domain.shared.tuning import Tuning

ANSWERS = 30
STARTS = 5
A_DAY, DAYS = 1000, 30
_CHILD = """
import sys, time
began = time.process_time()
from serving import function
from portable import PortableModel
from pathlib import Path
model = PortableModel.load(Path(sys.argv[1]))
ready = time.process_time() - began
image = Path(sys.argv[2]).read_bytes()
times = []
for _ in range(int(sys.argv[3])):
    began = time.process_time()
    function._labels(model, image, 0)
    times.append(time.process_time() - began)
import json, resource
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"ready": ready, "first": times[0], "times": times[1:], "mb": peak}))
"""


def measure() -> None:
    """Print the figures."""
    asset = lambda_asset.build_serving(lambda_asset.HERE)
    with tempfile.TemporaryDirectory() as folder:
        image = _image(Path(folder) / "image.jpg")
        for name, facts in _kinds().items():
            model = Path(folder) / name.replace(" ", "-").replace(",", "")
            _export(facts, model)
            started = [_child(asset, model, image, ANSWERS if not number else 1) for number in range(STARTS)]
            ready = statistics.median(each["ready"] for each in started)
            warm = statistics.median(started[0]["times"])
            print(
                f"{name}: import and model load {ready:.2f} s cold, first answer"
                f" {statistics.median(each['first'] for each in started):.3f} s, warm {1000 * warm:.0f} ms,"
                f" {started[0]['mb']:.0f} MB"
            )
            print(_costs(warm))


def _costs(warm_seconds: float) -> str:
    count = A_DAY * DAYS
    usd = pricing.serving_usd(count, count * warm_seconds)
    always = pricing.prices("us-east-1", Tuning()).inference_usd(24 * DAYS * 3600, 1)
    return (
        f"  {A_DAY} detections a day for {DAYS} days: {usd:.2f} USD; one inference unit of Rekognition always"
        f" on: {always:.0f} USD"
    )


def _child(asset: Path, model: Path, image: Path, answers: int) -> dict[str, Any]:
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(asset),
        "OMP_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [sys.executable, "-S", "-c", _CHILD, str(model), str(image), str(answers)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, cwd="/")
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured


def _image(path: Path) -> Path:
    import numpy as np  # noqa: PLC0415 as torch, of the engine's packages
    from PIL import Image  # noqa: PLC0415

    pixels = np.random.default_rng(1).integers(0, 255, (75, 100, 3), np.uint8)
    Image.fromarray(pixels).resize((1600, 1200)).save(path, quality=90)
    return path


def _kinds() -> dict[str, Any]:
    from learning.model import Facts  # noqa: PLC0415 a large import
    from portable.facts import SecondStage  # noqa: PLC0415
    from portable.images import Canvas  # noqa: PLC0415

    stage = SecondStage(64, 1024)
    labels = tuple(f"label-{number}" for number in range(10))
    return {
        "detector from nothing": Facts("detection", labels, Canvas(480, 352), False, 8, 1, 1.0, 1),
        "detector from nothing, second stage": Facts(
            "detection", labels, Canvas(480, 352), False, 8, 1, 1.0, 1, second_stage=stage
        ),
        "detector on the trunk, second stage": Facts(
            "detection", labels, Canvas(480, 352), False, 8, 1, 1.0, 1, second_stage=stage, pretrained=True
        ),
        "classifier on the trunk": Facts(
            "classification", labels, Canvas(288, 224), True, 0, 1, 1.0, 1, pretrained=True
        ),
    }


def _export(facts: Any, folder: Path) -> None:
    import torch  # noqa: PLC0415 a large import

    from learning.export import export  # noqa: PLC0415
    from learning.model import Model, networks_for  # noqa: PLC0415

    torch.manual_seed(3)
    export(Model(facts, *networks_for(facts)), folder)


if __name__ == "__main__":
    measure()
