"""TagResource, UntagResource, ListTagsForResource."""

from __future__ import annotations

from local.engine import arns
from local.engine.api.context import Answer, Caller, Context, Request, existing_for
from local.engine.errors import InvalidParameterException, ServiceQuotaExceededException
from local.engine.storage.store import TooManyError


class Tags:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._store = context.store

    def tag_resource(self, request: Request, caller: Caller) -> Answer:
        arn = self._taggable(request, caller)
        try:
            self._store.put_tags(arn, request["Tags"], limit=self._context.quotas.tags_per_resource)
        except TooManyError as error:
            raise ServiceQuotaExceededException(f"Tags: a resource has up to {error} tags") from error
        return {}

    def untag_resource(self, request: Request, caller: Caller) -> Answer:
        self._store.delete_tags(self._taggable(request, caller), request["TagKeys"])
        return {}

    def list_tags_for_resource(self, request: Request, caller: Caller) -> Answer:
        return {"Tags": self._store.tags(self._taggable(request, caller))}

    def _taggable(self, request: Request, caller: Caller) -> str:
        arn: str = request["ResourceArn"]
        if arns.parse(arn) is None:
            raise InvalidParameterException(
                f"ResourceArn: {arn} is not the ARN of a project, a dataset or a model version"
            )
        resource = self._store.project(arn) or self._store.dataset(arn) or self._store.version(arn)
        existing_for(caller, arn, resource)
        return arn
