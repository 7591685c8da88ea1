"""`labelloop release`: a model version taken to the deployment of another account.

There the shadow gate holds it against that deployment's champion, on its own test images, before it serves.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cli import history
from cli.following import FollowedPromotion
from cli.model_copies import FilesCopy, RekognitionCopy, Say, where
from cli.output import CommandError
from cli.user import user
from lambdas.domain.engines.port import engine_of
from lambdas.domain.retrain import runs
from lambdas.domain.shared import clock
from lambdas.domain.shared.records import ModelVersion
from lambdas.domain.snapshot import snapshots

if TYPE_CHECKING:
    from cli.deployment import Deployment
    from lambdas.domain.snapshot.snapshots import Snapshot

_TRAINS, _FAILED = "TRAINING_IN_PROGRESS", "TRAINING_FAILED"


@dataclass(frozen=True)
class Release:
    """A version of one deployment on its way to another one."""

    copy: RekognitionCopy | FilesCopy
    snapshot: Snapshot
    """The newest of the target: whose test images it is judged on."""

    @property
    def target(self) -> Deployment:
        """Where it goes to."""
        return self.copy.target


def prepare(source: Deployment, target: Deployment, name: str) -> Release:
    """Look whether a version can be released at all, before anything is changed.

    Raises:
        CommandError: it cannot; the message says why, and what helps.
    """
    version = history.version(source, name)
    if source.project_arn == target.project_arn:
        raise CommandError("that profile leads to the same deployment: name the other account's with --to")
    is_serverless = engine_of(version.arn or "") == "serverless"
    (_check_has_serverless if is_serverless else _check_region)(source, target)
    described = source.engine.describe_version(version.id)
    if described is None or version.deleted_at:
        raise CommandError(f"{version.id} is gone: its engine has no such model any more")
    if version.state in ("training", "failed") or described.status in (_TRAINS, _FAILED):
        raise CommandError(f"{version.id} has no model that could be copied: it is {described.status}")
    snapshot = _newest_snapshot(target)
    _check_kind(source, version, snapshot, where(target))
    _check_labels(version, snapshot, where(target))
    copy = (FilesCopy if is_serverless else RekognitionCopy)(source, target, version)
    return Release(copy, snapshot)


def copy(release: Release, say: Say) -> ModelVersion:
    """Copy the model, and wait for it: the target's record of it.

    Raises:
        CommandError: the copy is not allowed, or has failed.
    """
    release.copy.make(say)
    return _recorded(release)


def promote(release: Release, copied: ModelVersion) -> FollowedPromotion:
    """Let the target's shadow gate judge the copy.

    Raises:
        CommandError: it serves there already, or was rejected.
    """
    champion = release.target.loop_state.champion()
    if champion and champion.version_name == copied.id:
        raise CommandError(f"{copied.id} serves in {where(release.target)} already", exit_code=0)
    if copied.state == "rejected":
        raise CommandError(
            f"{copied.id} was rejected in {where(release.target)}: {copied.reason}."
            f" `labelloop rollback {copied.id}` there makes it serve all the same",
            exit_code=3,
        )
    if copied.state in ("challenger", "pending"):
        raise CommandError(
            f"{copied.id} is being judged in {where(release.target)} already;"
            " `labelloop status` there shows it"
        )
    arn = release.target.stepfunctions.start_execution(
        stateMachineArn=release.target.promote_machine_arn,
        name=runs.execution_name("release"),
        input=json.dumps({"version": copied.id, "started_by": user()}),
    )["executionArn"]
    return FollowedPromotion(release.target, arn)


def _check_has_serverless(source: Deployment, target: Deployment) -> None:
    if not target.serverless_engine:
        raise CommandError(
            f"{where(target)} has no engine serverless, whose version this is: deploy it there with"
            " -c engine=both"
        )


def _check_region(source: Deployment, target: Deployment) -> None:
    ours, theirs = (deployment.project_arn.split(":")[3] for deployment in (source, target))
    if ours != theirs:
        raise CommandError(
            f"{where(source)} is in {ours} and {where(target)} in {theirs}: Rekognition copies models"
            " within a Region alone. Train the version there, or deploy in the same Region"
        )


def _newest_snapshot(target: Deployment) -> Snapshot:
    for run in target.loop_state.runs():
        if run.snapshot:
            with suppress(target.s3.exceptions.NoSuchKey):
                return snapshots.read(target.s3, target.bucket, run.snapshot)
    raise CommandError(
        f"{where(target)} has no test images to judge the version on: import labelled images there, and run"
        " `labelloop train` once"
    )


def _check_kind(source: Deployment, version: ModelVersion, snapshot: Snapshot, target: str) -> None:
    """Refuse a version that finds boxes where whole images are tested, and the other way round."""
    if not version.snapshot:
        return
    with suppress(source.s3.exceptions.NoSuchKey):
        kind = snapshots.read(source.s3, source.bucket, version.snapshot).kind
        if kind != snapshot.kind:
            raise CommandError(
                f"{version.id} is a model for {kind}, and the test images of {target} are for {snapshot.kind}"
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


def _recorded(release: Release) -> ModelVersion:
    """The target's record of the copy, made if there is none."""
    version, target = release.copy.version, release.target
    described = target.engine.describe_version(release.copy.name)
    if described is None:
        raise CommandError(f"{release.copy.name} was deleted meanwhile; release it again")
    return target.loop_state.add_version(
        ModelVersion(
            release.copy.name,
            arn=described.arn,
            state="trained",
            snapshot=release.snapshot.id,
            created_at=clock.now(),
            f1=version.f1,
            labels=version.labels,
        )
    )
