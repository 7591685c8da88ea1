"""SageMaker without a server: requests as botocore's models have them, S3 and EventBridge in memory."""

from __future__ import annotations

import functools
import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
from botocore.exceptions import ClientError
from botocore.response import StreamingBody
from PIL import Image

from local.sagemaker import protocol
from local.sagemaker.errors import SageMakerError
from local.sagemaker.host import NoAccess
from local.sagemaker.protocol import A2I, SAGEMAKER, Received
from local.sagemaker.service import SageMaker

ACCOUNT, REGION, BUCKET = "111122223333", "eu-west-1", "data-bucket"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/reviews"
WORKTEAM = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:workteam/private-crowd/team"


def picture(width: int = 120, height: int = 80, form: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), (10, 120, 200)).save(out, form)
    return out.getvalue()


class World:
    """Plays MiniStack: objects and events."""

    def __init__(self) -> None:
        self.files: dict[tuple[str, str], bytes] = {}
        self.events: list[Mapping[str, Any]] = []
        self.no_access = ""
        self.deaf = False
        """No event can be put."""

    def objects(self, role_arn: str, region: str) -> World:
        if self.no_access == "role":
            raise NoAccess(f"there is no role {role_arn}")
        return self

    def get(self, bucket: str, key: str) -> bytes:
        if (bucket, key) not in self.files:
            raise NoAccess(f"s3://{bucket}/{key}: NoSuchKey")
        return self.files[bucket, key]

    def put(self, bucket: str, key: str, body: bytes) -> None:
        if self.no_access == "write":
            raise NoAccess(f"s3://{bucket}/{key}: AccessDenied")
        self.files[bucket, key] = body

    def check_cors(self, account: str, region: str, bucket: str) -> None:
        if self.no_access == "cors":
            raise NoAccess(f"bucket {bucket} has no CORS rule")

    def url(self, bucket: str, key: str) -> str:
        return f"https://s3.example/{bucket}/{key}?signed"

    def put_event(self, account: str, region: str, event: Mapping[str, Any]) -> None:
        if self.deaf:
            raise RuntimeError("nobody listens")
        # As EventBridge delivers it.
        self.events.append(
            {
                "version": "0",
                "source": "aws.sagemaker",
                "detail-type": event["DetailType"],
                "account": account,
                "region": region,
                "resources": event["Resources"],
                "detail": json.loads(json.dumps(event["Detail"])),
            }
        )

    @property
    def s3(self) -> Any:
        """The same objects as a client of S3 shows them."""

        def get_object(Bucket: str, Key: str) -> dict[str, Any]:
            if (Bucket, Key) not in self.files:
                told: Any = {"Error": {"Code": "NoSuchKey", "Message": Key}}
                raise ClientError(told, "GetObject")
            body = self.files[Bucket, Key]
            return {"Body": StreamingBody(io.BytesIO(body), len(body)), "ContentLength": len(body)}

        def put_object(Bucket: str, Key: str, Body: bytes, ContentType: str = "") -> None:
            self.files[Bucket, Key] = Body

        return SimpleNamespace(get_object=get_object, put_object=put_object)


class Caller:
    account = ACCOUNT
    region = REGION

    def __init__(self, *, passes_roles: bool = True) -> None:
        self._passes_roles = passes_roles

    def may_pass(self, role_arn: str) -> bool:
        return self._passes_roles


class Client:
    """A boto3 client's methods, answered by the emulation: serialised, parsed and checked on the way."""

    def __init__(self, service: str, sagemaker: SageMaker, caller: Caller) -> None:
        self._service = service
        self._sagemaker = sagemaker
        self._caller = caller
        self._boto3 = _boto3(service)

    def __getattr__(self, method: str) -> Callable[..., dict[str, Any]]:
        operation = self._boto3.meta.method_to_api_mapping[method]

        def call(**members: Any) -> dict[str, Any]:
            model = self._boto3.meta.service_model.operation_model(operation)
            sent = self._boto3._serializer.serialize_to_request(members, model)
            query = "&".join(f"{name}={value}" for name, value in dict(sent["query_string"] or {}).items())
            path, _, _ = sent["url_path"].partition("?")
            headers = {**sent["headers"], "authorization": f"x/{REGION}/sagemaker/aws4_request"}
            found = protocol.operation_of(
                sent["method"], path, {name.lower(): value for name, value in headers.items()}
            )
            assert found == (self._service, operation)
            body = (
                sent["body"] if isinstance(sent["body"], bytes) else json.dumps(sent["body"] or {}).encode()
            )
            received = Received(self._service, operation, path, query, body)
            try:
                request = protocol.parse(received)
                answer = self._sagemaker.call(self._service, operation, request, self._caller)
            except SageMakerError as error:
                told = {"Error": {"Code": error.code, "Message": error.message}}
                raise ClientError(told, operation) from error
            protocol.dump(self._service, operation, answer)
            return answer

        return call


@functools.cache
def _boto3(service: str) -> Any:
    return boto3.client(  # pyrefly: ignore[no-matching-overload]
        service, region_name=REGION, aws_access_key_id="x", aws_secret_access_key="y"
    )


class Bench:
    """The services over one directory, with a bucket that has one image."""

    def __init__(self, state: Path, world: World | None = None) -> None:
        self.state = state
        self.world = world or World()
        self.world.files[BUCKET, "images/a.png"] = picture()
        self.service = SageMaker(state, self.world)
        self.a2i = self.client(A2I)
        self.sagemaker = self.client(SAGEMAKER)

    def client(self, service: str, caller: Caller | None = None) -> Any:
        return Client(service, self.service, caller or Caller())

    def again(self) -> Bench:
        """After an end of the process."""
        self.service.close()
        return Bench(self.state, self.world)

    def flow(self, template: str, *, tasks: int = 1, name: str = "flow", **config: Any) -> str:
        """ARN of a flow definition with that worker task template."""
        made = self.sagemaker.create_human_task_ui(
            HumanTaskUiName=f"{name}-ui", UiTemplate={"Content": template}
        )
        flow = self.sagemaker.create_flow_definition(
            FlowDefinitionName=name,
            HumanLoopConfig={
                "WorkteamArn": WORKTEAM,
                "HumanTaskUiArn": made["HumanTaskUiArn"],
                "TaskTitle": "Review",
                "TaskDescription": "Review an image",
                "TaskCount": tasks,
                **config,
            },
            OutputConfig={"S3OutputPath": f"s3://{BUCKET}/reviews/a2i"},
            RoleArn=ROLE,
        )
        return str(flow["FlowDefinitionArn"])

    def waiting(self, worker: str = "ann") -> list[dict[str, Any]]:
        return self.service.queue.waiting(worker)

    def answer(self, said: Mapping[str, Any], worker: str = "ann", seconds: float = 2.0) -> None:
        """Answer the first that waits for this worker."""
        self.service.queue.answer(self.waiting(worker)[0]["id"], worker, said, seconds)
