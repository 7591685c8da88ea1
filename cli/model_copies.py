"""A model version copied to another account's deployment: by Rekognition itself, or file by file.

https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/md-copy-model-overview.html
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from cli import model_files
from cli.output import CommandError
from lambdas.domain.engines.port import BUSY
from lambdas.domain.engines.serverless import released
from lambdas.domain.engines.serverless.training_jobs import SUMMARY_FILE
from lambdas.domain.shared import clock
from lambdas.domain.shared.records import released_name

if TYPE_CHECKING:
    from cli.deployment import Deployment
    from lambdas.domain.shared.records import ModelVersion

POLICY_SECONDS = 60.0
"""How long a project policy may take until it holds: a copy that is denied before that is tried again."""
POLL_SECONDS = 10.0
COPYING, COPIED = "COPYING_IN_PROGRESS", "COPYING_COMPLETED"
_USABLE = {COPIED, "STOPPED", "FAILED", *BUSY}
"""States of a copy that is complete."""
_DENIED = ("AccessDeniedException", "AccessDenied")

Say = Callable[[str], None]
"""Tells whoever waits how far the copy is."""


def account(deployment: Deployment) -> str:
    """The account that a deployment is in."""
    return deployment.project_arn.split(":")[4]


def where(deployment: Deployment) -> str:
    """A deployment's name and account: those of both are often called the same."""
    return f"{deployment.name} of account {account(deployment)}"


@dataclass(frozen=True)
class RekognitionCopy:
    """A version that Rekognition copies from one project to another of the same Region."""

    source: Deployment
    target: Deployment
    version: ModelVersion

    @property
    def name(self) -> str:
        """What the copy is called: always the same, so that a release can go on."""
        return released_name(self.version.id, account(self.source))

    @property
    def policy(self) -> str:
        """The name of the source project's policy that lets the target copy."""
        return f"labelloop-release-{account(self.target)}-{self.version.id}"[:128]

    def make(self, say: Say) -> None:
        """Copy the model, and wait for it; one that was begun before is gone on with.

        Raises:
            CommandError: the copy is not allowed, or has failed.
        """
        status = self._status()
        if status == "COPYING_FAILED":
            raise CommandError(
                f"an earlier copy {self.name} has failed: {self._message()}. Delete it (aws rekognition"
                " delete-project-version) with the target's profile, and release again"
            )
        try:
            if status is None:
                self._allow(say)
                self._begin(say)
            if status not in _USABLE:
                self._wait(say)
        finally:
            # Whatever has come of it, nobody needs the permission any more: a copy that goes on has begun.
            self._forbid(say)

    def _begin(self, say: Say) -> None:
        say(f"Copying {self.version.id} to {where(self.target)} as {self.name}")
        ends = time.monotonic() + POLICY_SECONDS
        while True:
            try:
                self.target.rekognition.copy_project_version(
                    SourceProjectArn=self.source.project_arn,
                    SourceProjectVersionArn=str(self.version.arn),
                    DestinationProjectArn=self.target.project_arn,
                    VersionName=self.name,
                    OutputConfig={
                        "S3Bucket": self.target.bucket,
                        "S3KeyPrefix": f"training/{self.name}",
                    },
                    Tags={"labelloop:released-from": self.source.project_arn},
                )
            except ClientError as error:
                code = error.response["Error"]["Code"]
                if code in _DENIED and time.monotonic() < ends:
                    time.sleep(POLL_SECONDS)
                    continue
                if code == "ResourceInUseException" and self._status():
                    return  # Another call was first.
                raise self._copy_error(error) from error
            return

    def _copy_error(self, error: ClientError) -> CommandError:
        code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
        if code in _DENIED:
            return CommandError(
                f"the profile {self.target.profile} may not copy: it needs rekognition:CopyProjectVersion on"
                f" {self.version.arn} and, with CreateProjectVersion and TagResource, on its own project, and"
                f" s3:PutObject on {self.target.bucket} ({message})"
            )
        if code == "ResourceNotFoundException":
            return CommandError(f"{self.version.id} is gone, or its project is: {message}")
        if code == "LimitExceededException":
            return CommandError(
                f"the project of {where(self.target)} has as many models as it may: delete some ({message})"
            )
        return CommandError(f"the copy was refused: {code}: {message}")

    def _allow(self, say: Say) -> None:
        """Attach the policy that lets another account copy this version, and no other one.

        https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/md-create-project-policy-document.html
        """
        if account(self.source) == account(self.target):
            return
        say(f"Allowing account {account(self.target)} to copy {self.version.id}")
        client, project = self.source.rekognition, self.source.project_arn
        partition = project.split(":")[1]
        statement = {
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:{partition}:iam::{account(self.target)}:root"},
            "Action": "rekognition:CopyProjectVersion",
            "Resource": str(self.version.arn),
        }
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        try:
            pages = client.get_paginator("list_project_policies").paginate(ProjectArn=project)
            revisions = {
                policy["PolicyName"]: policy["PolicyRevisionId"]
                for page in pages
                for policy in page["ProjectPolicies"]
            }
            revision = revisions.get(self.policy)
            client.put_project_policy(
                ProjectArn=project,
                PolicyName=self.policy,
                PolicyDocument=document,
                **({"PolicyRevisionId": revision} if revision else {}),
            )
        except ClientError as error:
            if error.response["Error"]["Code"] not in _DENIED:
                raise
            message = error.response["Error"].get("Message", "")
            raise CommandError(
                f"your credentials may not allow the copy: they need rekognition:ListProjectPolicies and"
                f" rekognition:PutProjectPolicy on {project} ({message})"
            ) from error

    def _forbid(self, say: Say) -> None:
        """Delete the policy; where that cannot be done, say what is left and how it is deleted."""
        if account(self.source) == account(self.target):
            return
        try:
            self.source.rekognition.delete_project_policy(
                ProjectArn=self.source.project_arn, PolicyName=self.policy
            )
        except ClientError as error:
            if error.response["Error"]["Code"] == "ResourceNotFoundException":
                return
            say(
                f"Account {account(self.target)} may still copy {self.version.id}: the policy could not be"
                f" deleted ({error.response['Error'].get('Message', '')}). Delete it with `aws rekognition"
                f" delete-project-policy --project-arn {self.source.project_arn} --policy-name {self.policy}`"
            )

    def _wait(self, say: Say) -> None:
        began = time.monotonic()
        while True:
            status = self._status()
            if status in _USABLE:
                return
            if status not in (None, COPYING):
                raise CommandError(f"the copy {self.name} has failed: {self._message() or status}")
            say(f"Copying {self.version.id}: {clock.duration(time.monotonic() - began)} so far")
            time.sleep(POLL_SECONDS)

    def _status(self) -> str | None:
        described = self.target.engine.describe_version(self.name)
        return described.status if described else None

    def _message(self) -> str:
        described = self.target.engine.describe_version(self.name)
        return described.message if described else ""


@dataclass(frozen=True)
class FilesCopy:
    """A version of the engine serverless, whose files the command reads here and writes there.

    Neither account is opened to the other: each is reached with its own profile.
    """

    source: Deployment
    target: Deployment
    version: ModelVersion

    @property
    def name(self) -> str:
        """What the copy is called: always the same, so that a release can go on."""
        return released_name(self.version.id, account(self.source))

    def make(self, say: Say) -> None:
        """Copy the files, the evaluation last; nothing if that was done before.

        What the training's evaluation says of each image stays here: it is about images that the other
        deployment does not have.

        Raises:
            CommandError: a file is missing, or one of the profiles may not do its part.
        """
        if self._is_made():
            return
        files = model_files.of_version(self.source, self.version)
        size = sum(map(len, files.values())) / 1e6
        say(f"Copying {self.version.id} to {where(self.target)} as {self.name}: {size:.1f} MB")
        for name in sorted(files, key=lambda name: name == SUMMARY_FILE):
            self._put(name, files[name])

    def _is_made(self) -> bool:
        key = self._key(SUMMARY_FILE)
        try:
            listed = self.target.s3.list_objects_v2(Bucket=self.target.bucket, Prefix=key)
        except ClientError as error:
            raise self._refused("s3:ListBucket", error) from error
        return bool(listed["KeyCount"])

    def _put(self, name: str, body: bytes) -> None:
        try:
            self.target.s3.put_object(Bucket=self.target.bucket, Key=self._key(name), Body=body)
        except ClientError as error:
            raise self._refused("s3:PutObject", error) from error

    def _key(self, name: str) -> str:
        return f"{released.prefix(self.name)}{name}"

    def _refused(self, action: str, error: ClientError) -> CommandError:
        message = error.response["Error"].get("Message", "")
        if error.response["Error"]["Code"] not in _DENIED:
            return CommandError(f"{self.target.bucket} does not take the model: {message}")
        return CommandError(
            f"the profile {self.target.profile} may not copy: it needs {action} on {self.target.bucket} for"
            f" training/, and the use of the bucket's key if KMS has one ({message})"
        )
