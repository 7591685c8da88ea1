"""The data bucket: images, annotations and datasets. It sends an event to EventBridge for every object."""

from __future__ import annotations

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import Acknowledgment, Validations
from aws_cdk import aws_events as events
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.deployment import Deployment
from infra.handler import Handler
from infra.permissions import Permissions

WHY_WILDCARDS = {
    "incoming/": "people put files under any key",
    "incoming/annotations/": "the parts of a converted annotation file lie beside it, under any key",
    "images/": "registered images are named by their content",
    "thumbnails/": "thumbnails are named by the content of their images",
    "originals/": "registered images that are cut into tiles are named by their content",
    "annotations/": "registered annotation files are named by their content",
    "rejected/": "rejected files are named by the key that they came under",
    "datasets/": "snapshots are named by their content",
    "training/": "the output of a training is named by its model version",
    "evaluations/": "the answers of a model version about test images are named by it",
    "detect/": "people put images to detect under any key",
    "batches/": "what a batch reads and writes lies under its name",
    "applications/": "images of applications are named when they are sent",
    "results/": "the result of a detection is named by its image",
    "try/": "images to try the model on are named when they are sent",
    "reviews/": "the output of human loops and labeling jobs lies under their names and dates",
    "reviews/a2i/": "the output of a human loop lies under its name and date",
    "reviews/groundtruth/": "what a labeling job reads and writes lies under the name of its batch",
    "reviews/upright/": "upright copies of images are named by the image's content",
}
"""Why permissions on objects have a wildcard, for each prefix: how the objects are named."""

_ANYWHERE = "a batch may ask about any image of the data bucket"
REKOGNITION_READS = ("s3:GetObject", "s3:GetObjectAcl", "s3:GetObjectTagging", "s3:GetObjectVersion")
REKOGNITION_LOOKS = ("s3:ListBucket", "s3:GetBucketAcl", "s3:GetBucketLocation")


class DataBucket(Construct):
    """A private, versioned bucket, and the bucket of its access logs."""

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
            Acknowledgment(
                id="AwsSolutions-S1", reason="this bucket holds the access logs of the data bucket"
            )
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
                s3.LifecycleRule(
                    id="forget-detections",
                    prefix="applications/",
                    # A day longer than the table remembers them: what is on record can be reviewed.
                    expiration=cdk.Duration.days(deployment.settings.detection_days + 1),
                ),
                s3.LifecycleRule(id="forget-rejected", prefix="rejected/", expiration=cdk.Duration.days(180)),
            ],
            # A page of any origin may use a presigned URL: the URL is the secret, not the page. The worker
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
        """The pattern of events about objects that are created under `prefix`."""
        return events.EventPattern(
            source=["aws.s3"],
            detail_type=["Object Created"],
            detail={
                "bucket": {"name": [self.bucket.bucket_name]},
                "object": {"key": [{"prefix": prefix}]},
            },
        )

    def grant_read(self, grantee: Handler | Permissions, *prefixes: str) -> None:
        """Allow to read the objects under prefixes of WHY_WILDCARDS."""
        self._grant(grantee, ["s3:GetObject"], prefixes)

    def grant_read_versions(self, grantee: Handler | Permissions, *prefixes: str) -> None:
        """Allow to read the objects under prefixes of WHY_WILDCARDS, also in older versions."""
        self._grant(grantee, ["s3:GetObject", "s3:GetObjectVersion"], prefixes)

    def grant_rekognition_read(self, grantee: Handler, *prefixes: str) -> None:
        """Allow to have Rekognition read the objects under prefixes of WHY_WILDCARDS.

        Rekognition reads a bucket with the permissions of its caller, for datasets, trainings and detections
        alike. Which those are is said by AWS's policy for all of Custom Labels alone:
        https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AmazonRekognitionCustomLabelsFullAccess.html
        """
        self._grant(grantee, REKOGNITION_READS, prefixes)
        grantee.allow(*REKOGNITION_LOOKS, on=[self.bucket.bucket_arn])

    def grant_rekognition_read_everything(self, grantee: Handler) -> None:
        """Allow to read any object, and to have Rekognition read it: a batch may ask about any image."""
        everything = self.bucket.arn_for_objects("*")
        grantee.allow(*REKOGNITION_READS, on=[everything], why=_ANYWHERE)
        grantee.allow(*REKOGNITION_LOOKS, on=[self.bucket.bucket_arn])

    def grant_write_map_results(self, grantee: Permissions, *prefixes: str) -> None:
        """Allow the result writer of a Distributed Map to write objects under prefixes of WHY_WILDCARDS.

        https://docs.aws.amazon.com/step-functions/latest/dg/input-output-resultwriter.html
        """
        actions = ("s3:PutObject", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:AbortMultipartUpload")
        self._grant(grantee, actions, prefixes)

    def grant_put(self, grantee: Handler | Permissions, *prefixes: str) -> None:
        """Allow to write objects under prefixes of WHY_WILDCARDS."""
        self._grant(grantee, ["s3:PutObject"], prefixes)

    def grant_upload(self, grantee: Handler, *prefixes: str) -> None:
        """Allow to write objects under prefixes of WHY_WILDCARDS, also in parts."""
        self._grant(grantee, ["s3:PutObject", "s3:ListMultipartUploadParts"], prefixes)

    def grant_delete_versions(self, grantee: Handler | Permissions, *prefixes: str) -> None:
        """Allow to delete the objects under prefixes of WHY_WILDCARDS, also older versions of them."""
        self._grant(grantee, ["s3:DeleteObject", "s3:DeleteObjectVersion"], prefixes)

    def grant_abort_uploads(self, grantee: Handler | Permissions, *prefixes: str) -> None:
        """Allow to abort multipart uploads under prefixes of WHY_WILDCARDS."""
        self._grant(grantee, ["s3:AbortMultipartUpload"], prefixes)

    def grant_list(self, grantee: Handler | Permissions, *actions: str) -> None:
        """Allow to list the bucket.

        Without it S3 answers 403 instead of 404 about an object that does not exist:
        https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html

        Args:
            actions: other actions on the bucket itself.
        """
        grantee.allow("s3:ListBucket", *actions, on=[self.bucket.bucket_arn])

    def _grant(self, grantee: Handler | Permissions, actions: Sequence[str], prefixes: Sequence[str]) -> None:
        for prefix in prefixes:
            objects = self.bucket.arn_for_objects(f"{prefix}*")
            grantee.allow(*actions, on=[objects], why=WHY_WILDCARDS[prefix])
