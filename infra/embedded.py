"""Everything in which a deployment into the embedded stack differs from one into AWS.

- Assets are published with the caller's own credentials: the embedded stack has no bootstrap roles to
  assume for it.
- Compiled Python packages are those of this machine's interpreter: the embedded stack runs the functions
  with it, whatever runtime they name.

docs/embedded.md lists these, and what the embedded services themselves do otherwise than AWS.
"""

from __future__ import annotations

import aws_cdk as cdk

from infra import lambda_asset
from infra.settings import Settings


def synthesizer(settings: Settings) -> cdk.IStackSynthesizer:
    return cdk.CliCredentialsStackSynthesizer() if settings.embedded else cdk.DefaultStackSynthesizer()


def platform(settings: Settings) -> str:
    """Platform whose compiled packages go into the Lambda asset, one of lambda_asset.PLATFORMS."""
    return lambda_asset.HERE if settings.embedded else settings.architecture
