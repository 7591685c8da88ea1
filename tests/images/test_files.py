from __future__ import annotations

import hashlib
import subprocess
import sys

import pytest
from PIL import Image, features

from lambdas.domain.images import files as image_files
from lambdas.domain.images.files import UnusableImageError
from tests.fixtures.images import GIF, bomb_png, encoded, picture, with_text


def refusal(data: bytes) -> UnusableImageError:
    with pytest.raises(UnusableImageError) as refused:
        image_files.inspect(data)
    assert refused.value.detail
    return refused.value


@pytest.mark.parametrize(("format", "extension"), [("JPEG", "jpg"), ("PNG", "png")])
def test_an_image_is_known_by_its_bytes(format: str, extension: str) -> None:
    data = picture(format=format)
    facts = image_files.inspect(data)
    sha256 = hashlib.sha256(data).hexdigest()
    assert (facts.format, facts.width, facts.height, facts.bytes) == (format, 80, 70, len(data))
    assert facts.sha256 == sha256
    assert facts.key == f"images/{sha256}.{extension}"


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_jpeg_colour_spaces_that_the_documentation_does_not_limit_are_taken(mode: str) -> None:
    assert image_files.inspect(picture(mode=mode)).format == "JPEG"


@pytest.mark.parametrize("mode", ["L", "LA", "P", "1", "RGBA"])
def test_png_modes_are_taken(mode: str) -> None:
    assert image_files.inspect(picture(format="PNG", mode=mode)).format == "PNG"


def test_a_16_bit_png_is_taken() -> None:
    data = encoded(Image.new("I;16", (80, 70), 40000), "PNG")
    assert data[24] == 16, "the bit depth of the header"
    assert image_files.inspect(data).format == "PNG"


def test_a_progressive_jpeg_and_one_of_several_pictures_are_jpegs() -> None:
    assert image_files.inspect(picture(progressive=True)).format == "JPEG"
    first, second = Image.new("RGB", (80, 70), "red"), Image.new("RGB", (80, 70), "blue")
    data = encoded(first, "MPO", save_all=True, append_images=[second])
    assert image_files.inspect(data).format == "JPEG"


def test_zero_bytes() -> None:
    assert refusal(b"").reason == "empty"


@pytest.mark.parametrize("format", ["JPEG", "PNG"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_truncated_image(format: str, share: float) -> None:
    data = picture(format=format, size=(300, 300))
    assert refusal(data[: int(len(data) * share)]).reason == "truncated"


@pytest.mark.parametrize(
    "beginning", [b"\xff\xd8\xff", b"\xff\xd8\xff\xe0\x00\x10JFIF", b"\x89PNG\r\n\x1a\n"]
)
def test_only_the_beginning_of_an_image(beginning: bytes) -> None:
    assert refusal(beginning).reason == "truncated"


def test_a_png_with_broken_data_and_its_end_in_place() -> None:
    data = bytearray(picture(format="PNG", size=(300, 300)))
    middle = data.index(b"IDAT") + 10
    data[middle : middle + 40] = bytes(40)
    assert refusal(bytes(data)).reason == "corrupt"


@pytest.mark.parametrize("data", [b"hello", b"{}", b"\x00" * 100, b"<svg/>", b"\xff\xd8", bytes(range(256))])
def test_not_an_image(data: bytes) -> None:
    assert refusal(data).reason == "not_an_image"


@pytest.mark.parametrize("format", ["BMP", "TIFF", "WEBP", "ICO", "JPEG2000"])
def test_formats_that_custom_labels_does_not_take(format: str) -> None:
    if format in ("WEBP", "JPEG2000") and not features.check(
        {"WEBP": "webp", "JPEG2000": "jpg_2000"}[format]
    ):
        pytest.skip("Pillow was built without it")
    refused = refusal(picture(format=format))
    assert refused.reason == "unsupported_format"
    assert "convert" in refused.detail


def test_a_gif_is_named_in_the_refusal() -> None:
    refused = refusal(GIF)
    assert (refused.reason, "GIF" in refused.detail) == ("unsupported_format", True)


def test_an_animated_png() -> None:
    frames = [Image.new("RGB", (80, 70), colour) for colour in ("red", "blue")]
    assert refusal(encoded(frames[0], "PNG", save_all=True, append_images=frames[1:])).reason == "animated"


@pytest.mark.parametrize(
    ("size", "reason"),
    [
        ((63, 64), "too_small"),
        ((64, 63), "too_small"),
        ((4097, 4000), "too_large"),
        ((1300, 64), "too_elongated"),
    ],
)
def test_dimensions_outside_the_limits(size: tuple[int, int], reason: str) -> None:
    assert refusal(picture(size=size)).reason == reason


@pytest.mark.parametrize("size", [(64, 64), (1280, 64), (4096, 4096)])
def test_dimensions_at_the_limits(size: tuple[int, int]) -> None:
    facts = image_files.inspect(encoded(Image.new("L", size), "PNG"))
    assert (facts.width, facts.height) == size


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [5_000, 12_000, 100_000, 2**31 - 1])
def test_a_decompression_bomb_is_refused_by_its_header(side: int) -> None:
    data = bomb_png(side, side)
    assert len(data) < 200
    assert refusal(data).reason == "too_large"


@pytest.mark.parametrize("megabytes", [0, 3])
def test_a_png_with_a_long_text_is_taken(megabytes: int) -> None:
    data = with_text(picture(format="PNG"), b"settings of a microscope" + bytes(megabytes * 1024**2))
    assert image_files.inspect(data).width == 80


def test_a_png_with_a_large_colour_profile_is_taken() -> None:
    data = picture(format="PNG", icc_profile=bytes(2 * 1024**2))
    assert image_files.inspect(data).width == 80


@pytest.mark.long
def test_texts_that_fill_the_memory_are_refused() -> None:
    data = picture(format="PNG")
    for _ in range(3):
        data = with_text(data, bytes(30 * 1024**2))
    with pytest.raises(UnusableImageError) as refusal:
        image_files.inspect(data)
    assert refusal.value.reason == "corrupt"


def test_a_png_with_a_broken_text_is_corrupt() -> None:
    with pytest.raises(UnusableImageError, match="its header cannot be read") as refusal:
        image_files.inspect(with_text(picture(format="PNG"), b"text", broken=True))
    assert refusal.value.reason == "corrupt"


def test_more_bytes_than_custom_labels_takes() -> None:
    data = picture()
    assert image_files.inspect(data + bytes(image_files.MAX_BYTES - len(data))).width == 80
    assert refusal(data + bytes(image_files.MAX_BYTES - len(data) + 1)).reason == "too_many_bytes"


def test_the_decoder_is_not_imported_before_there_is_an_image() -> None:
    program = "import sys, lambdas.register; print(any(name.split('.')[0] == 'PIL' for name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
