"""What a selftest leaves behind, and how it is removed: its stack, its projects, its models first of all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from cli import deployment
from cli.doctor import names
from cli.doctor.account import Account
from cli.output import CommandError
from cli.selftest.probe import UnansweredError, until
from lambdas.domain.engines.port import BUSY, DEPLOYMENT_TAG, Version
from lambdas.domain.engines.rekognition import custom_labels

if TYPE_CHECKING:
    from mypy_boto3_rekognition import RekognitionClient

TRAINING = "TRAINING_IN_PROGRESS"


@dataclass
class Cleaning:
    """Removes all of a selftest, goes on where a part fails, and says what is left.

    Attributes:
        destroy: destroys the stack.
        projects: names of the Rekognition projects, all of them the selftest's own.
        pause: seconds between two looks at what takes its time.
    """

    account: Account
    destroy: Callable[[], None]
    projects: tuple[str, ...]
    pause: float
    left: list[str] = field(default_factory=list)

    @property
    def rekognition(self) -> RekognitionClient:
        client: RekognitionClient = self.account.client("rekognition")
        return client

    def clean(self) -> list[str]:
        """What is left; empty if nothing is."""
        for name in self.projects:
            self._try(f"running models of {name}", lambda name=name: self._stop(name))
        self._try("the stack", self.destroy)
        for name in self.projects:
            self._try(f"the Rekognition project {name}", lambda name=name: self._delete(name))
        self._try("buckets and tables", self._delete_kept)
        return self.left

    def _try(self, what: str, remove: Callable[[], None]) -> None:
        try:
            remove()
        except (CommandError, UnansweredError) as error:
            self.left.append(f"{what}: {error}")
        except (BotoCoreError, ClientError) as error:
            self.left.append(f"{what}: {deployment.explain(error)}")
        except Exception as error:  # noqa: BLE001 the other parts have to be removed all the same
            self.left.append(f"{what}: {type(error).__name__}: {error}")

    def _project(self, name: str) -> str | None:
        """ARN of the project; None if there is none.

        Raises:
            CommandError: somebody else has made it.
        """
        project = custom_labels.find_project(self.rekognition, name)
        if (
            project
            and self.rekognition.list_tags_for_resource(ResourceArn=project)["Tags"].get(DEPLOYMENT_TAG)
            != name
        ):
            raise CommandError("it has not been made by LabelLoop, and is not touched")
        return project

    def _versions(self, name: str) -> Iterator[Version]:
        if project := self._project(name):
            yield from custom_labels.versions(self.rekognition, project)

    def _stop(self, name: str) -> None:
        """Stop what runs. What is starting cannot be stopped before it runs."""

        def stopped() -> bool:
            busy = [version for version in self._versions(name) if version.status in BUSY]
            for version in busy:
                if version.status == "RUNNING":
                    custom_labels.stop(self.rekognition, version)
            return not busy

        until(stopped, f"every model of {name} has stopped", pause=self.pause)

    def _delete(self, name: str) -> None:
        """Delete the project with its versions and datasets. A training cannot be ended."""
        project = self._project(name)
        if project is None:
            return
        versions = list(self._versions(name))
        if training := [version.name for version in versions if version.status == TRAINING]:
            raise CommandError(
                f"{', '.join(training)} trains, which cannot be ended and is billed to its end; clean up then"
            )
        self._stop(name)
        for version in versions:
            if version.status != "DELETING":
                self.rekognition.delete_project_version(ProjectVersionArn=version.arn)
        until(lambda: not list(self._versions(name)), "the versions are deleted", pause=self.pause)
        until(lambda: self._datasets_deleted(name), "the datasets are deleted", pause=self.pause)
        until(
            lambda: self._done(lambda: self.rekognition.delete_project(ProjectArn=project)),
            "the project is deleted",
            pause=self.pause,
        )

    def _datasets_deleted(self, name: str) -> bool:
        """Whether the project has no datasets; it begins to delete those that can be."""
        (described,) = self.rekognition.describe_projects(ProjectNames=[name])["ProjectDescriptions"]
        datasets = [dataset["DatasetArn"] for dataset in described.get("Datasets", [])]
        for arn in datasets:
            self._done(lambda arn=arn: self.rekognition.delete_dataset(DatasetArn=arn))
        return not datasets

    def _delete_kept(self) -> None:
        """Delete what the stack has kept: none where it was destroyed as a whole."""
        if names.find_stack(self.account):
            return
        for kept in names.kept(self.account):
            kind, _, name = kept.partition(" ")
            if kind == "bucket":
                bucket = deployment.session().resource("s3").Bucket(name)
                bucket.object_versions.delete()
                bucket.delete()
            else:
                self.account.client("dynamodb").delete_table(TableName=name)

    @staticmethod
    def _done(delete: Callable[[], object]) -> bool:
        """Whether something is deleted, or about to be; False while it is in use."""
        try:
            delete()
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code not in ("ResourceNotFoundException", "ResourceInUseException"):
                raise
            return code == "ResourceNotFoundException"
        return True
