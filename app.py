"""The CDK app: reads the environment's settings and makes one stack."""

from __future__ import annotations

import sys

import aws_cdk as cdk

from infra.settings import SettingsError, read
from infra.stack import LabelLoopStack


def main() -> None:
    app = cdk.App()
    try:
        settings = read(app.node.try_get_context)
    except SettingsError as error:
        sys.exit(f"LabelLoop: {error}")
    LabelLoopStack(app, settings)
    app.synth()


if __name__ == "__main__":
    main()
