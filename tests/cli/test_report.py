"""`labelloop report`: the newest run's dataset report, or a snapshot's."""

from __future__ import annotations

import json
from pathlib import Path

from lambdas.domain.shared.records import Run
from lambdas.domain.snapshot import files as snapshot_files
from tests.fixtures.cli import Cli
from tests.fixtures.cli_datasets import BUCKET

FINDING = {"severity": "warning", "title": "2 labels [with] few images"}


def put_report(cli: Cli, snapshot: str) -> None:
    document = {"verdict": "Training can start, with 1 warning", "findings": [FINDING]}
    for name, body in (("report.json", json.dumps(document)), ("report.html", f"<h1>{snapshot}</h1>")):
        cli.s3.put_object(Bucket=BUCKET, Key=snapshot_files.report_key(snapshot, name), Body=body.encode())


def note_run(cli: Cli, run: str, started_at: str, snapshot: str, data_report: str | None = None) -> None:
    cli.loop_state.update_run(Run(run, started_at=started_at, snapshot=snapshot, data_report=data_report))


def test_the_newest_runs_report_is_told_and_its_page_saved(cli: Cli, tmp_path: Path) -> None:
    put_report(cli, "0ld")
    put_report(cli, "5a4b")
    note_run(cli, "a", "2026-01-01T00:00:00Z", snapshot="0ld", data_report="Training can start")
    note_run(cli, "b", "2026-01-02T00:00:00Z", snapshot="5a4b", data_report="Training can start")
    note_run(cli, "c", "2026-01-03T00:00:00Z", snapshot="f00d")
    page = tmp_path / "page.html"
    shown = cli("report", "--save", str(page)).stdout
    assert "Snapshot 5a4b: Training can start, with 1 warning" in shown
    assert "warning  2 labels [with] few images" in shown
    assert page.read_text() == "<h1>5a4b</h1>"
    document = cli.json("report", "0ld", "--save", str(page))
    assert (document["snapshot"], document["page"]) == ("0ld", str(page))
    assert document["findings"] == [FINDING]


def test_no_report_yet_is_said(cli: Cli) -> None:
    assert "no run of parts has made a dataset report" in cli.json("report", exit_code=1)["error"]
    assert "no report of snapshot 5a4b" in cli.json("report", "5a4b", exit_code=1)["error"]


def test_a_page_that_cannot_be_written_is_said(cli: Cli, tmp_path: Path) -> None:
    put_report(cli, "5a4b")
    error = cli.json("report", "5a4b", "--save", str(tmp_path / "no" / "page.html"), exit_code=1)["error"]
    assert "page.html cannot be written" in error
