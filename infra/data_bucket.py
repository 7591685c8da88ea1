"""Where images arrive: the data bucket, which tells EventBridge of every object."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import Acknowledgment, Validations
from aws_cdk import aws_events as events
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.deployment import Deployment


class DataBucket(Construct):
    def __init__(self, scope: Construct, id: str, deployment: Deployment) -> None:
        super().__init__(scope, id)
        self.access_logs = s3.Bucket(
            self,
            "AccessLogs",
            encryption=s3.BucketEncryption.S3_MANAGED,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            versioned=True,
            lifecycle_rules=[
                s3.LifecycleRule(
                    id="forget-access-logs",
                    expiration=cdk.Duration.days(90),
                    noncurrent_version_expiration=cdk.Duration.days(1),
                )
            ],
            removal_policy=deployment.removal_policy,
            auto_delete_objects=not deployment.settings.retain_data,
        )
        Validations.of(self.access_logs).acknowledge(
            Acknowledgment(id="AwsSolutions-S1", reason="the other bucket's access logs go here")
        )
        self.bucket = s3.Bucket(
            self,
            "Bucket",
            encryption=s3.BucketEncryption.S3_MANAGED,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            versioned=True,
            server_access_logs_bucket=self.access_logs,
            server_access_logs_prefix="data/",
            lifecycle_rules=[
                s3.LifecycleRule(
                    id="forget-replaced-versions", noncurrent_version_expiration=cdk.Duration.days(30)
                ),
                s3.LifecycleRule(
                    id="abort-broken-uploads", abort_incomplete_multipart_upload_after=cdk.Duration.days(7)
                ),
                s3.LifecycleRule(id="forget-tried", prefix="try/", expiration=cdk.Duration.days(1)),
                s3.LifecycleRule(id="forget-rejected", prefix="rejected/", expiration=cdk.Duration.days(180)),
            ],
            # Whoever has a signed address may use it from a page; the address is what is guarded. The worker
            # portals of A2I and Ground Truth need to read:
            # https://docs.aws.amazon.com/sagemaker/latest/dg/a2i-permissions-security.html
            cors=[
                s3.CorsRule(
                    allowed_methods=[s3.HttpMethods.GET, s3.HttpMethods.PUT],
                    allowed_origins=["*"],
                    allowed_headers=["content-type"],
                )
            ],
            removal_policy=deployment.removal_policy,
            auto_delete_objects=not deployment.settings.retain_data,
        )
        # The L2 property would bring a custom resource; CloudFormation has the switch itself.
        cfn = self.bucket.node.default_child
        assert isinstance(cfn, s3.CfnBucket)  # noqa: S101
        cfn.notification_configuration = s3.CfnBucket.NotificationConfigurationProperty(
            event_bridge_configuration=s3.CfnBucket.EventBridgeConfigurationProperty(
                event_bridge_enabled=True
            )
        )

    def created_under(self, prefix: str) -> events.EventPattern:
        """Events of objects created under `prefix`."""
        return events.EventPattern(
            source=["aws.s3"],
            detail_type=["Object Created"],
            detail={
                "bucket": {"name": [self.bucket.bucket_name]},
                "object": {"key": [{"prefix": prefix}]},
            },
        )

    def objects(self, prefix: str) -> str:
        """ARN pattern of the objects under `prefix`."""
        return self.bucket.arn_for_objects(f"{prefix}*")
