"""The operations of Amazon Rekognition Custom Labels, one method each, named as the operation.

Each module has the operations on one resource. A method takes the request as botocore's model describes it,
already validated, and who asks; it returns the answer as the model describes it, or raises one of
`local.engine.errors`. What is documented for an operation:
https://docs.aws.amazon.com/rekognition/latest/APIReference/API_Operations.html
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from botocore import xform_name

from local.engine.access.kms import Keys
from local.engine.access.s3 import Objects
from local.engine.api.context import Answer, Caller, Context, Request
from local.engine.api.copies import Copies
from local.engine.api.datasets import Datasets
from local.engine.api.detection import Detection
from local.engine.api.entries import DatasetEntries
from local.engine.api.policies import Policies
from local.engine.api.projects import Projects
from local.engine.api.tags import Tags
from local.engine.api.versions import Versions
from local.engine.errors import UnknownOperationException
from local.engine.faults import Faults
from local.engine.lag import Lag
from local.engine.quotas import Quotas
from local.engine.serving.endpoint import Endpoints
from local.engine.storage.store import Store
from local.engine.throttle import Throttle
from local.engine.training.trainer import Trainer

__all__ = ["Answer", "Caller", "CustomLabelsApi", "Request"]


class CustomLabelsApi:
    """The operations on the projects, datasets and versions of a store.

    Args:
        state: directory that holds the trained models.
        objects_of: S3's objects of an account in a Region, read and written by the engine.
        keys_of: the KMS keys of an account in a Region.
        throttle: refuses requests above the documented rates; without it, none are.
        lag: answers some descriptions as they were before the last write; without it, none.
    """

    def __init__(
        self,
        store: Store,
        state: Path,
        *,
        trainer: Trainer,
        endpoints: Endpoints,
        objects_of: Callable[[str, str], Objects],
        keys_of: Callable[[str, str], Keys],
        faults: Faults | None = None,
        quotas: Quotas | None = None,
        throttle: Throttle | None = None,
        lag: Lag | None = None,
    ) -> None:
        self._context = Context(
            store, state, trainer, endpoints, objects_of, keys_of, quotas or Quotas(), throttle
        )
        self._faults = faults or Faults()
        self._lag = lag or Lag(0)
        self._versions = Versions(self._context)
        parts = (Projects, Datasets, DatasetEntries, Policies, Copies, Detection, Tags)
        self._parts = (self._versions, *(part(self._context) for part in parts))

    def call(self, operation: str, request: Request, caller: Caller) -> Answer:
        """Answer a validated request; raises a RekognitionError."""
        name = xform_name(operation)
        part = next((part for part in self._parts if hasattr(part, name)), None)
        if part is None:
            raise UnknownOperationException(
                f"{operation} is not an operation of Custom Labels, which is all that this engine has"
            )
        if self._context.throttle:
            self._context.throttle.take(operation, caller.account, caller.region)
        outcome = self._faults.strike(operation)
        optional = {"outcome": outcome} if outcome else {}
        answer: Answer = getattr(part, name)(request, caller, **optional)
        return self._lag.answer(operation, request, f"{caller.account} {caller.region}", answer)

    def recover(self) -> None:
        """Begin again after the store is opened: end what was under way, start again what ran."""
        self._versions.recover()
        self._context.filling.resume()

    def close(self) -> None:
        self._context.close()

    def tags_of(self, resource_arn: str) -> dict[str, str]:
        """The tags of a resource, for conditions on aws:ResourceTag."""
        return self._context.store.tags(resource_arn)

    def policies_of(self, project_arn: str) -> list[str]:
        """The documents of the project's policies."""
        return [policy.document for policy in self._context.store.policies(project_arn)]
