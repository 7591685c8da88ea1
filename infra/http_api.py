"""The HTTP API: its routes, the functions that answer them, and the authorizer before every one."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from infra import embedded
from infra.alarm import Alarm
from infra.deployment import NAMED_AT_START, executions_of
from infra.gateway import integrate, make_http_api
from infra.handler import Handler, metric_namespace
from infra.register import Register
from infra.rekognition_project import RekognitionProject
from infra.review import Review
from infra.routes import ROUTES
from infra.step import SharedResources, Step
from infra.thumbnails import ThumbnailKey

_FAILURES = 3
"""Within five minutes, twice in a row: one that fails alone is tried again by the page."""


class HttpApi(Step):
    """API Gateway's HTTP API before the functions desk, admin, console and dataset."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        shared: SharedResources,
        *,
        project: RekognitionProject,
        register: Register,
        review: Review,
        thumbnail_key: ThumbnailKey,
    ) -> None:
        environment = review.environment | {
            "PROJECT_ARN": project.arn,
            "RETRAIN_MACHINE_ARN": shared.deployment.state_machine_arn("retrain"),
            "PROMOTE_MACHINE_ARN": shared.deployment.state_machine_arn("promote"),
            "BATCH_MACHINE_ARN": shared.deployment.state_machine_arn("batch"),
            "SERVE_FUNCTION": shared.deployment.named("serve"),
            "THRESHOLD_FUNCTION": shared.deployment.named("thresholds"),
        }
        super().__init__(scope, id, shared, environment)
        self._project, self._register, self._review = project, register, review
        self._thumbnail_key = thumbnail_key
        self._api = make_http_api(
            self,
            self.deployment,
            name="console",
            description="What the console asks; every route needs a token",
            caller="$context.authorizer.claims.sub",
            rate=200,
        )
        self.handlers = {
            "desk": self._desk(),
            "admin": self._admin(),
            "console": self._console(),
            "dataset": self._dataset(),
        }
        for name, handler in self.handlers.items():
            # Not by responses of 5xx: that a task or the champion is busy for a moment is none to mend.
            Alarm(
                self,
                f"{name.capitalize()}FailingAlarm",
                self.deployment,
                name=f"{name}-failing",
                what=f"Requests that the function {name} answers fail",
                metric=handler.function.metric_errors(period=cdk.Duration.minutes(5)),
                threshold=_FAILURES,
                periods=2,
            )
        # The home page and others show what they can: that a part is missing is no error of the function.
        Alarm(
            self,
            "PartsFailingAlarm",
            self.deployment,
            name="parts-failing",
            what="Parts of the console's pages cannot be read",
            metric=cloudwatch.Metric(
                namespace=metric_namespace(self.deployment),
                metric_name="PartsUnread",
                dimensions_map={"service": "console"},
                statistic="Sum",
                period=cdk.Duration.minutes(5),
            ),
            threshold=_FAILURES,
            periods=2,
        )
        self.host = f"{self._api.ref}.execute-api.{shared.deployment.stack.region}.amazonaws.com"

    def add_routes(self, *, issuer: str, audience: str) -> None:
        """Add every route, with the authorizer that lets only tokens of this issuer and audience through."""
        authorizer = apigateway.CfnAuthorizer(
            self,
            "Authorizer",
            api_id=self._api.ref,
            name="people",
            authorizer_type="JWT",
            identity_source=["$request.header.Authorization"],
            jwt_configuration=apigateway.CfnAuthorizer.JWTConfigurationProperty(
                issuer=issuer, audience=[audience]
            ),
        )
        for name, routes in ROUTES.items():
            handler = self.handlers[name]
            target = integrate(self, self.deployment, self._api, handler, prefix=name.capitalize())
            for number, route in enumerate(routes):
                apigateway.CfnRoute(
                    self,
                    f"{name.capitalize()}Route{number}",
                    api_id=self._api.ref,
                    route_key=route,
                    authorization_type="JWT",
                    authorizer_id=authorizer.ref,
                    target=f"integrations/{target.ref}",
                )

    def responses(self, status: str) -> cloudwatch.IMetric:
        """How many responses had a status of 4xx or 5xx."""
        return self._metric(status, "Sum")

    def latency(self, statistic: str) -> cloudwatch.IMetric:
        """How long people wait for a response, in milliseconds."""
        return self._metric("Latency", statistic, label=statistic)

    def _metric(self, name: str, statistic: str, label: str | None = None) -> cloudwatch.IMetric:
        """https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-metrics.html"""
        return cloudwatch.Metric(
            namespace="AWS/ApiGateway",
            metric_name=name,
            dimensions_map={"ApiId": self._api.ref},
            statistic=statistic,
            period=cdk.Duration.minutes(5),
            label=label,
        )

    # The functions

    def _handler(self, id: str, entry: str, description: str) -> Handler:
        handler = self.make_handler(id, entry, description, timeout=29, memory=1024)
        self.data_bucket.grant_read(handler, "images/")
        return handler

    def _desk(self) -> Handler:
        handler = self._handler("Desk", "lambdas.desk.handle", "The review desk")
        for name, value in embedded.worker_portal(self.deployment.settings).items():
            handler.function.add_environment(name, value)
        self._review.grant_resolve(handler)
        self._review.grant_claim(handler)
        handler.allow("states:StartExecution", on=[self.deployment.state_machine_arn("retrain")])
        return handler

    def _admin(self) -> Handler:
        handler = self._handler("Admin", "lambdas.admin.handle", "The review desk's administration")
        self._review.grant_resolve(handler)
        promote = self.deployment.state_machine_arn("promote")
        handler.allow("states:StartExecution", on=[self._review.machine_arn, promote])
        runs = executions_of(self.deployment.state_machine_arn("retrain"))
        batches = executions_of(self.deployment.state_machine_arn("batch"))
        handler.allow("states:StopExecution", on=[runs, batches], why=NAMED_AT_START)
        handler.allow("states:ListExecutions", on=[self.deployment.state_machine_arn("batch")])
        self._project.grant_describe_versions(handler)
        asked = [self.deployment.function_arn("serve"), self.deployment.function_arn("thresholds")]
        handler.allow("lambda:InvokeFunction", on=asked)
        handler.function.add_environment("THUMBNAIL_KEY", self._thumbnail_key.value)
        self.data_bucket.grant_upload(handler, "incoming/")
        return handler

    def _dataset(self) -> Handler:
        handler = self._handler("Dataset", "lambdas.dataset.handle", "Images of the dataset, and corrections")
        self.data_bucket.grant_read(handler, "originals/", "datasets/")
        self._review.grant_open_tasks(handler)
        handler.function.add_environment("THUMBNAIL_KEY", self._thumbnail_key.value)
        return handler

    def _console(self) -> Handler:
        handler = self._handler("Console", "lambdas.console.handle", "Runs, model versions, and trying them")
        self._review.grant_open(handler)
        self._review.grant_read_precisions(handler)
        self._project.grant_describe_versions(handler)
        self._project.grant_detect(handler)
        self.data_bucket.grant_rekognition_read(handler, "try/")
        self.data_bucket.grant_put(handler, "try/", "images/", "thumbnails/")
        self.data_bucket.grant_read(handler, "datasets/", "training/", "evaluations/")
        summaries = self.data_bucket.bucket.arn_for_objects("batches/*/summary.json")
        handler.allow("s3:GetObject", on=[summaries], why="a batch has whatever name people give")
        promote = self.deployment.state_machine_arn("promote")
        runs = executions_of(self.deployment.state_machine_arn("retrain"))
        handler.allow("states:GetExecutionHistory", on=[runs], why=NAMED_AT_START)
        handler.allow("states:ListExecutions", on=[promote])
        handler.allow("states:DescribeExecution", on=[runs, executions_of(promote)], why=NAMED_AT_START)
        handler.allow("lambda:InvokeFunction", on=[self.deployment.function_arn("serve")])
        return handler
