"""The console: the review desk and what goes on, as a web app behind a sign-in.

CloudFront serves the page from a bucket that nobody else can read, and hands /api/ on to an HTTP API, so that
the page speaks to its own origin alone.
"""

from __future__ import annotations

import json
from typing import Any

import aws_cdk as cdk
from aws_cdk import Acknowledgment, Validations
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_cloudfront as cloudfront
from aws_cdk import aws_cloudfront_origins as origins
from aws_cdk import aws_cognito as cognito
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_s3_assets as assets
from constructs import Construct

from infra import console_asset, embedded
from infra.deployment import NAMED_AT_START, executions_of
from infra.handler import Handler, log_group_of
from infra.rekognition_project import RekognitionProject
from infra.review import Review
from infra.routes import ROUTES
from infra.step import SharedResources, Step

GROUPS = {
    "reviewers": "Say what is on images",
    "administrators": "Reviewers who also manage tasks, labels and people",
}
_PAGES = """function handler(event) {
  var request = event.request;
  if (request.uri.indexOf('.') === -1) request.uri = '/index.html';
  return request;
}
"""
"""Addresses without a suffix are pages of the app."""


class Console(Step):
    def __init__(
        self,
        scope: Construct,
        id: str,
        shared: SharedResources,
        *,
        project: RekognitionProject,
        review: Review,
    ) -> None:
        environment = review.environment | {
            "PROJECT_ARN": project.arn,
            "RETRAIN_MACHINE_ARN": shared.deployment.state_machine_arn("retrain"),
        }
        super().__init__(scope, id, shared, environment)
        self._project, self._review = project, review
        self.pool = self._people()
        self._domain_prefix = f"{self.deployment.settings.name}-{self.deployment.stack.account}"
        self._bucket = self._site_bucket()
        self.api = self._api()
        self._distribution = self._distribute()
        self.address = embedded.console_address(self.deployment.settings, self._distribution)
        client = self._client()
        self._authorise(client)
        self._publish(client)

    # People

    def _people(self) -> cognito.UserPool:
        pool = cognito.UserPool(
            self,
            "People",
            self_sign_up_enabled=False,
            sign_in_aliases=cognito.SignInAliases(username=True, email=True),
            account_recovery=cognito.AccountRecovery.EMAIL_ONLY,
            password_policy=cognito.PasswordPolicy(
                min_length=12,
                require_digits=True,
                require_lowercase=True,
                require_uppercase=True,
                require_symbols=True,
            ),
            mfa=cognito.Mfa.OPTIONAL,
            mfa_second_factor=cognito.MfaSecondFactor(otp=True, sms=False),
            removal_policy=self.deployment.removal_policy,
        )
        for name, description in GROUPS.items():
            cognito.CfnUserPoolGroup(
                self,
                name.capitalize(),
                group_name=name,
                description=description,
                user_pool_id=pool.user_pool_id,
            )
        Validations.of(pool).acknowledge(
            Acknowledgment(
                id="AwsSolutions::AwsSolutions-COG2", reason="a second factor is each person's choice"
            ),
            Acknowledgment(
                id="AwsSolutions::AwsSolutions-COG8",
                reason="the Plus feature plan is billed for each person who signs in",
            ),
            Acknowledgment(
                id="AwsSolutions::AwsSolutions-COG3",
                reason="threat protection needs the Plus feature plan",
            ),
        )
        return pool

    def _client(self) -> cognito.UserPoolClient:
        self.pool.add_domain(
            "SignIn", cognito_domain=cognito.CognitoDomainOptions(domain_prefix=self._domain_prefix)
        )
        return self.pool.add_client(
            "Page",
            generate_secret=False,
            auth_flows=cognito.AuthFlow(user_srp=False),
            o_auth=cognito.OAuthSettings(
                flows=cognito.OAuthFlows(authorization_code_grant=True),
                scopes=[cognito.OAuthScope.OPENID, cognito.OAuthScope.EMAIL, cognito.OAuthScope.PROFILE],
                callback_urls=[self.address],
                logout_urls=[self.address],
            ),
            supported_identity_providers=[cognito.UserPoolClientIdentityProvider.COGNITO],
            access_token_validity=cdk.Duration.hours(1),
            id_token_validity=cdk.Duration.hours(1),
            refresh_token_validity=cdk.Duration.days(7),
            enable_token_revocation=True,
            prevent_user_existence_errors=True,
        )

    # The page

    def _site_bucket(self) -> s3.Bucket:
        return s3.Bucket(
            self,
            "Site",
            encryption=s3.BucketEncryption.S3_MANAGED,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            server_access_logs_bucket=self.data_bucket.access_logs,
            server_access_logs_prefix="console/",
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )

    def _distribute(self) -> cloudfront.Distribution:
        pages = cloudfront.Function(
            self,
            "Pages",
            code=cloudfront.FunctionCode.from_inline(_PAGES),
            runtime=cloudfront.FunctionRuntime.JS_2_0,
            comment="Every page of the app is index.html",
        )
        files: dict[str, Any] = {
            "origin": origins.S3BucketOrigin.with_origin_access_control(self._bucket),
            "viewer_protocol_policy": embedded.viewer_protocol(self.deployment.settings),
            "cache_policy": cloudfront.CachePolicy.CACHING_OPTIMIZED,
            "response_headers_policy": self._headers(),
        }
        api = f"{self.api.ref}.execute-api.{self.deployment.stack.region}.amazonaws.com"
        distribution = cloudfront.Distribution(
            self,
            "Distribution",
            comment=f"LabelLoop console of {self.deployment.settings.name}",
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
                "/api/*": cloudfront.BehaviorOptions(
                    origin=origins.HttpOrigin(
                        api, protocol_policy=cloudfront.OriginProtocolPolicy.HTTPS_ONLY
                    ),
                    viewer_protocol_policy=embedded.viewer_protocol(self.deployment.settings),
                    allowed_methods=cloudfront.AllowedMethods.ALLOW_ALL,
                    cache_policy=cloudfront.CachePolicy.CACHING_DISABLED,
                    origin_request_policy=cloudfront.OriginRequestPolicy.ALL_VIEWER_EXCEPT_HOST_HEADER,
                    response_headers_policy=cloudfront.ResponseHeadersPolicy.SECURITY_HEADERS,
                ),
            },
        )
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
        images = embedded.image_sources(self.deployment.settings, self.data_bucket.bucket)
        sign_in = embedded.sign_in_host(self.deployment, self._domain_prefix)
        policy = {
            "default-src": "'none'",
            "script-src": "'self'",
            "style-src": "'self'",
            "img-src": f"'self' data: blob: {images}",
            "connect-src": f"'self' {sign_in} {images}",
            "base-uri": "'none'",
            "form-action": "'none'",
            "frame-ancestors": "'none'",
        }
        return cloudfront.ResponseHeadersPolicy(
            self,
            "Headers",
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

    def _publish(self, client: cognito.UserPoolClient) -> None:
        asset = assets.Asset(self, "Built", path=str(console_asset.build()))
        handler = Handler(
            self,
            "Publish",
            self.deployment,
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
                "Config": self.deployment.stack.to_json_string(self._config(client)),
            },
        )
        handler.permissions.before(published)

    def _config(self, client: cognito.UserPoolClient) -> dict[str, str]:
        """What the page has to know."""
        host = embedded.sign_in_host(self.deployment, self._domain_prefix)
        return {
            "deployment": self.deployment.settings.name,
            "region": self.deployment.stack.region,
            "clientId": client.user_pool_client_id,
            "authority": self._issuer,
            "authorizationEndpoint": f"{host}/oauth2/authorize",
            "tokenEndpoint": f"{host}/oauth2/token",
            "revocationEndpoint": f"{host}/oauth2/revoke",
            "logoutEndpoint": f"{host}/logout",
            "redirectUri": self.address,
            "apiBase": "/api",
        }

    @property
    def _issuer(self) -> str:
        return f"https://cognito-idp.{self.deployment.stack.region}.amazonaws.com/{self.pool.user_pool_id}"

    # The HTTP API

    def _api(self) -> apigateway.CfnApi:
        api = apigateway.CfnApi(
            self,
            "Api",
            name=self.deployment.named("console"),
            protocol_type="HTTP",
            description="What the console asks; every route needs a token",
        )
        logs = log_group_of(self, self.deployment)
        apigateway.CfnStage(
            self,
            "Stage",
            api_id=api.ref,
            stage_name="$default",
            auto_deploy=True,
            access_log_settings=apigateway.CfnStage.AccessLogSettingsProperty(
                destination_arn=logs.log_group_arn,
                format=json.dumps(
                    {
                        "requestId": "$context.requestId",
                        "at": "$context.requestTime",
                        "route": "$context.routeKey",
                        "status": "$context.status",
                        "who": "$context.authorizer.claims.sub",
                        "milliseconds": "$context.responseLatency",
                        "error": "$context.error.message",
                    }
                ),
            ),
            default_route_settings=apigateway.CfnStage.RouteSettingsProperty(
                throttling_rate_limit=200, throttling_burst_limit=400
            ),
        )
        return api

    def _authorise(self, client: cognito.UserPoolClient) -> None:
        """Every route, with the authorizer that lets only this pool's people through."""
        authorizer = apigateway.CfnAuthorizer(
            self,
            "Authorizer",
            api_id=self.api.ref,
            name="people",
            authorizer_type="JWT",
            identity_source=["$request.header.Authorization"],
            jwt_configuration=apigateway.CfnAuthorizer.JWTConfigurationProperty(
                issuer=self._issuer, audience=[client.user_pool_client_id]
            ),
        )
        for name, routes in ROUTES.items():
            target = self._integration(name)
            for number, route in enumerate(routes):
                apigateway.CfnRoute(
                    self,
                    f"{name.capitalize()}Route{number}",
                    api_id=self.api.ref,
                    route_key=route,
                    authorization_type="JWT",
                    authorizer_id=authorizer.ref,
                    target=f"integrations/{target.ref}",
                )

    def _integration(self, name: str) -> apigateway.CfnIntegration:
        handler = {"desk": self._desk, "admin": self._admin, "console": self._console}[name]()
        integration = apigateway.CfnIntegration(
            self,
            f"{name.capitalize()}Integration",
            api_id=self.api.ref,
            integration_type="AWS_PROXY",
            integration_uri=handler.arn,
            payload_format_version="2.0",
        )
        lambda_.CfnPermission(
            self,
            f"{name.capitalize()}Permission",
            action="lambda:InvokeFunction",
            function_name=handler.arn,
            principal="apigateway.amazonaws.com",
            source_arn=self.deployment.stack.format_arn(
                service="execute-api", resource=self.api.ref, resource_name="*/*"
            ),
        )
        return integration

    def _handler(self, id: str, entry: str, description: str) -> Handler:
        handler = self.make_handler(id, entry, description, timeout=29, memory=1024)
        self.data_bucket.grant_read(handler, "images/")
        return handler

    def _desk(self) -> Handler:
        handler = self._handler("Desk", "lambdas.desk.handle", "The review desk")
        for name, value in embedded.worker_portal(self.deployment.settings).items():
            handler.function.add_environment(name, value)
        self._review.grant_resolve(handler)
        handler.allow("states:StartExecution", on=[self.deployment.state_machine_arn("retrain")])
        return handler

    def _admin(self) -> Handler:
        handler = self._handler("Admin", "lambdas.admin.handle", "The review desk's administration")
        self._review.grant_resolve(handler)
        return handler

    def _console(self) -> Handler:
        handler = self._handler("Console", "lambdas.console.handle", "Runs, model versions, and trying them")
        self._review.grant_open(handler)
        self._project.grant_describe_versions(handler)
        self._project.grant_detect(handler)
        self.data_bucket.grant_read_versions(handler, "try/")
        self.data_bucket.grant_put(handler, "try/", "images/")
        self.data_bucket.grant_read(handler, "datasets/")
        self.data_bucket.grant_list(handler)
        runs = executions_of(self.deployment.state_machine_arn("retrain"))
        handler.allow("states:GetExecutionHistory", on=[runs], why=NAMED_AT_START)
        return handler
