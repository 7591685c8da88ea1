"""What the constructs of all steps share: the resources they work on, and how they make their functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.data_bucket import DataBucket
from infra.deployment import Deployment
from infra.handler import Handler
from infra.loop_state import LoopState


@dataclass(frozen=True)
class SharedResources:
    """The resources that every step works on."""

    deployment: Deployment
    data_bucket: DataBucket
    loop_state: LoopState


class Step(Construct):
    """A step of the loop, with functions that work on the data bucket and the loop's state.

    Args:
        environment: variables of all functions of the step.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        shared: SharedResources,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(scope, id)
        self.deployment = shared.deployment
        self.data_bucket = shared.data_bucket
        self.loop_state = shared.loop_state
        self.environment = {
            "DATA_BUCKET": shared.data_bucket.bucket.bucket_name,
            **shared.loop_state.environment,
            **(environment or {}),
        }

    def make_handler(
        self,
        id: str,
        entry: str,
        description: str,
        *,
        environment: Mapping[str, str] | None = None,
        timeout: int = 60,
        memory: int = 512,
        writes: Sequence[str] = (),
        name: str = "",
        code: lambda_.Code | None = None,
    ) -> Handler:
        """Make a function of the step. It may read the tuning and the loop's state.

        Args:
            environment: variables of this function alone.
            writes: kinds of items of the loop's state that it may write.
            name: physical name, where others name it before it exists.
            code: its code asset; None: that of all functions.
        """
        handler = Handler(
            self,
            id,
            self.deployment,
            entry=entry,
            description=description,
            timeout=timeout,
            memory=memory,
            name=name,
            code=code,
            environment={**self.environment, **(environment or {})},
        )
        self.loop_state.grant_read(handler)
        if writes:
            self.loop_state.grant_write(handler, *writes)
        return handler
