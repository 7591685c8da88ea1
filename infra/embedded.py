"""All differences between a deployment into the embedded stack and one into AWS.

- Assets are published with the caller's own credentials: the embedded stack has no bootstrap roles to
  assume for it.
- Compiled Python packages are those of this machine's interpreter: the embedded stack runs the functions
  with it, whatever runtime they name. Those that run the pretrained trunk are not packed again.
- The functions' code is packed once for each content of it, not at every deployment.
- The review desk is the worker portal of A2I and Ground Truth.
- Presigned URLs name the bucket in their path.
- The console is at http://<distribution>.cloudfront.localhost:<port>/, people sign in at the embedded stack's
  own page, and images come from its S3: all over plain HTTP, which browsers accept for this machine.
- The detection API is asked by a path of the embedded stack, and user pools have their keys there.
- There is no AWS Budget: nothing is billed.

docs/embedded.md lists these, and where the embedded services themselves differ from AWS.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_cloudfront as cloudfront
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3

from infra import lambda_asset
from infra.deployment import Deployment
from infra.settings import Settings

if TYPE_CHECKING:
    from infra.user_pool import UserPool


def synthesizer(settings: Settings) -> cdk.IStackSynthesizer:
    """How assets are published."""
    return cdk.CliCredentialsStackSynthesizer() if settings.embedded else cdk.DefaultStackSynthesizer()


def platform(settings: Settings) -> str:
    """The platform that the code asset's compiled packages are for, one of lambda_asset.PLATFORMS."""
    return lambda_asset.HERE if settings.embedded else settings.architecture


def code(settings: Settings, asset: Path) -> lambda_.Code:
    """The code of functions whose asset is in a folder, which is named by its content.

    The CDK's command line packs a folder at every deployment, which takes the longest part of it.
    """
    path = lambda_asset.packed(asset) if settings.embedded else asset
    return lambda_.Code.from_asset(str(path), asset_hash=asset.name)


def console_address(settings: Settings, distribution: cloudfront.Distribution) -> str:
    """The address at which people open the console."""
    if not settings.embedded:
        return f"https://{distribution.distribution_domain_name}/"
    label = cdk.Fn.select(0, cdk.Fn.split(".", distribution.distribution_domain_name))
    return f"http://{label}.cloudfront.localhost:{_endpoint().rpartition(':')[2]}/"


def viewer_protocol(settings: Settings) -> cloudfront.ViewerProtocolPolicy:
    """Whether the console is served over HTTPS alone."""
    policies = cloudfront.ViewerProtocolPolicy
    return policies.ALLOW_ALL if settings.embedded else policies.REDIRECT_TO_HTTPS


def image_sources(settings: Settings, bucket: s3.Bucket) -> str:
    """Hosts of presigned URLs of the bucket's objects, as a Content-Security-Policy lists them."""
    return _endpoint() if settings.embedded else f"https://{bucket.bucket_regional_domain_name}"


def s3_addressing(settings: Settings) -> dict[str, str]:
    """Environment variables of functions that make presigned URLs: how those name the bucket.

    In AWS it is part of the host's name, so that a browser is not redirected. Here it is part of the path:
    the host is this machine.
    """
    return {"S3_ADDRESSING_STYLE": "path"} if settings.embedded else {}


def sign_in_host(deployment: Deployment, domain_prefix: str) -> str:
    """The address of Cognito's sign-in pages."""
    if deployment.settings.embedded:
        return _endpoint()
    return f"https://{domain_prefix}.auth.{deployment.stack.region}.amazoncognito.com"


def api_address(settings: Settings, api_id: str, address: str) -> str:
    """The address of an HTTP API: here below the embedded stack's own, which every machine can resolve."""
    return f"{_endpoint()}/_aws/execute-api/{api_id}/$default" if settings.embedded else address


def jwks_address(settings: Settings, user_pool: UserPool) -> str:
    """Where the public keys of a user pool are."""
    issuer = f"{_endpoint()}/{user_pool.pool.user_pool_id}" if settings.embedded else user_pool.issuer
    return f"{issuer}/.well-known/jwks.json"


def worker_portal(settings: Settings) -> dict[str, str]:
    """Environment variables of the review desk: where it sends the answers of the workforce."""
    return {"WORKER_PORTAL_URL": f"{_endpoint()}/_labelloop/workers/"} if settings.embedded else {}


def _endpoint() -> str:
    """The address of the embedded stack."""
    return os.environ.get("AWS_ENDPOINT_URL", "http://127.0.0.1:4566").rstrip("/")
