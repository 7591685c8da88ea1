"""Where the images of applications lie in the data bucket, each application's apart from all others'.

`applications/<folder>/images/<id>` holds what came in the body of a request, `.../uploads/<id>` what was
uploaded. Both are forgotten in time; what becomes a review task is copied first.
"""

from __future__ import annotations

import hashlib
import re
import secrets

from lambdas.domain.applications.directory import NAME

PREFIX = "applications/"
CONTENT_TYPES = ("image/jpeg", "image/png")
UPLOAD_SECONDS = 900
"""How long a presigned upload is good."""
_UPLOAD = re.compile(r"[0-9a-f]{32}")


def image_key(application: str, id: str) -> str:
    """Where the image of a detection lies that came with the request."""
    return f"{_folder(application)}images/{id}"


def new_upload_key(application: str) -> str:
    """Where an image is about to be uploaded to."""
    return f"{_folder(application)}uploads/{secrets.token_hex(16)}"


def is_upload(application: str, key: str) -> bool:
    """Whether this is the key of an upload of this application, and no other's."""
    folder = f"{_folder(application)}uploads/"
    return key.startswith(folder) and _UPLOAD.fullmatch(key[len(folder) :]) is not None


def _folder(application: str) -> str:
    """Of an application; those of callers that AWS has authenticated are called by a hash.

    Their names hold what is no good in a key, and names of applications do not begin with aws.
    """
    is_name = NAME.fullmatch(application) is not None
    name = application if is_name else f"aws-{hashlib.sha256(application.encode()).hexdigest()[:32]}"
    return f"{PREFIX}{name}/"
