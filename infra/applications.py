"""The step applications: detection for applications, through an HTTP API of its own."""

from __future__ import annotations

import json
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import Acknowledgment, Validations
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_dynamodb as dynamodb
from constructs import Construct

from infra import embedded
from infra.alarm import Alarm
from infra.gateway import integrate, make_http_api
from infra.handler import Handler
from infra.rekognition_project import RekognitionProject
from infra.review import Review
from infra.step import SharedResources, Step
from infra.table import make_table
from infra.user_pool import UserPool
from lambdas.domain.applications.storage import PREFIX

_DOCUMENT = Path(__file__).parent.parent / "lambdas" / "contract" / "detections.openapi.json"
_AWS_PREFIX = "/iam"
_FAILURES = 3
"""Within five minutes, twice in a row: applications try one again that fails alone."""
_WHY_NO_AUTHORIZER = (
    "the function checks the tokens of applications itself, and says what is wrong with one"
    " (docs/decisions/0011-tokens-of-applications.md)"
)


class Applications(Step):
    """The API that applications ask, who they are, and what they were answered."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        shared: SharedResources,
        *,
        project: RekognitionProject,
        review: Review,
        user_pool: UserPool,
    ) -> None:
        super().__init__(scope, id, shared)
        self.table = make_table(self, "Directory", self.deployment, partition_key="id")
        self.detections = self._detections()
        user_pool.add_resource_server()
        self._api = make_http_api(
            self,
            self.deployment,
            name="detection",
            description="What applications ask: detections, uploads, feedback",
            caller="$context.identity.userArn",
            rate=1000,
        )
        region = self.deployment.stack.region
        self.address = embedded.api_address(
            self.deployment.settings,
            self._api.ref,
            f"https://{self._api.ref}.execute-api.{region}.amazonaws.com",
        )
        self.token_address = f"{user_pool.sign_in_host}/oauth2/token"
        self.handler = self._handler(project, review, user_pool)
        self._add_routes()

    def grant_show(self, handler: Handler) -> None:
        """Let a function show who may ask, and how much they do."""
        handler.function.add_environment("APPLICATIONS_TABLE", self.table.table_name)
        handler.function.add_environment("DETECTIONS_TABLE", self.detections.table_name)
        handler.allow("dynamodb:Scan", on=[self.table.table_arn])
        handler.allow("dynamodb:Query", on=[self.detections.table_arn])

    def _detections(self) -> dynamodb.Table:
        table = make_table(self, "Detections", self.deployment, partition_key="application", sort_key="id")
        cfn = table.node.default_child
        assert isinstance(cfn, dynamodb.CfnTable)  # noqa: S101
        cfn.time_to_live_specification = dynamodb.CfnTable.TimeToLiveSpecificationProperty(
            attribute_name="expires_at", enabled=True
        )
        return table

    def _handler(self, project: RekognitionProject, review: Review, user_pool: UserPool) -> Handler:
        handler = Handler(
            self,
            "Applications",
            self.deployment,
            entry="lambdas.applications.handle",
            description="Answers what applications ask: detections, uploads, feedback",
            timeout=29,
            memory=1769,
            environment={
                **self.environment,
                "APPLICATIONS_TABLE": self.table.table_name,
                "DETECTIONS_TABLE": self.detections.table_name,
                "SERVE_FUNCTION": self.deployment.named("serve"),
                "ISSUER": user_pool.issuer,
                "JWKS_URL": embedded.jwks_address(self.deployment.settings, user_pool),
                "API_ADDRESS": self.address,
                "FORGET_AFTER_DAYS": str(self.deployment.settings.detection_days),
            },
        )
        self.loop_state.grant_get(handler)
        handler.allow("dynamodb:GetItem", on=[self.table.table_arn])
        handler.allow(
            "dynamodb:GetItem",
            "dynamodb:PutItem",
            "dynamodb:UpdateItem",
            "dynamodb:DeleteItem",
            on=[self.detections.table_arn],
        )
        project.grant_detect(handler)
        self.data_bucket.grant_rekognition_read(handler, PREFIX)
        self.data_bucket.grant_put(handler, PREFIX)
        review.grant_propose(handler)
        handler.allow("lambda:InvokeFunction", on=[self.deployment.function_arn("serve")])
        Alarm(
            self,
            "FailingAlarm",
            self.deployment,
            name="applications-failing",
            what="Requests of applications fail",
            metric=handler.function.metric_errors(period=cdk.Duration.minutes(5)),
            threshold=_FAILURES,
            periods=2,
        )
        return handler

    # The API

    def _add_routes(self) -> None:
        """Add every route twice: for tokens, and for the signatures of callers of AWS."""
        integration = integrate(self, self.deployment, self._api, self.handler)
        for number, route in enumerate(detection_routes()):
            method, _, path = route.partition(" ")
            for kind, key, authorization in (
                ("Token", route, "NONE"),
                ("Signed", f"{method} {_AWS_PREFIX}{path}", "AWS_IAM"),
            ):
                cfn = apigateway.CfnRoute(
                    self,
                    f"{kind}Route{number}",
                    api_id=self._api.ref,
                    route_key=key,
                    authorization_type=authorization,
                    target=f"integrations/{integration.ref}",
                )
                if authorization == "NONE":
                    Validations.of(cfn).acknowledge(
                        Acknowledgment(id="AwsSolutions::AwsSolutions-APIG4", reason=_WHY_NO_AUTHORIZER)
                    )


def detection_routes() -> list[str]:
    """The routes for tokens, as API Gateway writes them."""
    paths = json.loads(_DOCUMENT.read_text())["paths"]
    return [f"{method.upper()} {path}" for path, methods in paths.items() for method in methods]
