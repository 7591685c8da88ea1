"""The command `labelloop export-model`: a model version as files that run anywhere."""

from __future__ import annotations

import io
import json
import urllib.error
import urllib.request
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from botocore.exceptions import ClientError
from rich.console import Console

from cli.deployment import Deployment
from cli.output import CommandError
from lambdas.domain.engines.port import engine_of
from lambdas.domain.engines.serverless.detector import MODEL_FILES
from lambdas.domain.engines.serverless.training_jobs import SUMMARY_FILE
from lambdas.domain.shared.records import ModelVersion

EMBEDDED_PATH = "/_labelloop/models/"
"""Of the embedded stack, before a version's ARN (`local/engine/serving/exported.py`)."""
SCRIPT = Path(__file__).parent.parent / "portable" / "run_model.py"


def export(deployment: Deployment, version: ModelVersion, folder: Path) -> dict[str, Any]:
    """Write a version's model, a script that runs it, and its evaluation into a folder: what was written.

    Raises:
        CommandError: the engine keeps its models to itself, the version has none, or the folder is not empty.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise CommandError(f"{folder} is there already: name a folder that is empty, or none yet")
    files = of_version(deployment, version)
    files |= {SCRIPT.name: SCRIPT.read_bytes(), SUMMARY_FILE: _evaluation(version, files)}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, body in files.items():
            (folder / name).write_bytes(body)
    except OSError as error:
        raise CommandError(f"{folder} cannot be written: {error.strerror}") from error
    written = sorted(path.name for path in folder.iterdir())
    return {"version": version.id, "folder": str(folder), "files": written}


def _evaluation(version: ModelVersion, files: dict[str, bytes]) -> bytes:
    """The evaluation, with what is on record of the version."""
    try:
        evaluation = json.loads(files[SUMMARY_FILE])
    except (KeyError, ValueError) as error:
        raise CommandError(f"the evaluation of {version.id} is missing or cut off: {error!r}") from error
    loop = {"version": version.id, "snapshot": version.trained_on, "run": version.run, "f1": version.f1}
    labels = [asdict(score) for score in version.labels]
    document = {**loop, "evaluation": evaluation, "labels": labels}
    return f"{json.dumps(document, indent=2, default=str)}\n".encode()


def of_version(deployment: Deployment, version: ModelVersion) -> dict[str, bytes]:
    """A version's model and the summary of its evaluation, by their files' names.

    Raises:
        CommandError: the engine keeps its models to itself, or the version has none.
    """
    if not version.arn:
        raise CommandError(f"{version.id} has no model: its training has not begun")
    if engine_of(version.arn) == "serverless":
        return _from_bucket(deployment, version)
    archive = _archive(deployment, version.id, version.arn)
    # No other names: each becomes that of a file.
    return {name: archive.read(name) for name in archive.namelist() if name in (*MODEL_FILES, SUMMARY_FILE)}


def _from_bucket(deployment: Deployment, version: ModelVersion) -> dict[str, bytes]:
    """What a training job of SageMaker has left, or what was released to the deployment.

    Other files there say how the model did about each image, and are no part of it.
    """
    described = deployment.engine.describe_version(version.id)
    if described is None or described.summary is None:
        raise CommandError(
            f"{version.id} has no model: {described.message if described else 'SageMaker has no such job'}"
        )
    bucket, summary = described.summary
    folder = summary.rpartition("/")[0]
    files = {}
    for name in (*MODEL_FILES, SUMMARY_FILE):
        try:
            files[name] = deployment.s3.get_object(Bucket=bucket, Key=f"{folder}/{name}")["Body"].read()
        except deployment.s3.exceptions.NoSuchKey as error:
            # Most models have no second stage. One that names it says so when it is loaded.
            if name == MODEL_FILES[1]:
                continue
            raise CommandError(
                f"{version.id} has lost its model: s3://{bucket}/{folder}/{name} is gone"
            ) from error
        except ClientError as error:
            message = error.response["Error"].get("Message", "")
            raise CommandError(
                f"your credentials may not read the model: they need s3:GetObject and s3:ListBucket on"
                f" {bucket} for training/, and the use of the bucket's key if KMS has one ({message})"
            ) from error
    return files


def show(console: Console, document: dict[str, Any]) -> None:
    """Print where a model was written, and how to run it."""
    console.print(f"{document['version']}: {', '.join(document['files'])}", markup=False, soft_wrap=True)
    console.print(
        f"Run it: python {document['folder']}/{SCRIPT.name} IMAGE... (pip install onnxruntime pillow);"
        " it shows what reaches its label's threshold",
        markup=False,
        soft_wrap=True,
    )


def _archive(deployment: Deployment, version: str, arn: str) -> zipfile.ZipFile:
    endpoint = str(deployment.rekognition.meta.endpoint_url)
    if urlsplit(endpoint).hostname not in {"127.0.0.1", "localhost"}:
        raise CommandError(
            f"{version} was trained by Amazon Rekognition, which gives no models away: CopyProjectVersion"
            " copies them between AWS accounts and that is all. Models of the embedded stack can be exported"
        )
    address = f"{endpoint}{EMBEDDED_PATH}{quote(arn, safe='')}"
    try:
        with urllib.request.urlopen(address) as response:  # noqa: S310 - an address of this machine
            return zipfile.ZipFile(io.BytesIO(response.read()))
    except urllib.error.HTTPError as error:
        raise CommandError(
            f"{version} has no exported model: it is still being trained, was deleted, or was trained by"
            " an earlier release"
        ) from error
    except (OSError, zipfile.BadZipFile) as error:
        raise CommandError(f"the embedded stack at {endpoint} gives no model: {error}") from error
