"""Links to single objects: they lead to the bucket in its Region, as S3's redirects are not followed."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from lambdas import http
from lambdas.services import services


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_PROFILE", "S3_ADDRESSING_STYLE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"DATA_BUCKET": "labelloop-data", "AWS_REGION": "us-east-1"}.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "testing")
    services.cache_clear()
    yield
    services.cache_clear()


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1", "ap-southeast-2"])
def test_a_link_leads_to_the_bucket_s_own_region(region: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", region)
    for url in (
        http.presigned_url("images/a b+ä.jpg"),
        services().signer.generate_presigned_url(
            "put_object", Params={"Bucket": services().bucket, "Key": "try/a", "ContentLength": 1}
        ),
    ):
        address = urlsplit(url)
        assert (address.scheme, address.hostname) == ("https", f"labelloop-data.s3.{region}.amazonaws.com")
        assert f"{region}%2Fs3%2Faws4_request" in address.query, "signed for the Region"


def test_on_this_machine_a_link_leads_to_the_embedded_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://localhost:4567")
    monkeypatch.setenv("S3_ADDRESSING_STYLE", "path")
    assert http.presigned_url("images/a.jpg").startswith(
        "http://localhost:4567/labelloop-data/images/a.jpg?X-Amz-Algorithm=AWS4-HMAC-SHA256&"
    )
