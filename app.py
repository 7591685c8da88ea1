"""The CDK app: reads the environment's settings and makes one stack."""

from __future__ import annotations

import os
import sys

import aws_cdk as cdk

from infra.settings import SettingsError, check_region, read
from infra.stack import LabelLoopStack


def main() -> None:
    app = cdk.App()
    try:
        settings = read(app.node.try_get_context)
        # The CDK's command line sets it to where it would deploy.
        if region := os.environ.get("CDK_DEFAULT_REGION"):
            check_region(settings, region)
    except SettingsError as error:
        sys.exit(f"LabelLoop: {error}")
    LabelLoopStack(app, settings)
    app.synth()


if __name__ == "__main__":
    main()
