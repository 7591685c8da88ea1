"""The image that a worker is shown: upright, whatever the worker portal makes of an EXIF orientation.

AWS has the portal show images as they are stored, where it can: "CORS Permission Requirement" on
https://docs.aws.amazon.com/sagemaker/latest/dg/a2i-permissions-security.html . LabelLoop's boxes are of the
image upright, so an image that is stored otherwise is shown as an upright copy.
"""

from __future__ import annotations

import mimetypes
from io import BytesIO
from typing import TYPE_CHECKING

from lambdas.domain.images import exif
from lambdas.domain.images.opening import open_image

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

UPRIGHT = "reviews/upright/"
"""Under this the copies lie."""
_QUALITY = 95


def key(s3: S3Client, bucket: str, image_key: str) -> str:
    """Key of the image, or of its upright copy, which is made if the image is stored otherwise."""
    # Imported here: a Lambda function that starts no loop needs no decoder.
    from PIL import ImageOps  # noqa: PLC0415

    data = s3.get_object(Bucket=bucket, Key=image_key)["Body"].read()
    with open_image(data) as image:
        if exif.orientation(image) == 1:
            return image_key
        form, turned = image.format or "JPEG", BytesIO()
        ImageOps.exif_transpose(image).save(turned, form, quality=_QUALITY)
    copy = UPRIGHT + image_key.rpartition("/")[2]
    content_type = mimetypes.guess_type(copy)[0] or "application/octet-stream"
    s3.put_object(Bucket=bucket, Key=copy, Body=turned.getvalue(), ContentType=content_type)
    return copy
