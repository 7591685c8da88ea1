"""DetectCustomLabels: images it takes and refuses, labels it answers with."""

from __future__ import annotations

import io
import shutil
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from local.engine import errors, quotas
from local.engine.model_directory import version_directory
from tests.fixtures.engine import BUCKET, Bench, Everybody, FakeModel, picture, sent
from tests.fixtures.images import with_text


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({}, ["cat", "dog"]),
        ({"MinConfidence": 0}, ["cat", "dog", "fox"]),
        ({"MinConfidence": 90}, ["cat"]),
        ({"MaxResults": 1}, ["cat"]),
        ({"MinConfidence": 0, "MaxResults": 2}, ["cat", "dog"]),
    ],
)
def test_labels_are_kept_by_threshold_or_by_what_is_asked(
    bench: Bench, query: dict[str, Any], names: list[str]
) -> None:
    arn = bench.running(bench.project())
    answer = bench.call("DetectCustomLabels", ProjectVersionArn=arn, Image=sent(picture((1, 2, 3))), **query)
    assert [label["Name"] for label in answer["CustomLabels"]] == names


def test_an_image_comes_from_s3_with_the_callers_permission(bench: Bench) -> None:
    arn = bench.running(bench.project())
    bench.objects.held[BUCKET, "x.jpg"] = picture((1, 2, 3), form="JPEG")
    image = {"S3Object": {"Bucket": BUCKET, "Name": "x.jpg"}}
    assert bench.call("DetectCustomLabels", ProjectVersionArn=arn, Image=image)["CustomLabels"]
    with pytest.raises(errors.InvalidS3ObjectException):
        bench.call("DetectCustomLabels", Everybody("s3:GetObject"), ProjectVersionArn=arn, Image=image)
    gone = {"S3Object": {"Bucket": BUCKET, "Name": "y.jpg"}}
    with pytest.raises(errors.InvalidS3ObjectException):
        bench.call("DetectCustomLabels", ProjectVersionArn=arn, Image=gone)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"not an image", errors.InvalidImageFormatException),
        (picture((1, 2, 3), form="GIF"), errors.InvalidImageFormatException),
        (picture((1, 2, 3))[:-30], errors.InvalidImageFormatException),
        (picture((1, 2, 3), (63, 100)), errors.InvalidParameterException),
        (picture((1, 2, 3), (64, 1280)), errors.InvalidParameterException),
        (picture((1, 2, 3), (4097, 300)), errors.ImageTooLargeException),
        (b"x" * (quotas.MAX_SENT_IMAGE_BYTES + 1), errors.ImageTooLargeException),
    ],
)
def test_an_image_that_cannot_be_used_is_told(
    bench: Bench, body: bytes, error: type[errors.RekognitionError]
) -> None:
    arn = bench.running(bench.project())
    with pytest.raises(error):
        bench.call("DetectCustomLabels", ProjectVersionArn=arn, Image=sent(body))


def test_boxes_are_ratios_of_the_image_turned_upright(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import learning
    from learning import data
    from local.engine.serving import child

    class Model:
        def predict_sized(self, source: io.BytesIO) -> tuple[list[learning.Prediction], tuple[int, int]]:
            image, size = data.read(source)
            assert image.size == size == (100, 200)
            return [learning.Prediction("cat", 80.0, learning.Box("cat", 10, 20, 30, 40))], size

    monkeypatch.setattr(learning.Model, "load", lambda directory: Model())
    out = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (200, 100)).save(out, "JPEG", exif=exif)
    (detection,) = child.load(tmp_path)(out.getvalue())
    assert (detection.label, detection.confidence, detection.box) == ("cat", 80.0, (0.1, 0.1, 0.3, 0.2))


def saved(image: Image.Image, form: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


@pytest.mark.parametrize(
    "body",
    [
        saved(Image.new("RGBA", (64, 64), (1, 2, 3, 4)), "PNG"),
        saved(Image.new("L", (80, 64)), "PNG"),
        saved(Image.new("L", (80, 64)), "JPEG"),
        saved(Image.new("P", (80, 64)), "PNG"),
        saved(Image.new("I;16", (80, 64)), "PNG"),
        saved(Image.new("CMYK", (80, 64)), "JPEG"),
        saved(Image.new("RGB", (4096, 300)), "JPEG"),
        # PNG sets no limit to texts: https://www.w3.org/TR/png-3/#11textinfo
        with_text(saved(Image.new("L", (80, 64)), "PNG"), bytes(3 * 1024**2)),
    ],
)
def test_every_kind_of_png_and_jpeg_is_taken(bench: Bench, body: bytes) -> None:
    arn = bench.running(bench.project())
    assert bench.call("DetectCustomLabels", ProjectVersionArn=arn, Image=sent(body))["CustomLabels"]


def test_a_png_that_claims_more_pixels_than_fit_is_too_large(bench: Bench) -> None:
    arn = bench.running(bench.project())
    body = bytearray(picture((1, 2, 3)))
    body[16:24] = (60_000).to_bytes(4, "big") * 2
    body[29:33] = zlib.crc32(body[12:29]).to_bytes(4, "big")
    with pytest.raises(errors.ImageTooLargeException, match="pixels"):
        bench.call("DetectCustomLabels", ProjectVersionArn=arn, Image=sent(bytes(body)))


def test_an_image_in_s3_may_be_larger_than_one_that_is_sent(bench: Bench) -> None:
    arn = bench.running(bench.project())
    body = picture((1, 2, 3)) + bytes(quotas.MAX_SENT_IMAGE_BYTES)
    bench.objects.held[BUCKET, "large.png"] = body
    image = {"S3Object": {"Bucket": BUCKET, "Name": "large.png"}}
    assert bench.call("DetectCustomLabels", ProjectVersionArn=arn, Image=image)["CustomLabels"]
    bench.objects.held[BUCKET, "large.png"] = body + bytes(11 * quotas.MIB)
    with pytest.raises(errors.ImageTooLargeException, match=r"large\.png has more than 15728640 bytes"):
        bench.call("DetectCustomLabels", ProjectVersionArn=arn, Image=image)


def test_a_model_that_is_deleted_while_it_is_asked_is_not_ready(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    arn = bench.running(bench.project())
    predict = FakeModel.predict

    def slow(model: FakeModel, image: bytes) -> Any:
        detections = predict(model, image)
        shutil.rmtree(version_directory(bench.state, arn))
        return detections

    monkeypatch.setattr(FakeModel, "predict", slow)
    with pytest.raises(errors.ResourceNotReadyException, match="does not run any more"):
        bench.call("DetectCustomLabels", ProjectVersionArn=arn, Image=sent(picture((1, 2, 3))))


@pytest.mark.parametrize("image", [{}, {"Bytes": "", "S3Object": {}}, {"S3Object": {"Bucket": BUCKET}}])
def test_an_image_of_no_or_two_sources_is_refused(bench: Bench, image: dict[str, Any]) -> None:
    arn = bench.running(bench.project())
    with pytest.raises(errors.RekognitionError, match="Image"):
        bench.call("DetectCustomLabels", ProjectVersionArn=arn, Image=image)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"MinConfidence": 101}, "MinConfidence"),
        ({"MinConfidence": True}, "MinConfidence"),
        ({"MaxResults": -1}, "MaxResults"),
        ({"MaxResults": 1.5}, "MaxResults"),
        (
            {"ProjectVersionArn": "arn:aws:rekognition:us-east-1:123456789012:project/p/1"},
            "ProjectVersionArn",
        ),
    ],
)
def test_a_member_out_of_its_range_is_named(bench: Bench, request_: dict[str, Any], message: str) -> None:
    wanted: dict[str, Any] = {
        "ProjectVersionArn": bench.running(bench.project()),
        "Image": sent(picture((1, 2, 3))),
        **request_,
    }
    with pytest.raises(errors.ValidationException, match=message):
        bench.call("DetectCustomLabels", **wanted)


def test_an_image_version_needs_the_permission_for_versions(bench: Bench) -> None:
    arn = bench.running(bench.project())
    bench.objects.held[BUCKET, "x.png"] = picture((1, 2, 3))
    image = {"S3Object": {"Bucket": BUCKET, "Name": "x.png", "Version": "1"}}
    assert bench.call("DetectCustomLabels", ProjectVersionArn=arn, Image=image)["CustomLabels"]
    with pytest.raises(errors.InvalidS3ObjectException):
        bench.call("DetectCustomLabels", Everybody("s3:GetObjectVersion"), ProjectVersionArn=arn, Image=image)
