"""The exported model of a version as one archive, for `labelloop export-model`."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from local.engine.model_directory import version_directory

PATH = "/_labelloop/models/"
"""Before a version's ARN: no path of Rekognition's, which has only one."""


def archive(state: Path, version_arn: str) -> bytes | None:
    """A ZIP of the version's ONNX files and its evaluation.json; None if there are none.

    Args:
        state: the folder of the engine's state.
    """
    directory = version_directory(state, version_arn)
    files = [*sorted((directory / "model").glob("*.onnx")), directory / "evaluation.json"]
    if len(files) == 1:
        return None
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as archived:
        for path in files:
            archived.write(path, path.name)
    return body.getvalue()
