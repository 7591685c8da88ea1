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

from rich.console import Console

from cli.deployment import Deployment
from cli.output import CommandError
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
    archive = _archive(deployment, version)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        archive.extractall(folder)
        (folder / SCRIPT.name).write_bytes(SCRIPT.read_bytes())
        evaluation = json.loads((folder / "evaluation.json").read_text())
        loop = {"version": version.id, "snapshot": version.snapshot, "run": version.run, "f1": version.f1}
        labels = [asdict(score) for score in version.labels]
        (folder / "evaluation.json").write_text(
            json.dumps({**loop, "evaluation": evaluation, "labels": labels}, indent=2, default=str) + "\n"
        )
    except OSError as error:
        raise CommandError(f"{folder} cannot be written: {error.strerror}") from error
    files = sorted(path.name for path in folder.iterdir())
    return {"version": version.id, "folder": str(folder), "files": files}


def show(console: Console, document: dict[str, Any]) -> None:
    """Print where a model was written, and how to run it."""
    console.print(f"{document['version']}: {', '.join(document['files'])}", markup=False, soft_wrap=True)
    console.print(
        f"Run it: python {document['folder']}/{SCRIPT.name} IMAGE... (pip install onnxruntime pillow);"
        " it shows what reaches its label's threshold",
        markup=False,
        soft_wrap=True,
    )


def _archive(deployment: Deployment, version: ModelVersion) -> zipfile.ZipFile:
    endpoint = str(deployment.rekognition.meta.endpoint_url)
    if urlsplit(endpoint).hostname not in {"127.0.0.1", "localhost"}:
        raise CommandError(
            f"{version.id} was trained by Amazon Rekognition, which gives no models away: CopyProjectVersion"
            " copies them between AWS accounts and that is all. Models of the embedded stack can be exported"
        )
    if not version.arn:
        raise CommandError(f"{version.id} has no model: its training has not begun")
    address = f"{endpoint}{EMBEDDED_PATH}{quote(version.arn, safe='')}"
    try:
        with urllib.request.urlopen(address) as response:  # noqa: S310 - an address of this machine
            return zipfile.ZipFile(io.BytesIO(response.read()))
    except urllib.error.HTTPError as error:
        raise CommandError(
            f"{version.id} has no exported model: it is still being trained, was deleted, or was trained by"
            " an earlier release"
        ) from error
    except (OSError, zipfile.BadZipFile) as error:
        raise CommandError(f"the embedded stack at {endpoint} gives no model: {error}") from error
