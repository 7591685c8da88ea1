"""Keys in listings of S3's object versions, whatever characters they have.

AWS: encodes the keys of the answer if the request has encoding-type=url, which boto3 always sends.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html
MiniStack: encodes those of other listings only. A key with a control character makes this one's XML
unreadable, and that of every key that is listed with it.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any
from xml.etree.ElementTree import Element, SubElement

ENCODED = ("KeyMarker", "NextKeyMarker", "Prefix", "Key", "Delimiter")
"""Elements of the answer that AWS encodes, by the page above."""

_encodes: ContextVar[bool] = ContextVar("encodes", default=False)


def apply_patch() -> None:
    """Patch MiniStack in this process; to be called before the first request."""
    from ministack.services import s3  # noqa: PLC0415 reads the environment when first imported

    listing, body = s3._list_object_versions, s3._xml_body

    def list_object_versions(bucket: str, query: dict[str, Any]) -> Any:
        token = _encodes.set(s3._qp(query, "encoding-type", "") == "url")
        try:
            return listing(bucket, query)
        finally:
            _encodes.reset(token)

    def xml_body(root: Element) -> bytes:
        if _encodes.get() and root.tag == "ListVersionsResult":
            SubElement(root, "EncodingType").text = "url"
            for element in root.iter():
                if element.tag in ENCODED:
                    element.text = s3._url_encode(element.text or "")
        encoded: bytes = body(root)
        return encoded

    s3._list_object_versions, s3._xml_body = list_object_versions, xml_body
