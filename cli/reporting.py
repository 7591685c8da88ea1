"""The command `labelloop report`: fetch and show the dataset report of a snapshot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from rich.console import Console
from rich.markup import escape

from cli.deployment import Deployment
from cli.output import CommandError
from lambdas.domain.snapshot import files as snapshot_files

_COLOURS = {"error": "red", "warning": "yellow", "info": "dim"}


def fetch(deployment: Deployment, snapshot: str, save: Path | None) -> dict[str, Any]:
    """Fetch a report and save its page: the report as a document.

    Args:
        snapshot: id of a snapshot; empty: that of the newest run with a report.
        save: file that the page is written to; None: `report-<snapshot>.html` in the current folder.

    Raises:
        CommandError: there is no such report yet, or the page cannot be written.
    """
    chosen = snapshot or _newest(deployment)
    path = save or Path(f"report-{chosen}.html")
    document: dict[str, Any] = json.loads(_read(deployment, chosen, "report.json"))
    try:
        path.write_bytes(_read(deployment, chosen, "report.html"))
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}") from error
    return {"snapshot": chosen, "page": str(path), **document}


def show(console: Console, document: dict[str, Any]) -> None:
    """Print the verdict and the findings of a report."""
    console.print(escape(f"Snapshot {document['snapshot']}: {document['verdict']}"))
    for finding in document["findings"]:
        colour = _COLOURS[finding["severity"]]
        console.print(f"  [{colour}]{finding['severity']:7}[/{colour}]  {escape(finding['title'])}")
    console.print(f"Page with the images: {document['page']}", markup=False, soft_wrap=True)


def _newest(deployment: Deployment) -> str:
    for run in deployment.loop_state.runs():
        if run.data_report:
            return str(run.snapshot)
    raise CommandError(f"no run of {deployment.name} has made a dataset report yet")


def _read(deployment: Deployment, snapshot: str, name: str) -> bytes:
    key = snapshot_files.report_key(snapshot, name)
    try:
        return deployment.s3.get_object(Bucket=deployment.bucket, Key=key)["Body"].read()
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchKey":
            raise
        raise CommandError(f"there is no report of snapshot {snapshot} in {deployment.name}") from error
