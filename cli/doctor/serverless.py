"""The engine serverless in the account: the machine's quota, AWS's container, the bucket's key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cli.doctor.account import Account
from cli.doctor.findings import Finding, Findings, fails, fine, unseen
from cli.doctor.names import find_stack, outputs_of
from infra.settings import Settings, read
from lambdas.domain.shared.regions import CUSTOM_LABELS_REGIONS

PROJECT = Path(__file__).parents[2]
QUOTAS_PAGE = "https://console.aws.amazon.com/servicequotas/home/services/sagemaker/quotas"
_NOT_HERE = "not in the embedded stack"
CONTAINERS_PAGE = "https://github.com/aws/deep-learning-containers/blob/master/available_images.md"


def look_before(account: Account, project: Path = PROJECT) -> Findings:
    """Whether the engine could train, with the machine of the settings in cdk.json."""
    file = project / "cdk.json"
    try:
        # Without the file there is nothing to deploy from, which another check says.
        settings = read(json.loads(file.read_text())["context"].get) if file.exists() else Settings()
    except KeyError:
        return [fails("settings", "cdk.json has no context", "mend it in cdk.json")]
    except ValueError as error:
        return [fails("settings", str(error), "mend it in cdk.json")]
    return [
        *_look_at_quota(account, settings.training_instance, is_spot=settings.training_spot),
        judge_region(account.region),
    ]


def look_at_machine(account: Account) -> Findings:
    """Whether the account may train on the deployment's machine; nothing without this engine."""
    training = _training(account)
    if not training:
        return []
    if account.embedded:
        return [unseen("training machine", _NOT_HERE)]
    return _look_at_quota(account, training["instance_type"], is_spot=training["is_spot"])


def look_at_container(account: Account) -> Findings:
    """Whether AWS's container is there; nothing without this engine."""
    image = _training(account).get("image", "")
    if not image:
        return []
    if account.embedded:
        return [unseen("training container", _NOT_HERE)]
    registry, (repository, tag) = image.partition(".")[0], image.rpartition("/")[2].split(":")
    answer = account.client("ecr").batch_get_image(
        registryId=registry, repositoryName=repository, imageIds=[{"imageTag": tag}]
    )
    return [judge_container(image, is_there=bool(answer["images"]))]


def look_at_key(account: Account) -> Findings:
    """Whether training jobs may read and write the bucket's objects; nothing without this engine."""
    bucket = _training(account).get("bucket", "")
    if not bucket:
        return []
    answer = account.client("s3").get_bucket_encryption(Bucket=bucket)
    rules = answer["ServerSideEncryptionConfiguration"]["Rules"]
    defaults = [rule.get("ApplyServerSideEncryptionByDefault", {}) for rule in rules]
    keys = [
        rule.get("KMSMasterKeyID", "aws/s3")
        for rule in defaults
        if rule.get("SSEAlgorithm", "").startswith("aws:kms")
    ]
    return [judge_key(bucket, keys[0] if keys else "")]


def _training(account: Account) -> dict[str, Any]:
    """How the deployment trains; empty without this engine."""
    engine = outputs_of(find_stack(account)).get("ServerlessEngine")
    if engine is None:
        return {}
    training: dict[str, Any] = json.loads(engine)["training"]
    return training


def _look_at_quota(account: Account, machine: str, *, is_spot: bool) -> Findings:
    name = training_quota(machine, is_spot=is_spot)
    return [judge_quota(name, quota_of(account, name))]


def training_quota(machine: str, *, is_spot: bool) -> str:
    """The name of the quota for machines of this type that train.

    https://docs.aws.amazon.com/general/latest/gr/sagemaker.html
    """
    return f"{machine} for {'spot training' if is_spot else 'training'} job usage"


def quota_of(account: Account, name: str) -> int | None:
    """The value of a quota of SageMaker's: that which applies, else AWS's default; None: there is none.

    ListServiceQuotas leaves out quotas of which only the default is known:
    https://docs.aws.amazon.com/servicequotas/2019-06-24/apireference/API_ListServiceQuotas.html
    """
    for operation in ("list_service_quotas", "list_aws_default_service_quotas"):
        for page in account.pages("service-quotas", operation, ServiceCode="sagemaker"):
            for quota in page["Quotas"]:
                if quota["QuotaName"] == name:
                    return int(quota["Value"])
    return None


def judge_quota(name: str, value: int | None) -> Finding:
    """Whether one machine may train."""
    if value is None:
        text = f"Service Quotas does not list {name}: the Region may lack that machine"
        return unseen("training machine", text, QUOTAS_PAGE)
    if value < 1:
        text = f"{name}: {value}, so that no version of the engine serverless can be trained"
        return fails("training machine", text, f"request 1 or more: {QUOTAS_PAGE}")
    return fine("training machine", f"{name}: {value}")


def judge_region(region: str) -> Finding:
    """Whether AWS's container for PyTorch is known to be there."""
    if region in CUSTOM_LABELS_REGIONS:
        return fine("training container", f"AWS has its containers in {region}")
    return unseen("training container", f"whether AWS has its containers in {region}", CONTAINERS_PAGE)


def judge_container(image: str, *, is_there: bool) -> Finding:
    """Whether training jobs can be started from the image."""
    if is_there:
        return fine("training container", image.rpartition("/")[2])
    text = f"AWS has no {image} any more, so that no version of the engine serverless can be trained"
    return fails("training container", text, f"deploy a later release of LabelLoop; {CONTAINERS_PAGE}")


def judge_key(bucket: str, key: str) -> Finding:
    """Whether objects are encrypted with a key that the roles of the deployment may not use.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html
    """
    if not key:
        return fine("bucket's key", f"S3's own encrypts {bucket}")
    return fails(
        "bucket's key",
        f"{bucket} encrypts with {key} of KMS, which the roles of training jobs and functions may not use",
        "set its default encryption back to SSE-S3, or allow these roles kms:Decrypt and kms:GenerateDataKey",
    )
