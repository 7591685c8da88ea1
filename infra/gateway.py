"""What the HTTP APIs of API Gateway have in common: a stage with access logs, and a function that answers."""

from __future__ import annotations

import json

from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.deployment import Deployment
from infra.handler import VENDED_LOGS, Handler, log_group_of


def make_http_api(
    scope: Construct, deployment: Deployment, *, name: str, description: str, caller: str, rate: int
) -> apigateway.CfnApi:
    """Make an HTTP API with its only stage, which keeps a line about each request.

    Args:
        name: of the API and of its log group, after the deployment's.
        caller: variable of API Gateway's that says who asked.
        rate: requests a second that it lets through; twice as many at once.
    """
    full_name = deployment.named(name)
    api = apigateway.CfnApi(scope, "Api", name=full_name, protocol_type="HTTP", description=description)
    logs = log_group_of(scope, deployment, name=f"{VENDED_LOGS}apis/{full_name}")
    line = {
        "requestId": "$context.requestId",
        "at": "$context.requestTime",
        "route": "$context.routeKey",
        "status": "$context.status",
        "who": caller,
        "milliseconds": "$context.responseLatency",
        "error": "$context.error.message",
    }
    apigateway.CfnStage(
        scope,
        "Stage",
        api_id=api.ref,
        stage_name="$default",
        auto_deploy=True,
        access_log_settings=apigateway.CfnStage.AccessLogSettingsProperty(
            destination_arn=logs.log_group_arn, format=json.dumps(line)
        ),
        default_route_settings=apigateway.CfnStage.RouteSettingsProperty(
            throttling_rate_limit=rate, throttling_burst_limit=2 * rate
        ),
    )
    return api


def integrate(
    scope: Construct, deployment: Deployment, api: apigateway.CfnApi, handler: Handler, *, prefix: str = ""
) -> apigateway.CfnIntegration:
    """Let a function answer requests of an HTTP API.

    Args:
        prefix: of the constructs' ids, where several functions answer.
    """
    integration = apigateway.CfnIntegration(
        scope,
        f"{prefix}Integration",
        api_id=api.ref,
        integration_type="AWS_PROXY",
        integration_uri=handler.arn,
        payload_format_version="2.0",
    )
    lambda_.CfnPermission(
        scope,
        f"{prefix}Permission",
        action="lambda:InvokeFunction",
        function_name=handler.arn,
        principal="apigateway.amazonaws.com",
        source_arn=deployment.stack.format_arn(service="execute-api", resource=api.ref, resource_name="*/*"),
    )
    return integration
