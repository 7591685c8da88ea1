"""Who can reach the applications' API, and what its function may do, held against the template of AWS."""

from __future__ import annotations

import json
from typing import Any

from infra import api_docs
from infra.applications import detection_routes
from lambdas.domain.applications.directory import RESOURCE_SERVER, SCOPE_NAME
from tests.fixtures.cloudformation_template import Resources, Template
from tests.infra.test_console import as_list, of_type, text


def of_api(template: Template, type: str) -> Resources:
    (api,) = [name for name in of_type(template, "AWS::ApiGatewayV2::Api") if name.startswith("Applications")]
    return {
        name: properties
        for name, properties in of_type(template, type).items()
        if name == api or properties.get("ApiId") == {"Ref": api}
    }


def test_the_document_and_the_page_are_what_the_handler_says() -> None:
    described = api_docs.DETECTION
    assert json.loads(described.document.read_text()) == api_docs.document(described), (
        "run `python -m infra.api_docs`"
    )
    assert described.page.read_text() == api_docs.page(described), "run `python -m infra.api_docs`"


def test_every_route_is_there_for_tokens_and_for_signatures_and_there_is_no_other(template: Template) -> None:
    """The function checks tokens itself: tests/applications/test_handler.py."""
    routes = {
        route["RouteKey"]: route["AuthorizationType"]
        for route in of_api(template, "AWS::ApiGatewayV2::Route").values()
    }
    wanted = dict.fromkeys(detection_routes(), "NONE")
    wanted |= {route.replace(" /v1", " /iam/v1"): "AWS_IAM" for route in detection_routes()}
    assert routes == wanted
    assert len(routes) == 10


def test_it_is_throttled_and_logged_and_open_to_no_other_origin(template: Template) -> None:
    (stage,) = of_api(template, "AWS::ApiGatewayV2::Stage").values()
    assert 0 < stage["DefaultRouteSettings"]["ThrottlingRateLimit"] <= 1000
    assert {"requestId", "route", "status"} <= set(json.loads(stage["AccessLogSettings"]["Format"]))
    (api,) = of_api(template, "AWS::ApiGatewayV2::Api").values()
    assert "CorsConfiguration" not in api


def test_the_pool_has_the_scope_that_tokens_need(template: Template) -> None:
    (server,) = of_type(template, "AWS::Cognito::UserPoolResourceServer").values()
    assert server["Identifier"] == RESOURCE_SERVER
    assert [scope["ScopeName"] for scope in server["Scopes"]] == [SCOPE_NAME]


def test_the_console_s_api_takes_no_token_of_an_application(template: Template) -> None:
    """Its routes take tokens of the page's client alone, which gets none with the applications' scope.

    API Gateway holds a token without `aud` against the audience by its `client_id`:
    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-jwt-authorizer.html
    """
    (page,) = of_type(template, "AWS::Cognito::UserPoolClient")
    (authorizer,) = of_type(template, "AWS::ApiGatewayV2::Authorizer")
    made = of_type(template, "AWS::ApiGatewayV2::Authorizer")[authorizer]
    assert made["AuthorizerType"] == "JWT"
    assert made["JwtConfiguration"]["Audience"] == [{"Ref": page}]
    client = of_type(template, "AWS::Cognito::UserPoolClient")[page]
    assert client["AllowedOAuthFlows"] == ["code"]
    assert not [scope for scope in client["AllowedOAuthScopes"] if RESOURCE_SERVER in text(scope)]
    of_applications = of_api(template, "AWS::ApiGatewayV2::Route")
    others = [
        route
        for name, route in of_type(template, "AWS::ApiGatewayV2::Route").items()
        if name not in of_applications
    ]
    assert others
    assert {(route["AuthorizationType"], route["AuthorizerId"]["Ref"]) for route in others} == {
        ("JWT", authorizer)
    }


def statements(template: Template) -> list[dict[str, Any]]:
    return [
        statement
        for name, policy in of_type(template, "AWS::IAM::Policy").items()
        if name.startswith("Applications")
        for statement in policy["PolicyDocument"]["Statement"]
    ]


def test_its_function_reads_the_loop_s_state_and_who_may_and_writes_its_own_alone(template: Template) -> None:
    allowed = {
        (action, text(resource))
        for statement in statements(template)
        for action in as_list(statement["Action"])
        for resource in as_list(statement["Resource"])
    }
    tables = {
        what.strip("<>").removesuffix(".Arn"): {
            action.partition(":")[2]
            for action, on in allowed
            if on == what and action.startswith("dynamodb:")
        }
        for action, what in allowed
        if action.startswith("dynamodb:")
    }
    short = {
        next(word for word in ("Loop", "Directory", "Detections", "Observations") if word in name): may
        for name, may in tables.items()
    }
    assert short == {
        "Loop": {"GetItem"},
        "Directory": {"GetItem"},
        "Detections": {"GetItem", "PutItem", "UpdateItem", "DeleteItem"},
        "Observations": {"PutItem"},
    }
    written = {
        what.rpartition(">/")[2] for action, what in allowed if action in ("s3:PutObject", "s3:DeleteObject")
    }
    read = {what.rpartition(">/")[2] for action, what in allowed if action.startswith("s3:GetObject")}
    assert written == read == {"applications/*"}


def test_what_it_was_sent_is_forgotten_in_time(template: Template) -> None:
    (table,) = [
        properties
        for name, properties in of_type(template, "AWS::DynamoDB::Table").items()
        if "Detections" in name
    ]
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
    rules = [
        rule
        for bucket in of_type(template, "AWS::S3::Bucket").values()
        for rule in bucket.get("LifecycleConfiguration", {}).get("Rules", [])
        if rule.get("Prefix") == "applications/"
    ]
    (function,) = [
        function
        for function in of_type(template, "AWS::Lambda::Function").values()
        if function["Handler"] == "lambdas.applications.handle"
    ]
    days = int(function["Environment"]["Variables"]["FORGET_AFTER_DAYS"])
    assert [rule["ExpirationInDays"] for rule in rules] == [days + 1]
