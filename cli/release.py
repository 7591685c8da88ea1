"""`labelloop release`: a model version taken to the deployment of another account, in the same Region.

There the shadow gate holds it against that deployment's champion, on its own test images, before it serves.
https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/md-copy-model-overview.html
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from cli import history
from cli.following import FollowedPromotion
from cli.output import CommandError
from cli.user import user
from lambdas.domain.engines.port import BUSY, engine_of
from lambdas.domain.retrain import runs
from lambdas.domain.shared import clock
from lambdas.domain.shared.records import ModelVersion
from lambdas.domain.snapshot import snapshots

if TYPE_CHECKING:
    from cli.deployment import Deployment
    from lambdas.domain.snapshot.snapshots import Snapshot

POLICY_SECONDS = 60.0
"""How long a project policy may take until it holds: a copy that is denied before is tried again."""
POLL_SECONDS = 10.0
COPYING, COPIED = "COPYING_IN_PROGRESS", "COPYING_COMPLETED"
_USABLE = {COPIED, "STOPPED", "FAILED", *BUSY}
"""States of a copy that is complete."""
_DENIED = ("AccessDeniedException", "AccessDenied")


@dataclass(frozen=True)
class Release:
    """A version of one deployment on its way to another one."""

    source: Deployment
    target: Deployment
    version: ModelVersion
    snapshot: Snapshot
    """The newest of the target: whose test images it is judged on."""

    @property
    def name(self) -> str:
        """What the version is called at its target: always the same, so that a release can go on."""
        return f"{self.version.id}-of-{_account(self.source)}"

    @property
    def policy(self) -> str:
        """The name of the source project's policy that lets the target copy."""
        return f"labelloop-release-{_account(self.target)}-{self.version.id}"[:128]


def prepare(source: Deployment, target: Deployment, name: str) -> Release:
    """Look whether a version can be released at all, before anything is changed.

    Raises:
        CommandError: it cannot; the message says why, and what helps.
    """
    version = history.version(source, name)
    if version.arn and engine_of(version.arn) == "serverless":
        raise CommandError(
            f"{version.id} is of the engine serverless, whose models cannot be released:"
            " `labelloop release` takes versions of Rekognition"
        )
    if source.project_arn == target.project_arn:
        raise CommandError("that profile leads to the same deployment: name the other account's with --to")
    ours, theirs = _region(source), _region(target)
    if ours != theirs:
        raise CommandError(
            f"{source.name} is in {ours} and {target.name} in {theirs}: Rekognition copies models within a"
            " Region alone. Train the version there, or deploy in the same Region"
        )
    described = source.engine.describe_version(version.id)
    if described is None or version.deleted_at:
        raise CommandError(f"{version.id} is gone: Rekognition has no such model any more")
    if version.state in ("training", "failed") or described.status in (
        "TRAINING_IN_PROGRESS",
        "TRAINING_FAILED",
    ):
        raise CommandError(f"{version.id} has no model that could be copied: it is {described.status}")
    snapshot = _newest_snapshot(target)
    _check_labels(version, snapshot, target.name)
    return Release(source, target, version, snapshot)


def copy(release: Release, say: Callable[[str], None]) -> ModelVersion:
    """Copy the model, and wait for it; one that was begun before is gone on with: the target's record of it.

    Raises:
        CommandError: the copy is not allowed, or has failed.
    """
    status = _status(release)
    if status == "COPYING_FAILED":
        raise CommandError(
            f"an earlier copy {release.name} has failed: {_message(release)}. Delete it (aws rekognition"
            " delete-project-version) with the target's profile, and release again"
        )
    if status not in _USABLE:
        if status is None:
            _begin(release, say)
        _wait(release, say)
    with suppress(ClientError):
        # The copy is made. Without the permission to delete the policy, it allows the same copy once more.
        release.source.rekognition.delete_project_policy(
            ProjectArn=release.source.project_arn, PolicyName=release.policy
        )
    return _recorded(release)


def promote(release: Release, copied: ModelVersion) -> FollowedPromotion:
    """Let the target's shadow gate judge the copy.

    Raises:
        CommandError: it serves there already, or was rejected.
    """
    champion = release.target.loop_state.champion()
    if champion and champion.version_name == copied.id:
        raise CommandError(f"{copied.id} serves in {release.target.name} already", exit_code=0)
    if copied.state == "rejected":
        raise CommandError(
            f"{copied.id} was rejected in {release.target.name}: {copied.reason}."
            f" `labelloop rollback {copied.id}` there makes it serve all the same",
            exit_code=3,
        )
    if copied.state in ("challenger", "pending"):
        raise CommandError(
            f"{copied.id} is being judged in {release.target.name} already; `labelloop status` there shows it"
        )
    arn = release.target.stepfunctions.start_execution(
        stateMachineArn=release.target.promote_machine_arn,
        name=runs.execution_name("release"),
        input=json.dumps({"version": copied.id, "started_by": user()}),
    )["executionArn"]
    return FollowedPromotion(release.target, arn)


def _account(deployment: Deployment) -> str:
    return deployment.project_arn.split(":")[4]


def _region(deployment: Deployment) -> str:
    return deployment.project_arn.split(":")[3]


def _newest_snapshot(target: Deployment) -> Snapshot:
    for run in target.loop_state.runs():
        if run.snapshot:
            with suppress(target.s3.exceptions.NoSuchKey):
                return snapshots.read(target.s3, target.bucket, run.snapshot)
    raise CommandError(
        f"{target.name} has no test images to judge the version on: import labelled images there, and run"
        " `labelloop train` once"
    )


def _check_labels(version: ModelVersion, snapshot: Snapshot, target: str) -> None:
    """Refuse a version that does not know what the target's test images show, or knows it by other names."""
    known, tested = {score.label for score in version.labels}, set(snapshot.test_labels)
    if not known:
        raise CommandError(f"the labels of {version.id} are not on record: it has no evaluation")
    missing, others = sorted(tested - known), sorted(known - tested)
    if missing or others:
        differences = [
            f"{names} {verb}"
            for names, verb in (
                (_named(missing), f"only in {target}"),
                (_named(others), f"only in {version.id}"),
            )
            if names
        ]
        raise CommandError(
            f"the labels of {version.id} are not those of the test images of {target}:"
            f" {'; '.join(differences)}. Rename labels or label test images there: else no gate can judge it"
        )


def _named(labels: Sequence[str]) -> str:
    return ", ".join(labels[:5]) + (f" and {len(labels) - 5} more" if len(labels) > 5 else "")


def _begin(release: Release, say: Callable[[str], None]) -> None:
    """Allow the copy, and begin it."""
    if _account(release.source) != _account(release.target):
        say(f"Allowing account {_account(release.target)} to copy {release.version.id}")
        _allow(release)
    say(f"Copying {release.version.id} to {release.target.name} as {release.name}")
    ends = time.monotonic() + POLICY_SECONDS
    while True:
        try:
            release.target.rekognition.copy_project_version(
                SourceProjectArn=release.source.project_arn,
                SourceProjectVersionArn=str(release.version.arn),
                DestinationProjectArn=release.target.project_arn,
                VersionName=release.name,
                OutputConfig={
                    "S3Bucket": release.target.bucket,
                    "S3KeyPrefix": f"training/{release.name}",
                },
                Tags={"labelloop:released-from": release.source.project_arn},
            )
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in _DENIED and time.monotonic() < ends:
                time.sleep(POLL_SECONDS)
                continue
            if code == "ResourceInUseException" and _status(release):
                return  # Another call was first.
            raise _copy_error(release, error) from error
        return


def _copy_error(release: Release, error: ClientError) -> CommandError:
    code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
    if code in _DENIED:
        return CommandError(
            f"the profile of {release.target.name} may not copy: it needs rekognition:CopyProjectVersion on"
            f" both projects, and s3:PutObject on {release.target.bucket} ({message})"
        )
    if code == "ResourceNotFoundException":
        return CommandError(f"{release.version.id} is gone, or its project is: {message}")
    if code == "LimitExceededException":
        return CommandError(
            f"the project of {release.target.name} has as many models as it may: delete some ({message})"
        )
    return CommandError(f"the copy was refused: {code}: {message}")


def _allow(release: Release) -> None:
    """Attach the policy that lets the target's account copy this version, and no other.

    https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/md-create-project-policy-document.html
    """
    client, project = release.source.rekognition, release.source.project_arn
    partition = project.split(":")[1]
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:{partition}:iam::{_account(release.target)}:root"},
        "Action": "rekognition:CopyProjectVersion",
        "Resource": str(release.version.arn),
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    try:
        pages = client.get_paginator("list_project_policies").paginate(ProjectArn=project)
        revisions = {
            policy["PolicyName"]: policy["PolicyRevisionId"]
            for page in pages
            for policy in page["ProjectPolicies"]
        }
        revision = revisions.get(release.policy)
        client.put_project_policy(
            ProjectArn=project,
            PolicyName=release.policy,
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


def _wait(release: Release, say: Callable[[str], None]) -> None:
    began = time.monotonic()
    while True:
        status = _status(release)
        if status in _USABLE:
            return
        if status not in (None, COPYING):
            raise CommandError(f"the copy {release.name} has failed: {_message(release) or status}")
        say(f"Copying {release.version.id}: {clock.duration(time.monotonic() - began)} so far")
        time.sleep(POLL_SECONDS)


def _status(release: Release) -> str | None:
    described = release.target.engine.describe_version(release.name)
    return described.status if described else None


def _message(release: Release) -> str:
    described = release.target.engine.describe_version(release.name)
    return described.message if described else ""


def _recorded(release: Release) -> ModelVersion:
    """The target's record of the copy, made if there is none."""
    described = release.target.engine.describe_version(release.name)
    if described is None:
        raise CommandError(f"{release.name} was deleted meanwhile; release it again")
    return release.target.loop_state.add_version(
        ModelVersion(
            release.name,
            arn=described.arn,
            state="trained",
            snapshot=release.snapshot.id,
            created_at=clock.now(),
            f1=release.version.f1,
            labels=release.version.labels,
        )
    )
