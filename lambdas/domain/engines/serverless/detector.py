"""Asks the serving function about images.

The function may read nothing by itself: model and image come by links that are signed with the permissions of
whoever asks, as Rekognition takes over its caller's.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lambdas.domain.engines.port import NotYetError
from lambdas.domain.engines.serverless import training_jobs
from lambdas.domain.shared.frozen import frozen

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from lambdas.domain.engines.port import Image, Label

MODEL_FILES = ("model.onnx", "second_stage.onnx")
LINK_SECONDS = 300
_LAMBDA_THROTTLED = ("TooManyRequestsException", "EC2ThrottledException")
"""https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html"""


@frozen
class ServerlessDetector:
    """Asks models that training jobs have left.

    Args:
        functions: the client of Lambda.
        sagemaker: the client of SageMaker, which tells where models are.
        signer: S3, for links.
    """

    functions: Any
    sagemaker: Any
    signer: S3Client
    function_name: str

    def detect_labels(
        self, version_arn: str, image: Image, *, min_confidence: float | None = None
    ) -> list[Label]:
        """What a version sees on an image.

        Raises:
            botocore.exceptions.ClientError: with the codes of DetectCustomLabels.
        """
        request = {
            "model": {"name": version_arn, "files": self._model_links(version_arn)},
            "image": self._image(image),
            "min_confidence": min_confidence,
        }
        answer = self._invoke(request)
        if error := answer.get("error"):
            raise _error(error["code"], error["message"])
        return [_label(seen) for seen in answer["labels"]]

    def _invoke(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            invoked = self.functions.invoke(
                FunctionName=self.function_name, Payload=json.dumps(request).encode()
            )
        except ClientError as error:
            if error.response["Error"]["Code"] in _LAMBDA_THROTTLED:
                message = error.response["Error"].get("Message", "the serving function is busy")
                raise _error("ThrottlingException", message) from error
            raise
        answer: dict[str, Any] = json.load(invoked["Payload"])
        if invoked.get("FunctionError"):
            # It ran out of time or memory, or was killed.
            raise _error(
                "InternalServerError", f"the serving function failed: {answer.get('errorMessage', '')}"
            )
        return answer

    def _model_links(self, version_arn: str) -> dict[str, str]:
        bucket, prefix = model_folder(self.sagemaker, version_arn)
        return {name: self._link({"Bucket": bucket, "Key": f"{prefix}/{name}"}) for name in MODEL_FILES}

    def _image(self, image: Image) -> dict[str, str]:
        if "Bytes" in image:
            return {"bytes": base64.b64encode(image["Bytes"]).decode()}
        lies = image["S3Object"]
        version = {"VersionId": lies["Version"]} if lies.get("Version") else {}
        return {"url": self._link({"Bucket": lies["Bucket"], "Key": lies["Name"], **version})}

    def _link(self, of: dict[str, str]) -> str:
        return self.signer.generate_presigned_url("get_object", Params=of, ExpiresIn=LINK_SECONDS)


def model_folder(sagemaker: Any, version_arn: str) -> tuple[str, str]:
    """Bucket and folder in which a version's model is.

    Raises:
        botocore.exceptions.ClientError: ResourceNotReadyException, if the training job is not complete;
            ResourceNotFoundException, if there is none. SageMaker itself calls that a wrong parameter, which
            is what Rekognition calls wrong images.
    """
    if ":s3:" in version_arn:
        bucket, _, folder = version_arn.rpartition(":::")[2].partition("/")
        return bucket, folder
    job = version_arn.rpartition("/")[2]
    try:
        uri = training_jobs.model_folder(sagemaker, job)
    except NotYetError as error:
        raise _error("ResourceNotReadyException", str(error)) from error
    except ClientError as error:
        if error.response["Error"]["Code"] in training_jobs.NOT_FOUND:
            raise _error("ResourceNotFoundException", f"there is no training job {job} any more") from error
        raise
    bucket, _, folder = uri.removeprefix("s3://").partition("/")
    return bucket, folder


def _label(seen: dict[str, Any]) -> Label:
    label: Label = {"label": seen["label"], "confidence": round(seen["confidence"], 3)}
    if box := seen["box"]:
        label["box"] = {
            side: round(share, 6) for side, share in zip(("left", "top", "width", "height"), box, strict=True)
        }
    return label


def _error(code: str, message: str) -> ClientError:
    status = 500 if code == "InternalServerError" else 400
    failure: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(failure, "DetectLabels")
