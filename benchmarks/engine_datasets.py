"""How long the embedded engine takes for the largest dataset there may be, and what memory.

`python -m benchmarks.engine_datasets --lines 25000` measures a smaller one.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from local import embedded
from local.embedded import REGION, Running, stack_in
from local.engine.quotas import MAX_IMAGES
from tests.fixtures.engine import BUCKET, boxed

LABELS = 20
POLLS_PER_SECOND = 20


def measure(lines: int = MAX_IMAGES) -> None:
    """A dataset of so many lines with two boxes each: created, listed, distributed, asked to be trained on.

    Who asks may read all images but one, so that every image's permission is looked at and none is fetched.
    """
    with tempfile.TemporaryDirectory() as home, stack_in(Path(home)) as stack:
        root = {
            "aws_access_key_id": embedded.ACCESS_KEY_ID,
            "aws_secret_access_key": embedded.SECRET_ACCESS_KEY,
        }
        s3 = _client(stack, "s3", root)
        s3.create_bucket(Bucket=BUCKET)
        rekognition = _client(stack, "rekognition", _user(stack, root))
        manifest = _manifest(lines)
        s3.put_object(Bucket=BUCKET, Key="all.manifest", Body=manifest)
        print(f"{lines} lines, {LABELS} labels, {len(manifest) / 1e6:.0f} MB")
        project = rekognition.create_project(ProjectName="large")["ProjectArn"]
        training, testing = _created(stack, rekognition, project)
        _listed(rekognition, training)
        _distributed(stack, rekognition, training, testing)
        _asked_to_train(stack, rekognition, s3, project)
        print(f"  memory of the server: {_peak(stack):.0f} MB at most")


def _created(stack: Running, rekognition: Any, project: str) -> tuple[str, str]:
    source = {"GroundTruthManifest": {"S3Object": {"Bucket": BUCKET, "Name": "all.manifest"}}}
    with _timed("CreateDataset answers:  "):
        training = rekognition.create_dataset(ProjectArn=project, DatasetType="TRAIN", DatasetSource=source)
    testing = rekognition.create_dataset(ProjectArn=project, DatasetType="TEST")
    with _timed("  and is complete after:"):
        _until_done(rekognition, training["DatasetArn"])
    print(f"  memory of the server: {_peak(stack):.0f} MB at most")
    return training["DatasetArn"], testing["DatasetArn"]


def _listed(rekognition: Any, dataset: str) -> None:
    with _timed("ListDatasetEntries, a page of a label:"):
        page = rekognition.list_dataset_entries(DatasetArn=dataset, ContainsLabels=["label 7"])
    with _timed("  and of the same with a text in its source-ref, which only the last has:"):
        rekognition.list_dataset_entries(
            DatasetArn=dataset, ContainsLabels=["label 7", "label 8"], SourceRefContains="the-last"
        )
    assert len(page["DatasetEntries"]) == 100


def _distributed(stack: Running, rekognition: Any, training: str, testing: str) -> None:
    with _timed("DistributeDatasetEntries is complete after:"):
        rekognition.distribute_dataset_entries(Datasets=[{"Arn": training}, {"Arn": testing}])
        _until_done(rekognition, training)
    print(f"  memory of the server: {_peak(stack):.0f} MB at most")


def _asked_to_train(stack: Running, rekognition: Any, s3: Any, project: str) -> None:
    idle = _latencies(s3, threading.Event(), 1.0)
    ended, meanwhile = threading.Event(), list[float]()
    watcher = threading.Thread(target=lambda: meanwhile.extend(_latencies(s3, ended, 600.0)))
    watcher.start()
    with _timed("CreateProjectVersion answers:"):
        output = {"S3Bucket": BUCKET, "S3KeyPrefix": "out"}
        rekognition.create_project_version(ProjectArn=project, VersionName="v1", OutputConfig=output)
    ended.set()
    watcher.join()
    busy, before = 1000 * statistics.median(meanwhile), 1000 * statistics.median(idle)
    print(f"  an object of S3 meanwhile: {busy:.0f} ms, {before:.0f} ms before (medians)")
    with _timed("  and the training has looked at all lines and permissions after:"):
        while (version := _version(rekognition, project))["Status"] == "TRAINING_IN_PROGRESS":
            time.sleep(1 / POLLS_PER_SECOND)
    assert "permissions for the images S3 bucket are invalid" in version["StatusMessage"], version


def _version(rekognition: Any, project: str) -> dict[str, Any]:
    versions = rekognition.describe_project_versions(ProjectArn=project)["ProjectVersionDescriptions"]
    return dict(versions[0])


def _latencies(s3: Any, ended: threading.Event, seconds: float) -> list[float]:
    """Of small requests to S3, one after the other until the event is set or the time is over."""
    times: list[float] = []
    deadline = time.monotonic() + seconds
    while not times or (not ended.is_set() and time.monotonic() < deadline):
        began = time.perf_counter()
        s3.head_object(Bucket=BUCKET, Key="all.manifest")
        times.append(time.perf_counter() - began)
    return times


def _until_done(rekognition: Any, dataset: str) -> None:
    while (description := rekognition.describe_dataset(DatasetArn=dataset)["DatasetDescription"])[
        "Status"
    ].endswith("_IN_PROGRESS"):
        time.sleep(1 / POLLS_PER_SECOND)
    assert description["Status"].endswith("_COMPLETE"), description


@contextmanager
def _timed(what: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    print(f"  {what} {time.perf_counter() - began:.2f} s", flush=True)


def _manifest(lines: int) -> bytes:
    def line(number: int) -> str:
        key = "images/the-last.jpg" if number == lines - 1 else f"images/{number:06}.jpg"
        boxes = [(f"label {(number * turn) % LABELS}", 10 * turn, 5, 40, 30) for turn in (1, 3)]
        return boxed(key, *boxes, size=(640, 480))

    return "\n".join(map(line, range(lines))).encode()


def _user(stack: Running, root: dict[str, str]) -> dict[str, str]:
    """Credentials of one who may read everything but the last image."""
    iam = _client(stack, "iam", root)
    iam.create_user(UserName="bench")
    last = f"arn:aws:s3:::{BUCKET}/images/the-last.jpg"
    statements = [
        {"Effect": "Allow", "Action": ["rekognition:*", "s3:*"], "Resource": "*"},
        {"Effect": "Deny", "Action": "s3:GetObject", "Resource": last},
    ]
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    iam.put_user_policy(UserName="bench", PolicyName="all", PolicyDocument=document)
    key = iam.create_access_key(UserName="bench")["AccessKey"]
    return {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}


def _client(stack: Running, service: str, credentials: dict[str, str]) -> Any:
    return boto3.session.Session().client(  # pyrefly: ignore[no-matching-overload]
        service,
        endpoint_url=stack.endpoint,
        region_name=REGION,
        config=Config(read_timeout=600, retries={"total_max_attempts": 1}),
        **credentials,
    )


def _peak(stack: Running) -> float:
    """Megabytes."""
    lines = Path(f"/proc/{stack.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine_datasets", description=__doc__)
    parser.add_argument("--lines", type=int, default=MAX_IMAGES)
    measure(parser.parse_args().lines)


if __name__ == "__main__":
    main()
