"""Flow definitions and worker task templates, as far as human loops need them.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateFlowDefinition.html
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateHumanTaskUi.html
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from typing import Any

from local.sagemaker.errors import AccessDeniedException, ResourceInUse, ResourceNotFound, ValidationException
from local.sagemaker.host import Caller
from local.sagemaker.protocol import timestamp
from local.sagemaker.store import Kind, Resource, Store

Request = Mapping[str, Any]
Answer = dict[str, Any]


class FlowDefinitions:
    def __init__(self, store: Store) -> None:
        self._store = store

    def create_human_task_ui(self, request: Request, caller: Caller) -> Answer:
        made = self._create("human-task-ui", request["HumanTaskUiName"], request, caller)
        return {"HumanTaskUiArn": made.arn}

    def describe_human_task_ui(self, request: Request, caller: Caller) -> Answer:
        ui = self._get("human-task-ui", request["HumanTaskUiName"], caller)
        template = ui.body["UiTemplate"]["Content"].encode()
        return {
            "HumanTaskUiArn": ui.arn,
            "HumanTaskUiName": ui.name,
            "HumanTaskUiStatus": "Active",
            "CreationTime": timestamp(ui.created),
            "UiTemplate": {"ContentSha256": hashlib.sha256(template).hexdigest()},
        }

    def delete_human_task_ui(self, request: Request, caller: Caller) -> Answer:
        self._store.delete(self._get("human-task-ui", request["HumanTaskUiName"], caller))
        return {}

    def create_flow_definition(self, request: Request, caller: Caller) -> Answer:
        config = request.get("HumanLoopConfig")
        if config is None or "HumanLoopRequestSource" in request:
            raise ValidationException("Only custom task types are emulated: give a HumanLoopConfig alone")
        if self._ui(config["HumanTaskUiArn"], caller) is None:
            raise ValidationException(f"There is no human task UI {config['HumanTaskUiArn']}")
        if not caller.may_pass(request["RoleArn"]):
            raise AccessDeniedException(
                f"You are not authorized to perform iam:PassRole on {request['RoleArn']}"
            )
        made = self._create("flow-definition", request["FlowDefinitionName"], request, caller)
        return {"FlowDefinitionArn": made.arn}

    def describe_flow_definition(self, request: Request, caller: Caller) -> Answer:
        flow = self._get("flow-definition", request["FlowDefinitionName"], caller)
        kept = ("HumanLoopConfig", "OutputConfig", "RoleArn")
        return {
            "FlowDefinitionArn": flow.arn,
            "FlowDefinitionName": flow.name,
            "FlowDefinitionStatus": "Active",
            "CreationTime": timestamp(flow.created),
            **{name: flow.body[name] for name in kept},
        }

    def delete_flow_definition(self, request: Request, caller: Caller) -> Answer:
        self._store.delete(self._get("flow-definition", request["FlowDefinitionName"], caller))
        return {}

    def flow(self, arn: str, caller: Caller) -> Resource | None:
        """The flow definition of this ARN, if it is one of the caller's account and Region."""
        return self._by_arn("flow-definition", arn, caller)

    def template(self, flow: Resource, caller: Caller) -> str | None:
        """The worker task template of a flow definition; None if it was deleted."""
        ui = self._ui(flow.body["HumanLoopConfig"]["HumanTaskUiArn"], caller)
        return str(ui.body["UiTemplate"]["Content"]) if ui else None

    def _ui(self, arn: str, caller: Caller) -> Resource | None:
        return self._by_arn("human-task-ui", arn, caller)

    def _by_arn(self, kind: Kind, arn: str, caller: Caller) -> Resource | None:
        resource = self._store.get(kind, caller.account, caller.region, arn.rpartition("/")[2])
        return resource if resource and resource.arn == arn else None

    def _create(self, kind: Kind, name: str, request: Request, caller: Caller) -> Resource:
        now = time.time()
        made = Resource(kind, caller.account, caller.region, name, now, now, "Active", dict(request))
        with self._store.transaction():
            if self._store.get(kind, caller.account, caller.region, name):
                raise ResourceInUse(f"{made.arn} exists already")
            self._store.put(made)
        return made

    def _get(self, kind: Kind, name: str, caller: Caller) -> Resource:
        resource = self._store.get(kind, caller.account, caller.region, name)
        if resource is None:
            raise ResourceNotFound(f"There is no {kind} {name} in this account and Region")
        return resource
