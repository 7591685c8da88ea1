"""The console's page: a bucket, the distribution that serves it, and the function that publishes it.

CloudFront serves the page from a bucket that nobody else can read, and hands /api/ on to the HTTP API: the
page speaks to its own origin alone.
"""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
from aws_cdk import Acknowledgment, Validations
from aws_cdk import aws_cloudfront as cloudfront
from aws_cdk import aws_cloudfront_origins as origins
from aws_cdk import aws_cognito as cognito
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_s3_assets as assets
from constructs import Construct

from infra import console_asset, embedded, thumbnails
from infra.handler import Handler
from infra.step import SharedResources
from infra.thumbnails import ThumbnailKey
from infra.user_pool import UserPool

_PAGES = """function handler(event) {
  var request = event.request;
  if (request.uri.indexOf('.') === -1) request.uri = '/index.html';
  if (request.uri === '/favicon.ico') request.uri = '/icon.svg';
  return request;
}
"""
"""Addresses without a suffix are pages of the app; some browsers ask for the icon by its old name."""


class ConsoleSite(Construct):
    """The page, at an address of CloudFront's."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        shared: SharedResources,
        *,
        user_pool: UserPool,
        api_host: str,
        thumbnail_key: ThumbnailKey,
    ) -> None:
        super().__init__(scope, id)
        self._shared, self._thumbnail_key = shared, thumbnail_key
        self._deployment, self._data_bucket = shared.deployment, shared.data_bucket
        self._user_pool = user_pool
        self._bucket = self._site_bucket()
        self._distribution = self._distribute(api_host)
        self.address = embedded.console_address(shared.deployment.settings, self._distribution)

    def publish(self, client: cognito.UserPoolClient) -> None:
        """Put the built page into its bucket, with a configuration that names the client."""
        asset = assets.Asset(self, "Built", path=str(console_asset.build()))
        handler = Handler(
            self,
            "Publish",
            self._deployment,
            entry="lambdas.console_site.handle",
            description="Puts the console's page into its bucket; on destroy, empties the bucket",
            timeout=300,
            environment={},
        )
        handler.allow("s3:GetObject", on=[asset.bucket.arn_for_objects(asset.s3_object_key)])
        handler.allow(
            "s3:PutObject",
            "s3:DeleteObject",
            on=[self._bucket.arn_for_objects("*")],
            why="the page's files are named by their content",
        )
        handler.allow("s3:ListBucket", on=[self._bucket.bucket_arn])
        published = cdk.CustomResource(
            self,
            "Published",
            service_token=handler.arn,
            resource_type="Custom::Site",
            # As long as Lambda tries three times; else CloudFormation would wait for an hour.
            service_timeout=cdk.Duration.minutes(20),
            properties={
                "AssetBucket": asset.s3_bucket_name,
                "AssetKey": asset.s3_object_key,
                "SiteBucket": self._bucket.bucket_name,
                "Config": self._deployment.stack.to_json_string(self._config(client)),
            },
        )
        handler.permissions.before(published)

    def _site_bucket(self) -> s3.Bucket:
        return s3.Bucket(
            self,
            "Bucket",
            encryption=s3.BucketEncryption.S3_MANAGED,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            server_access_logs_bucket=self._data_bucket.access_logs,
            server_access_logs_prefix="console/",
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )

    def _distribute(self, api_host: str) -> cloudfront.Distribution:
        pages = cloudfront.Function(
            self,
            "Pages",
            function_name=self._deployment.named_worldwide("pages"),
            code=cloudfront.FunctionCode.from_inline(_PAGES),
            runtime=cloudfront.FunctionRuntime.JS_2_0,
            comment="Every page of the app is index.html",
        )
        access = cloudfront.S3OriginAccessControl(
            self, "OriginAccess", origin_access_control_name=self._deployment.named_worldwide("page")
        )
        protocol = embedded.viewer_protocol(self._deployment.settings)
        files: dict[str, Any] = {
            "origin": origins.S3BucketOrigin.with_origin_access_control(
                self._bucket, origin_access_control=access
            ),
            "viewer_protocol_policy": protocol,
            "cache_policy": cloudfront.CachePolicy.CACHING_OPTIMIZED,
            "response_headers_policy": self._headers(),
        }
        distribution = cloudfront.Distribution(
            self,
            "Distribution",
            comment=f"LabelLoop console of {self._deployment.settings.name}",
            default_root_object="index.html",
            minimum_protocol_version=cloudfront.SecurityPolicyProtocol.TLS_V1_2_2021,
            default_behavior=cloudfront.BehaviorOptions(
                **files,
                function_associations=[
                    cloudfront.FunctionAssociation(
                        function=pages, event_type=cloudfront.FunctionEventType.VIEWER_REQUEST
                    )
                ],
            ),
            additional_behaviors={
                "/assets/*": cloudfront.BehaviorOptions(**files),
                f"/{thumbnails.PREFIX}*": thumbnails.behaviour(
                    self, self._shared, self._thumbnail_key, access, protocol
                ),
                "/api/*": cloudfront.BehaviorOptions(
                    origin=origins.HttpOrigin(
                        api_host, protocol_policy=cloudfront.OriginProtocolPolicy.HTTPS_ONLY
                    ),
                    viewer_protocol_policy=protocol,
                    allowed_methods=cloudfront.AllowedMethods.ALLOW_ALL,
                    cache_policy=cloudfront.CachePolicy.CACHING_DISABLED,
                    origin_request_policy=cloudfront.OriginRequestPolicy.ALL_VIEWER_EXCEPT_HOST_HEADER,
                    response_headers_policy=cloudfront.ResponseHeadersPolicy.SECURITY_HEADERS,
                ),
            },
        )
        thumbnails.grant_read(self._data_bucket, distribution)
        Validations.of(distribution).acknowledge(
            Acknowledgment(id="AwsSolutions::AwsSolutions-CFR1", reason="reviewers may be anywhere"),
            Acknowledgment(
                id="AwsSolutions::AwsSolutions-CFR2",
                reason="everything but the page's own files needs a token; a web ACL costs 5 USD a month",
            ),
            Acknowledgment(
                id="AwsSolutions::AwsSolutions-CFR3",
                reason="the bucket logs who reads the page, the HTTP API every other request",
            ),
            Acknowledgment(
                id="AwsSolutions::AwsSolutions-CFR4",
                reason="without a domain of its own the distribution has CloudFront's certificate",
            ),
        )
        return distribution

    def _headers(self) -> cloudfront.ResponseHeadersPolicy:
        images = embedded.image_sources(self._deployment.settings, self._data_bucket.bucket)
        policy = {
            "default-src": "'none'",
            "script-src": "'self'",
            "style-src": "'self'",
            "img-src": f"'self' data: blob: {images}",
            "connect-src": f"'self' {self._user_pool.sign_in_host} {images}",
            "base-uri": "'none'",
            "form-action": "'none'",
            "frame-ancestors": "'none'",
        }
        return cloudfront.ResponseHeadersPolicy(
            self,
            "Headers",
            response_headers_policy_name=self._deployment.named_worldwide("headers"),
            security_headers_behavior=cloudfront.ResponseSecurityHeadersBehavior(
                content_security_policy=cloudfront.ResponseHeadersContentSecurityPolicy(
                    content_security_policy="; ".join(f"{name} {value}" for name, value in policy.items()),
                    override=True,
                ),
                content_type_options=cloudfront.ResponseHeadersContentTypeOptions(override=True),
                frame_options=cloudfront.ResponseHeadersFrameOptions(
                    frame_option=cloudfront.HeadersFrameOption.DENY, override=True
                ),
                referrer_policy=cloudfront.ResponseHeadersReferrerPolicy(
                    referrer_policy=cloudfront.HeadersReferrerPolicy.NO_REFERRER, override=True
                ),
                strict_transport_security=cloudfront.ResponseHeadersStrictTransportSecurity(
                    access_control_max_age=cdk.Duration.days(365), override=True
                ),
            ),
        )

    def _config(self, client: cognito.UserPoolClient) -> dict[str, str]:
        """What the page has to know."""
        host = self._user_pool.sign_in_host
        return {
            "deployment": self._deployment.settings.name,
            "region": self._deployment.stack.region,
            "clientId": client.user_pool_client_id,
            "authority": self._user_pool.issuer,
            "authorizationEndpoint": f"{host}/oauth2/authorize",
            "tokenEndpoint": f"{host}/oauth2/token",
            "revocationEndpoint": f"{host}/oauth2/revoke",
            "logoutEndpoint": f"{host}/logout",
            "redirectUri": self.address,
            "apiBase": "/api",
        }
