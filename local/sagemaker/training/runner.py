"""Runs training jobs: data fetched with the job's role, a script in a child process, what it leaves put away.

The folders are those of a container, below a folder of the job:
https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html
"""

from __future__ import annotations

import io
import json
import logging
import os
import queue
import shutil
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local.engine import children
from local.sagemaker.host import AccessError, Host, Objects
from local.sagemaker.store import Resource
from local.sagemaker.training.container import CONNECTED, ISOLATED
from local.sagemaker.workers.queue import bucket_and_key

logger = logging.getLogger("labelloop.training_jobs")

LOOK_SECONDS = 0.2
INTERRUPTED = "Interrupted"
"""The secondary status of a job whose spot machine was taken away: SecondaryStatus in the API's model."""
SPOT_VARIABLE = "LABELLOOP_SPOT_SECONDS"
"""The variable that has every job's first spot machine taken away after so many seconds of training."""
CONTAINER = "/opt/ml/"
"""Where a container has its folders; here each job has its own."""
CHECKPOINTS = "/opt/ml/checkpoints"
"""Unless a job names another folder: CheckpointConfig in the API's model."""
LEARNING = ("LABELLOOP_TRAINING_STEPS", "LABELLOOP_PRETRAINED")
"""Variables of the embedded stack that say how it learns, in training jobs as well."""
_ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Outcome:
    """How far a job is: its status, its secondary status, and what else is to be noted."""

    status: str
    secondary: str
    facts: Mapping[str, Any] = field(default_factory=dict)


class JobFailedError(Exception):
    """The job has failed; the message is its FailureReason."""


class Runner:
    """Runs jobs one after the other.

    Args:
        note: writes down what has become of a job.
    """

    def __init__(self, host: Host, folder: Path, note: Callable[[Resource, Outcome], None]) -> None:
        self._host, self._folder, self._note = host, folder, note
        self._waiting: queue.Queue[Resource | None] = queue.Queue()
        self._stopped: set[str] = set()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def submit(self, job: Resource) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="training-jobs", daemon=True)
            self._thread.start()
        self._waiting.put(job)

    def stop(self, job: Resource) -> None:
        self._stopped.add(job.arn)

    def close(self) -> None:
        self._ended.set()
        self._waiting.put(None)
        if self._thread:
            self._thread.join(10)

    def _work(self) -> None:
        while (job := self._waiting.get()) is not None and not self._ended.is_set():
            try:
                self._run(job)
            except Exception as error:
                logger.exception("training job %s", job.name)
                self._end(job, "Failed", f"InternalServerError: the emulation failed: {error!r}")

    def _run(self, job: Resource) -> None:
        folder = self._folder / job.name
        shutil.rmtree(folder, ignore_errors=True)
        request = job.body["request"]
        try:
            objects = self._host.objects(request["RoleArn"], job.region)
            secondary = self._attempt(job, objects, folder, _spot_seconds(request))
            if secondary == INTERRUPTED:
                # Another machine, which finds what the first has kept, and no more.
                self._note(job, Outcome("InProgress", INTERRUPTED))
                shutil.rmtree(folder / "ml")
                secondary = self._attempt(job, objects, folder)
            self._note(job, Outcome("InProgress", "Uploading"))
            artifacts = _put_away(job, objects, folder / "ml")
            status = "Completed" if secondary == "Completed" else "Stopped"
            facts = {"artifacts": artifacts, "ended": time.time()}
            self._note(job, Outcome(status, secondary, facts))
        except (AccessError, ValueError) as error:
            self._end(job, "Failed", f"ClientError: {error}")
        except JobFailedError as error:
            self._end(job, "Failed", str(error))
        finally:
            shutil.rmtree(folder / "ml", ignore_errors=True)

    def _attempt(
        self, job: Resource, objects: Objects, folder: Path, spot_seconds: float | None = None
    ) -> str:
        """Run the job on one machine: the secondary status that it comes to."""
        request = job.body["request"]
        self._note(job, Outcome("InProgress", "Downloading"))
        _fetch(request, objects, folder / "ml")
        self._note(job, Outcome("InProgress", "Training", {"began": time.time()}))
        try:
            return self._train(job, folder, spot_seconds)
        finally:
            _keep_checkpoints(request, objects, folder / "ml")

    def _end(self, job: Resource, status: str, reason: str) -> None:
        facts = {"failure_reason": reason[:1024], "ended": time.time()}
        self._note(job, Outcome(status, status, facts))

    def _train(self, job: Resource, folder: Path, spot_seconds: float | None) -> str:
        """Run the script to its end: the secondary status that it comes to.

        Args:
            spot_seconds: after which the machine is taken away; None: it is not.

        Raises:
            JobFailedError: the script has failed.
        """
        request, log = job.body["request"], folder / "training.log"
        child = _started(job, folder / "ml", log)
        began = time.monotonic()
        until = began + request["StoppingCondition"].get("MaxRuntimeInSeconds", 86_400)
        try:
            while child.poll() is None:
                if self._ended.is_set():
                    raise JobFailedError("InternalServerError: the embedded stack was ended")
                if job.arn in self._stopped:
                    return "Stopped"
                if time.monotonic() > until:
                    return "MaxRuntimeExceeded"
                if spot_seconds is not None and time.monotonic() > began + spot_seconds:
                    return INTERRUPTED
                try:
                    child.wait(LOOK_SECONDS)
                except subprocess.TimeoutExpired:
                    continue
        finally:
            code = children.end(child, seconds=0.5)
        if code != 0:
            failure = folder / "ml" / "output" / "failure"
            why = failure.read_text(errors="replace") if failure.exists() else children.last_words(log)
            raise JobFailedError(f"AlgorithmError: {why.strip()}, exit code: {code}")
        return "Completed"


def _spot_seconds(request: Mapping[str, Any]) -> float | None:
    seconds = os.environ.get(SPOT_VARIABLE)
    return float(seconds) if seconds and request.get("EnableManagedSpotTraining") else None


def _started(job: Resource, ml: Path, log: Path) -> subprocess.Popen[bytes]:
    request = job.body["request"]
    parameters = {name: json.loads(value) for name, value in request["HyperParameters"].items()}
    program = _placed(ml / "code", str(parameters.pop("sagemaker_program")))
    arguments = [
        part
        for name, value in sorted(parameters.items())
        if not name.startswith("sagemaker_")
        for part in (f"--{name}", str(value))
    ]
    if not program.is_file():
        raise JobFailedError(f"ClientError: there is no {program.name} in sagemaker_submit_directory")
    network = ISOLATED if request.get("EnableNetworkIsolation") else CONNECTED
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "local.sagemaker.training.container", network, str(program), *arguments],
            cwd=_ROOT,
            env=_environment(job, ml),
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _environment(job: Resource, ml: Path) -> dict[str, str]:
    """The variables that AWS's container has, and of the embedded stack's those of LEARNING: its keys
    least of all.

    https://github.com/aws/sagemaker-training-toolkit/blob/master/ENVIRONMENT_VARIABLES.md
    """
    request = job.body["request"]
    channels = [channel["ChannelName"] for channel in request.get("InputDataConfig", [])]
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "VIRTUAL_ENV", *LEARNING)
    return {
        **{name: os.environ[name] for name in kept if name in os.environ},
        **{name: _inside(value, ml) for name, value in request.get("Environment", {}).items()},
        "TRAINING_JOB_NAME": job.name,
        "TRAINING_JOB_ARN": job.arn,
        "SM_MODEL_DIR": str(ml / "model"),
        "SM_OUTPUT_DIR": str(ml / "output"),
        "SM_OUTPUT_DATA_DIR": str(ml / "output" / "data"),
        "SM_INPUT_DIR": str(ml / "input"),
        "SM_CHANNELS": json.dumps(channels),
        "SM_NUM_GPUS": "0",
        "SM_NUM_CPUS": str(os.cpu_count() or 1),
        **{f"SM_CHANNEL_{name.upper()}": str(ml / "input" / "data" / name) for name in channels},
    }


def _inside(value: str, ml: Path) -> str:
    """A value that a container would find, where its folder is another one here."""
    return str(ml / value.removeprefix(CONTAINER)) if value.startswith(CONTAINER) else value


def _checkpoints(request: Mapping[str, Any], ml: Path) -> tuple[str, Path] | None:
    """Where a job's checkpoints are kept, in S3 and in its folder; None if it has none."""
    config = request.get("CheckpointConfig")
    if config is None:
        return None
    local = config.get("LocalPath", CHECKPOINTS)
    if not local.startswith(CONTAINER):
        raise ValueError(f"checkpoints are kept below {CONTAINER} alone, and not in {local}")
    return config["S3Uri"].rstrip("/"), _placed(ml, local.removeprefix(CONTAINER))


def _keep_checkpoints(request: Mapping[str, Any], objects: Objects, ml: Path) -> None:
    """Write the checkpoints to S3. AWS does so all the time; here it is done once the script has ended."""
    if kept := _checkpoints(request, ml):
        uri, folder = kept
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                target = f"{uri}/{file.relative_to(folder).as_posix()}"
                objects.put(*bucket_and_key(target), file.read_bytes())


def _fetch(request: Mapping[str, Any], objects: Objects, ml: Path) -> None:
    """Bring the script's source and every channel's objects into the container's folders."""
    for folder in ("model", "output/data", "code", "input/data"):
        (ml / folder).mkdir(parents=True, exist_ok=True)
    if kept := _checkpoints(request, ml):
        uri, folder = kept
        folder.mkdir(parents=True, exist_ok=True)
        bucket, prefix = bucket_and_key(f"{uri}/")
        for key in objects.keys(bucket, prefix):
            # Consoles of S3 make an object for a folder, too.
            if not key.endswith("/"):
                _placed(folder, key.removeprefix(prefix)).write_bytes(objects.get(bucket, key))
    for channel in request.get("InputDataConfig", []):
        folder = ml / "input" / "data" / channel["ChannelName"]
        folder.mkdir(parents=True, exist_ok=True)
        count = 0
        for uri, name in _objects_of(channel["DataSource"]["S3DataSource"], objects):
            _placed(folder, name).write_bytes(objects.get(*bucket_and_key(uri)))
            count += 1
        if not count:
            raise ValueError(f"no S3 objects found under the channel {channel['ChannelName']}")
    with tarfile.open(fileobj=io.BytesIO(_source(request, objects, ml)), mode="r:gz") as archive:
        _unpack(archive, ml / "code")


def _placed(folder: Path, name: str) -> Path:
    """Where a file of this name lies in a folder of the job's, with the folders that it lies in.

    Raises:
        ValueError: it would lie beside that folder, on the machine that runs the embedded stack.
    """
    target = (folder / name).resolve()
    if not target.is_relative_to(folder.resolve()):
        raise ValueError(f"{name!r} leads out of {CONTAINER}")
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


def _source(request: Mapping[str, Any], objects: Objects, ml: Path) -> bytes:
    """The archive of the script's source, which the container's toolkit takes from a channel's folder or S3.

    Raises:
        ValueError: it is in S3, which an isolated container does not reach, or there is no such file.
    """
    place = str(json.loads(request["HyperParameters"]["sagemaker_submit_directory"]))
    if place.startswith("s3://"):
        if request.get("EnableNetworkIsolation"):
            raise ValueError(f"an isolated container cannot fetch {place}: a channel has to bring it")
        return objects.get(*bucket_and_key(place))
    file = Path(_inside(place, ml)).resolve()
    if not file.is_relative_to(ml.resolve()) or not file.is_file():
        raise ValueError(f"there is no {place} in the container")
    return file.read_bytes()


def _unpack(archive: tarfile.TarFile, folder: Path) -> None:
    """Unpack files into a folder, and refuse an archive that would write beside it.

    Python's own filter for this came with 3.11.4, and Debian 12 has 3.11.2:
    https://docs.python.org/3/library/tarfile.html#supporting-older-python-versions
    """
    root = folder.resolve()
    for member in archive:
        target = (root / member.name).resolve()
        if not (member.isfile() or member.isdir()) or not target.is_relative_to(root):
            raise ValueError(f"the source's archive holds {member.name!r}, no file of its own folder")
        archive.extract(member, root)


def _objects_of(source: Mapping[str, Any], objects: Objects) -> Iterator[tuple[str, str]]:
    """URIs of a channel's objects, and where each lies in the channel's folder."""
    uri = source["S3Uri"]
    if source["S3DataType"] == "S3Prefix":
        bucket, prefix = bucket_and_key(uri)
        for key in objects.keys(bucket, prefix):
            if not key.endswith("/"):
                yield f"s3://{bucket}/{key}", key.removeprefix(prefix).lstrip("/") or key.rpartition("/")[2]
        return
    document = json.loads(objects.get(*bucket_and_key(uri)))
    if not isinstance(document, list) or not document or not isinstance(document[0], dict):
        raise ValueError(f"{uri} is no manifest: a list whose first element has the prefix")
    prefix = document[0]["prefix"]
    if not prefix.startswith("s3://"):
        raise ValueError(f"{uri}: the prefix has to be an S3 URI")
    for suffix in document[1:]:
        yield f"{prefix}{suffix}", str(suffix)


def _put_away(job: Resource, objects: Objects, ml: Path) -> str:
    """Write what the script has left to S3: the URI of the model's files, or of the one that they are in."""
    output = job.body["request"]["OutputDataConfig"]
    base = f"{output['S3OutputPath'].rstrip('/')}/{job.name}/output"
    if output.get("CompressionType", "GZIP") == "NONE":
        for part, folder in (("model", ml / "model"), ("data", ml / "output" / "data")):
            for file in sorted(folder.rglob("*")):
                if file.is_file():
                    target = f"{base}/{part}/{file.relative_to(folder).as_posix()}"
                    objects.put(*bucket_and_key(target), file.read_bytes())
        return f"{base}/model/"
    for part, folder in (("model", ml / "model"), ("output", ml / "output" / "data")):
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            for file in sorted(folder.iterdir()):
                archive.add(file, file.name)
        objects.put(*bucket_and_key(f"{base}/{part}.tar.gz"), packed.getvalue())
    return f"{base}/model.tar.gz"
