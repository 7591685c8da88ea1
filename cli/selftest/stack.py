"""The selftest's own deployment: made and destroyed by the CDK's command line, as any other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rich.console import Console

from cli.output import CommandError

PROJECT = Path(__file__).parents[2]
CONTEXT: Mapping[str, str] = {
    "retrain_schedule": "never",
    "min_new_images": "100000",  # the one run is started by hand
    "burst_quiet_seconds": "1",
    "min_f1": "0",  # what the model is worth does not matter
    "min_label_f1": "0",
    "min_test_images_per_label": "1",
    "shadow_test_images": "4",
    "review_sample_rate": "0",
    "drain_seconds": "1",
    "serving_policy": "idle",  # a model that nobody stops any more, as this machine is off, sleeps by itself
}
"""Settings of the selftest's deployment."""
ON_AWS = {"retain_data": "false"}
SERVERLESS = {"engine": "serverless", "training_seconds": "600"}
EMBEDDED = {"environment": "embedded"}
"""The embedded stack does not run the function by which the CDK empties buckets; `Cleaning` deletes them."""
SUFFIX = "-selftest"
MAX_NAME = 31 - len(SUFFIX)
"""Of the deployment that it is called after: `infra.settings` takes 31 characters."""


def selftest_name(deployment: str) -> str:
    """The name of the selftest's own deployment, project and stack.

    Raises:
        CommandError: it would be too long.
    """
    if len(deployment) > MAX_NAME:
        raise CommandError(
            f"{deployment}{SUFFIX} is too long for a deployment's name: give --name with at most {MAX_NAME}"
            " characters",
            exit_code=2,
        )
    return deployment + SUFFIX


@dataclass(frozen=True)
class Cdk:
    """The CDK's command line, for one deployment.

    Attributes:
        folder: where its assembly and its log go.
    """

    name: str
    embedded: bool
    folder: Path
    console: Console
    engine: Literal["rekognition", "serverless"] = "rekognition"

    def deploy(self) -> None:
        """Deploy, and wait until that is done.

        Raises:
            CommandError: it failed; the message has the end of its log.
        """
        self._run("deploy", "--require-approval", "never", what="Deploying")

    def destroy(self) -> None:
        """Destroy the deployment with all its data; nothing if there is none.

        Raises:
            CommandError: it failed; the message has the end of its log.
        """
        self._run("destroy", "--force", what="Destroying")

    def _run(self, *arguments: str, what: str) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        log = self.folder / f"{arguments[0]}.log"
        with self.console.status(f"{what} {self.name}; its log: {log}"), log.open("w") as output:
            # A session of its own: Ctrl-C is for this command, which then ends the other by itself.
            process = subprocess.Popen(
                [*self._command(*arguments)],
                cwd=PROJECT,
                env={**os.environ, "CDK_DISABLE_CLI_TELEMETRY": "true", "CDK_VALIDATION": "false"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                failed = process.wait()
            except BaseException:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait()
                raise
        if failed:
            end = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
            raise CommandError(f"`cdk {arguments[0]}` failed, see {log}:\n{end}")

    def _command(self, *arguments: str) -> list[str]:
        context = {"name": self.name, **CONTEXT, **(EMBEDDED if self.embedded else ON_AWS)}
        if self.engine == "serverless":
            context |= SERVERLESS
        options = [part for key, value in context.items() for part in ("-c", f"{key}={value}")]
        return [
            str(PROJECT / "node_modules" / ".bin" / "cdk"),
            *arguments,
            self.name,
            "--progress",
            "events",
            "--app",
            f"{sys.executable} {PROJECT / 'app.py'}",
            "--output",
            str(self.folder / "cdk.out"),
            *options,
        ]
