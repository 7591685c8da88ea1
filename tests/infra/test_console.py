"""Who can reach the console, and what its page may do, held against the template that AWS would get."""

from __future__ import annotations

import json
import re
import subprocess
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from infra import thumbnails
from infra.data_bucket import REKOGNITION_READS
from infra.routes import ROUTES
from lambdas.domain.console import thumbnail_links
from tests.fixtures.cloudformation_template import Resources, Template

ROOT = Path(__file__).parents[2]


def of_type(template: Template, type: str) -> Resources:
    """The properties of every resource of a type, by name."""
    properties = {
        name: dict(resource["Properties"]) for name, resource in template.find_resources(type).items()
    }
    assert properties, f"the template has no {type}"
    return properties


def only(template: Template, type: str) -> dict[str, Any]:
    (properties,) = of_type(template, type).values()
    return properties


def text(value: Any) -> str:
    """A text of CloudFormation's with the names of what it refers to."""
    if isinstance(value, str):
        return value
    if "Ref" in value:
        return f"<{value['Ref']}>"
    if "Fn::GetAtt" in value:
        return f"<{'.'.join(value['Fn::GetAtt'])}>"
    return "".join(map(text, value["Fn::Join"][1]))


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def site(template: Template) -> str:
    """The name of the bucket of the page's files."""
    return str(only(template, "Custom::Site")["SiteBucket"]["Ref"])


# The page


def test_the_site_is_read_by_its_distribution_alone(template: Template) -> None:
    (policy,) = [
        policy
        for policy in of_type(template, "AWS::S3::BucketPolicy").values()
        if policy["Bucket"] == {"Ref": site(template)}
    ]
    allowed = [
        statement for statement in policy["PolicyDocument"]["Statement"] if statement["Effect"] == "Allow"
    ]
    (distribution,) = of_type(template, "AWS::CloudFront::Distribution")
    (statement,) = allowed
    assert statement["Principal"] == {"Service": "cloudfront.amazonaws.com"}
    assert statement["Action"] == "s3:GetObject"
    source = statement["Condition"]["StringEquals"]["AWS:SourceArn"]
    assert text(source).endswith(f":distribution/<{distribution}>")


def test_the_site_is_private(template: Template) -> None:
    bucket = of_type(template, "AWS::S3::Bucket")[site(template)]
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    assert "WebsiteConfiguration" not in bucket
    assert "CorsConfiguration" not in bucket


def test_cloudfront_signs_what_it_asks_the_bucket(template: Template) -> None:
    control = only(template, "AWS::CloudFront::OriginAccessControl")["OriginAccessControlConfig"]
    assert (control["SigningBehavior"], control["SigningProtocol"]) == ("always", "sigv4")
    assert control["OriginAccessControlOriginType"] == "s3"
    (name,) = of_type(template, "AWS::CloudFront::OriginAccessControl")
    origins = configuration(template)["Origins"]
    (files,) = [origin for origin in origins if site(template) in json.dumps(origin["DomainName"])]
    assert files["OriginAccessControlId"] == {"Fn::GetAtt": [name, "Id"]}
    assert files["S3OriginConfig"] == {"OriginAccessIdentity": ""}


def configuration(template: Template) -> dict[str, Any]:
    properties: dict[str, Any] = only(template, "AWS::CloudFront::Distribution")["DistributionConfig"]
    return properties


def test_everything_goes_over_https(template: Template) -> None:
    properties = configuration(template)
    behaviours = [properties["DefaultCacheBehavior"], *properties["CacheBehaviors"]]
    assert {behaviour["ViewerProtocolPolicy"] for behaviour in behaviours} == {"redirect-to-https"}
    (api,) = [
        origin["CustomOriginConfig"] for origin in properties["Origins"] if "CustomOriginConfig" in origin
    ]
    assert api["OriginProtocolPolicy"] == "https-only"
    assert api["OriginSSLProtocols"] == ["TLSv1.2"]


def behaviour(template: Template, pattern: str) -> dict[str, Any]:
    behaviours = {
        behaviour["PathPattern"]: behaviour for behaviour in configuration(template)["CacheBehaviors"]
    }
    assert set(behaviours) == {"/assets/*", "/api/*", "/thumbnails/*"}
    return dict(behaviours[pattern])


def test_only_pages_are_looked_up_by_a_function(template: Template) -> None:
    files = behaviour(template, "/assets/*")
    pages = configuration(template)["DefaultCacheBehavior"]
    (function,) = pages["FunctionAssociations"]
    assert function["EventType"] == "viewer-request"
    same = {name: value for name, value in pages.items() if name != "FunctionAssociations"}
    assert {name: value for name, value in files.items() if name != "PathPattern"} == same


def test_thumbnails_are_read_by_the_distribution_and_no_other_object_is(template: Template) -> None:
    policies = of_type(template, "AWS::S3::BucketPolicy").values()
    (statement,) = [
        statement
        for policy in policies
        for statement in policy["PolicyDocument"]["Statement"]
        if policy["Bucket"] == {"Ref": _data(template)} and "cloudfront" in json.dumps(statement)
    ]
    (distribution,) = of_type(template, "AWS::CloudFront::Distribution")
    assert (statement["Effect"], statement["Action"]) == ("Allow", "s3:GetObject")
    assert text(statement["Resource"]) == f"<{_data(template)}.Arn>/thumbnails/*"
    assert text(statement["Condition"]["StringEquals"]["AWS:SourceArn"]).endswith(f"<{distribution}>")
    # https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-cache-policies.html
    cache = behaviour(template, "/thumbnails/*")["CachePolicyId"]
    assert cache == "658327ea-f89d-4fab-a63d-7e88639e58f6", "CachingOptimized: by the path alone"


@pytest.mark.parametrize(
    ("change", "passes"),
    [
        (lambda path, query: (path, query), True),
        (lambda path, query: (path.replace("a", "b"), query), False),
        (
            lambda path, query: (path, {**query, "until": {"value": str(int(query["until"]["value"]) + 1)}}),
            False,
        ),
        (lambda path, query: (path, {**query, "signature": {"value": ""}}), False),
        (lambda path, query: (path, {"until": query["until"]}), False),
        (lambda path, query: (path, {}), False),
    ],
)
def test_the_distribution_lets_signed_links_through(change: Any, passes: bool) -> None:
    link = urlsplit(thumbnail_links.link("k", "a" * 64, time.time()))
    query = {name: {"value": value} for name, (value,) in parse_qs(link.query).items()}
    path, query = change(link.path, query)
    assert answer_of_function(path, query).get("uri") == (path if passes else None)


def test_a_link_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    link = urlsplit(thumbnail_links.link("k", "a" * 64, time.time() - 3 * 24 * 3600))
    query = {name: {"value": value} for name, (value,) in parse_qs(link.query).items()}
    assert answer_of_function(link.path, query)["statusCode"] == 403


def answer_of_function(path: str, query: dict[str, Any]) -> dict[str, Any]:
    """What the function makes of a request, in Node."""
    event = {"request": {"uri": path, "querystring": query}}
    code = (
        thumbnails.CODE.replace("%KEY%", "k") + f"console.log(JSON.stringify(handler({json.dumps(event)})))"
    )
    output = subprocess.run(["node", "-e", code], check=True, capture_output=True).stdout
    answer: dict[str, Any] = json.loads(output)
    return answer


def test_answers_of_the_api_are_not_cached(template: Template) -> None:
    api = behaviour(template, "/api/*")
    # https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-cache-policies.html
    assert api["CachePolicyId"] == "4135ea2d-6df8-44a3-9df3-4b5a84be39ad", "CachingDisabled"
    # https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-origin-request-policies.html
    assert api["OriginRequestPolicyId"] == "b689b0a8-53d0-40ab-baf2-68738e2966ac", "AllViewerExceptHostHeader"
    # https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-response-headers-policies.html
    assert api["ResponseHeadersPolicyId"] == "67f7725c-6f97-4210-82d7-5512b31e9d03", "SecurityHeadersPolicy"
    assert {"GET", "PUT", "POST", "DELETE"} <= set(api["AllowedMethods"])


def headers(template: Template) -> dict[str, Any]:
    (name,) = of_type(template, "AWS::CloudFront::ResponseHeadersPolicy")
    assert configuration(template)["DefaultCacheBehavior"]["ResponseHeadersPolicyId"] == {"Ref": name}
    properties: dict[str, Any] = only(template, "AWS::CloudFront::ResponseHeadersPolicy")[
        "ResponseHeadersPolicyConfig"
    ]
    return dict(properties["SecurityHeadersConfig"])


def test_the_page_runs_nothing_but_its_own(template: Template) -> None:
    policy = headers(template)["ContentSecurityPolicy"]
    assert policy["Override"] is True
    policy = {
        name: sources.split()
        for name, _, sources in (
            part.strip().partition(" ") for part in text(policy["ContentSecurityPolicy"]).split(";")
        )
    }
    assert policy["default-src"] == ["'none'"]
    assert policy["script-src"] == policy["style-src"] == ["'self'"]
    for name in ("base-uri", "form-action", "frame-ancestors"):
        assert policy[name] == ["'none'"]
    assert "unsafe" not in json.dumps(policy)
    assert "*" not in json.dumps(policy)
    # Where presigned URLs lead: tests/console/test_links.py.
    data = f"https://<{_data(template)}.RegionalDomainName>"
    assert set(policy["img-src"]) == {"'self'", "data:", "blob:", data}
    prefix = text(only(template, "AWS::Cognito::UserPoolDomain")["Domain"])
    sign_in = f"https://{prefix}.auth.<AWS::Region>.amazoncognito.com"
    assert set(policy["connect-src"]) == {"'self'", sign_in, data}


def _data(template: Template) -> str:
    """The name of the data bucket."""
    (name,) = [name for name in template.find_resources("AWS::S3::Bucket") if name.startswith("DataBucket")]
    return str(name)


def test_the_page_is_framed_by_none_and_what_it_says_it_is(template: Template) -> None:
    properties = headers(template)
    assert properties["ContentTypeOptions"] == {"Override": True}
    assert properties["FrameOptions"] == {"FrameOption": "DENY", "Override": True}
    assert properties["ReferrerPolicy"] == {"ReferrerPolicy": "no-referrer", "Override": True}
    assert properties["StrictTransportSecurity"]["AccessControlMaxAgeSec"] >= 365 * 24 * 3600
    assert properties["StrictTransportSecurity"]["Override"] is True


def test_the_pages_own_html_needs_no_more_than_that() -> None:
    html = (ROOT / "console" / "index.html").read_text()
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=|javascript:|https?://", html)


def test_a_site_that_is_not_published_does_not_hold_the_stack_up_for_an_hour(template: Template) -> None:
    assert 0 < int(only(template, "Custom::Site")["ServiceTimeout"]) < 3600


def test_the_page_is_told_where_people_sign_in(template: Template) -> None:
    config = json.loads(text(only(template, "Custom::Site")["Config"]))
    (client,) = of_type(template, "AWS::Cognito::UserPoolClient")
    assert config["clientId"] == f"<{client}>"
    assert config["apiBase"] == "/api"
    assert config["authorizationEndpoint"].endswith(".amazoncognito.com/oauth2/authorize")
    assert not [name for name in config if "secret" in name.lower()]


# The HTTP API


def of_api(template: Template, type: str) -> Resources:
    """Those of the console's API; applications have one of their own (test_applications.py)."""
    (api,) = [name for name in of_type(template, "AWS::ApiGatewayV2::Api") if name.startswith("ConsoleApi")]
    return {
        name: properties
        for name, properties in of_type(template, type).items()
        if name == api or properties.get("ApiId") == {"Ref": api}
    }


def test_every_route_needs_a_token_and_there_is_no_other(template: Template) -> None:
    (authorizer,) = of_type(template, "AWS::ApiGatewayV2::Authorizer")
    routes = of_api(template, "AWS::ApiGatewayV2::Route").values()
    assert sorted(route["RouteKey"] for route in routes) == sorted(
        route for some in ROUTES.values() for route in some
    )
    for route in routes:
        assert route["AuthorizationType"] == "JWT", route["RouteKey"]
        assert route["AuthorizerId"] == {"Ref": authorizer}


def test_a_route_leads_to_its_own_function(template: Template) -> None:
    integrations = of_api(template, "AWS::ApiGatewayV2::Integration")
    functions = of_type(template, "AWS::Lambda::Function")
    entry = {
        route["RouteKey"]: functions[
            integrations[text(route["Target"]).partition("/<")[2].rstrip(">")]["IntegrationUri"][
                "Fn::GetAtt"
            ][0]
        ]["Handler"]
        for route in of_api(template, "AWS::ApiGatewayV2::Route").values()
    }
    assert entry == {route: f"lambdas.{name}.handle" for name, some in ROUTES.items() for route in some}
    assert {integration["PayloadFormatVersion"] for integration in integrations.values()} == {"2.0"}


def test_the_authorizer_takes_tokens_of_this_pools_page_alone(template: Template) -> None:
    properties = only(template, "AWS::ApiGatewayV2::Authorizer")
    (client,) = of_type(template, "AWS::Cognito::UserPoolClient")
    (pool,) = of_type(template, "AWS::Cognito::UserPool")
    assert properties["AuthorizerType"] == "JWT"
    assert properties["IdentitySource"] == ["$request.header.Authorization"]
    assert properties["JwtConfiguration"]["Audience"] == [{"Ref": client}]
    assert text(properties["JwtConfiguration"]["Issuer"]).endswith(f".amazonaws.com/<{pool}>")


def test_every_route_is_throttled_and_logged(template: Template) -> None:
    (stage,) = of_api(template, "AWS::ApiGatewayV2::Stage").values()
    limits = stage["DefaultRouteSettings"]
    assert 0 < limits["ThrottlingRateLimit"] <= limits["ThrottlingBurstLimit"] <= 1000
    assert "RouteSettings" not in stage, "none has limits of its own"
    logged = json.loads(stage["AccessLogSettings"]["Format"])
    assert {"requestId", "route", "status", "who"} <= set(logged)


def test_no_other_origin_is_let_in(template: Template) -> None:
    (api,) = of_api(template, "AWS::ApiGatewayV2::Api").values()
    assert "CorsConfiguration" not in api


# People


def test_the_page_signs_in_without_a_secret_by_code(template: Template) -> None:
    client = only(template, "AWS::Cognito::UserPoolClient")
    assert client["GenerateSecret"] is False
    assert client["AllowedOAuthFlows"] == ["code"]
    assert client["AllowedOAuthFlowsUserPoolClient"] is True
    assert client["ExplicitAuthFlows"] == ["ALLOW_REFRESH_TOKEN_AUTH"], "no password is ever sent by the page"
    assert set(client["AllowedOAuthScopes"]) <= {"openid", "email", "profile"}
    for addresses in (client["CallbackURLs"], client["LogoutURLs"]):
        (address,) = addresses
        assert text(address).startswith("https://")


def test_the_page_proves_that_it_asked_for_the_code() -> None:
    source = (ROOT / "console" / "src" / "auth.ts").read_text()
    assert "from 'oidc-client-ts'" in source, "which sends a code challenge unless told otherwise"
    assert "disablePKCE" not in source
    assert re.search(r"response_type: 'code'", source)


def test_tokens_are_short_lived_and_can_be_taken_back(template: Template) -> None:
    client = only(template, "AWS::Cognito::UserPoolClient")
    assert set(client["TokenValidityUnits"].values()) == {"minutes"}
    assert client["AccessTokenValidity"] <= 60
    assert client["IdTokenValidity"] <= 60
    assert client["RefreshTokenValidity"] <= 7 * 24 * 60
    assert client["EnableTokenRevocation"] is True
    assert client["PreventUserExistenceErrors"] == "ENABLED"


def test_only_administrators_add_people_with_strong_passwords(template: Template) -> None:
    pool = only(template, "AWS::Cognito::UserPool")
    assert pool["AdminCreateUserConfig"]["AllowAdminCreateUserOnly"] is True
    policy = pool["Policies"]["PasswordPolicy"]
    assert policy["MinimumLength"] >= 12
    assert all(policy[f"Require{kind}"] for kind in ("Lowercase", "Uppercase", "Numbers", "Symbols"))
    assert pool["MfaConfiguration"] == "OPTIONAL"
    assert pool["EnabledMfas"] == ["SOFTWARE_TOKEN_MFA"]
    groups = {resource["GroupName"] for resource in of_type(template, "AWS::Cognito::UserPoolGroup").values()}
    assert groups == {"reviewers", "administrators"}


# What its functions may do


def granted(template: Template, function: str) -> set[tuple[str, str]]:
    """Every action, and the key prefix or the name of what it is granted on, of a function's role."""
    return {
        (action, text(resource))
        for name, policy in of_type(template, "AWS::IAM::Policy").items()
        if name.startswith(f"ConsoleApi{function}")
        for statement in policy["PolicyDocument"]["Statement"]
        for action in as_list(statement["Action"])
        for resource in as_list(statement["Resource"])
    }


def test_links_can_be_made_to_images_alone(template: Template) -> None:
    read = {"Desk": {"images"}, "Admin": {"images"}, "Dataset": {"images", "originals", "datasets"}}
    for function, prefixes in read.items():
        allowed = granted(template, function)
        readable = {what.rpartition(">/")[2] for action, what in allowed if action == "s3:GetObject"}
        assert readable == {f"{prefix}/*" for prefix in prefixes}
    sent = {action: what for action, what in granted(template, "Admin") if "GetObject" not in action}
    uploads = {action for action, what in sent.items() if what.endswith(">/incoming/*")}
    assert uploads == {"s3:PutObject", "s3:ListMultipartUploadParts"}


def test_an_image_that_was_tried_can_be_registered(template: Template) -> None:
    """Of a bucket with versions, a copy is made of just the version that was looked at."""
    allowed = granted(template, "Console")
    tried = f"<{_data(template)}.Arn>/try/*"
    assert {action for action, what in allowed if what == tried} == {*REKOGNITION_READS, "s3:PutObject"}
    assert ("s3:PutObject", f"<{_data(template)}.Arn>/images/*") in allowed


# Nothing is public


def test_no_policy_lets_everybody_in(template: Template) -> None:
    looked_at = 0
    for name, resource in template.resources.items():
        properties = resource.get("Properties", {})
        documents = [
            properties.get(document)
            for document in ("PolicyDocument", "AssumeRolePolicyDocument", "KeyPolicy")
        ]
        for document in filter(None, documents):
            for statement in document["Statement"]:
                looked_at += 1
                public = "*" in as_list(_principal(statement))
                assert not public or statement["Effect"] == "Deny", name
    assert looked_at > 20


def _principal(statement: dict[str, Any]) -> Any:
    principal = statement.get("Principal", [])
    return principal.get("AWS", []) if isinstance(principal, dict) else principal


def test_functions_are_called_by_named_services_for_this_stack_alone(template: Template) -> None:
    for name, permission in of_type(template, "AWS::Lambda::Permission").items():
        assert permission["Principal"] != "*", name
        assert permission.get("SourceArn"), name
    resources = template.resources.values()
    assert not [resource for resource in resources if resource["Type"] == "AWS::Lambda::Url"]


@pytest.mark.parametrize("member", ["AccessControl", "WebsiteConfiguration"])
def test_no_bucket_is_a_web_site(member: str, template: Template) -> None:
    for name, bucket in of_type(template, "AWS::S3::Bucket").items():
        assert bucket.get(member) in (None, "LogDeliveryWrite"), name
