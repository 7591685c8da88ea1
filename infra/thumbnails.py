"""Thumbnails by the CDN: a path of the console's distribution, whose links are signed for a day.

CloudFront keeps a thumbnail for everybody, and asks for the signature with every request all the same: its
functions run before it looks into its cache.
https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/writing-function-code.html

A signature is an HMAC, which such a function can compute. CloudFront's own signed URLs would need a pair of
RSA keys and somewhere to keep the private one (docs/decisions/0013-thumbnails-by-the-cdn.md).
"""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_cloudfront as cloudfront
from aws_cdk import aws_cloudfront_origins as origins
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.data_bucket import WHY_WILDCARDS, DataBucket
from infra.handler import Handler
from infra.step import SharedResources

PREFIX = "thumbnails/"
CODE = """var crypto = require('crypto');
var key = '%KEY%';
function valueOf(query, name) {
  return query[name] ? query[name].value : '';
}
function handler(event) {
  var request = event.request;
  var until = valueOf(request.querystring, 'until');
  var given = valueOf(request.querystring, 'signature');
  var expected = crypto.createHmac('sha256', key).update(request.uri + ' ' + until).digest('hex');
  var differs = given.length ^ expected.length;
  for (var i = 0; i < expected.length; i++) {
    differs |= expected.charCodeAt(i) ^ given.charCodeAt(i % (given.length || 1));
  }
  if (differs || !(Number(until) * 1000 > Date.now())) {
    return { statusCode: 403, statusDescription: 'Forbidden' };
  }
  return request;
}
"""
"""Lets requests through whose signature is right. What it may use is in
https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/functions-javascript-runtime-20.html"""
_UNTOUCHED = "@aws-cdk/aws-cloudfront-origins:updateImportedBucketPolicyOac"


class ThumbnailKey(Construct):
    """The secret that links of thumbnails are signed with, made when the stack is."""

    def __init__(self, scope: Construct, id: str, shared: SharedResources) -> None:
        super().__init__(scope, id)
        handler = Handler(
            self,
            "Make",
            shared.deployment,
            entry="lambdas.console_site.make_key",
            description="Makes the secret that links of thumbnails are signed with",
            environment={},
        )
        made = cdk.CustomResource(
            self,
            "Made",
            service_token=handler.arn,
            resource_type="Custom::ThumbnailKey",
            service_timeout=cdk.Duration.minutes(10),
        )
        handler.permissions.before(made)
        self.value = made.get_att_string("Key")


def behaviour(
    scope: Construct,
    shared: SharedResources,
    key: ThumbnailKey,
    access: cloudfront.S3OriginAccessControl,
    viewer_protocol: cloudfront.ViewerProtocolPolicy,
) -> cloudfront.BehaviorOptions:
    """How the distribution answers requests for thumbnails; `grant_read` has to follow."""
    bucket = shared.data_bucket.bucket
    check = cloudfront.Function(
        scope,
        "CheckThumbnail",
        function_name=shared.deployment.named_worldwide("thumbnails"),
        code=cloudfront.FunctionCode.from_inline(CODE.replace("%KEY%", key.value)),
        runtime=cloudfront.FunctionRuntime.JS_2_0,
        comment="Lets signed links of thumbnails through",
    )
    # By a reference to the bucket: the bucket itself would let the distribution read all that it holds.
    known = s3.Bucket.from_bucket_attributes(
        scope,
        "DataBucket",
        bucket_arn=bucket.bucket_arn,
        bucket_regional_domain_name=bucket.bucket_regional_domain_name,
    )
    return cloudfront.BehaviorOptions(
        origin=origins.S3BucketOrigin.with_origin_access_control(known, origin_access_control=access),
        viewer_protocol_policy=viewer_protocol,
        cache_policy=cloudfront.CachePolicy.CACHING_OPTIMIZED,
        response_headers_policy=cloudfront.ResponseHeadersPolicy.SECURITY_HEADERS,
        function_associations=[
            cloudfront.FunctionAssociation(
                function=check, event_type=cloudfront.FunctionEventType.VIEWER_REQUEST
            )
        ],
    )


def grant_read(data_bucket: DataBucket, distribution: cloudfront.Distribution) -> None:
    """Let the distribution read thumbnails, and nothing else of the data bucket.

    https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-restricting-access-to-s3.html
    """
    cdk.Annotations.of(distribution).acknowledge_warning(_UNTOUCHED, WHY_WILDCARDS[PREFIX])
    data_bucket.bucket.add_to_resource_policy(
        iam.PolicyStatement(
            actions=["s3:GetObject"],
            principals=[iam.ServicePrincipal("cloudfront.amazonaws.com")],  # pyrefly: ignore[bad-argument-type]
            resources=[data_bucket.bucket.arn_for_objects(f"{PREFIX}*")],
            conditions={"StringEquals": {"AWS:SourceArn": distribution.distribution_arn}},
        )
    )
