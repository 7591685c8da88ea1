from __future__ import annotations

from io import BytesIO

import pytest
from PIL import Image
from PIL.Image import Resampling, Transpose

from lambdas.domain.images import files as image_files
from lambdas.domain.images import perceptual_hash
from lambdas.domain.snapshot.near_duplicates import DISTANCE
from tests.fixtures.images import encoded

STORED = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_90,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_270,
}
"""How an image lies in a file of this EXIF orientation."""


def scene(seed: int = 1, size: tuple[int, int] = (400, 300)) -> Image.Image:
    """Areas of different brightness, smoothly joined."""
    values = bytes((seed * 7919 + index * index * 31 + index * 101 * seed) % 251 for index in range(63))
    return Image.frombytes("L", (9, 7), values).resize(size, Resampling.BICUBIC).convert("RGB")


def of(data: bytes) -> int:
    return int(image_files.inspect(data).perceptual_hash, 16)


def distance(one: bytes, other: bytes) -> int:
    return (of(one) ^ of(other)).bit_count()


def test_a_hash_is_16_hex_digits() -> None:
    facts = image_files.inspect(encoded(scene(), "PNG"))
    assert len(facts.perceptual_hash) == 16
    assert facts.perceptual_hash == f"{of(encoded(scene(), 'PNG')):016x}"


def test_each_bit_says_whether_a_pixel_is_brighter_than_the_next() -> None:
    falling = Image.linear_gradient("L").transpose(Transpose.ROTATE_270)
    assert {
        perceptual_hash.of_image(falling),
        perceptual_hash.of_image(falling.transpose(Transpose.ROTATE_180)),
    } == {
        "f" * 16,
        "0" * 16,
    }


@pytest.mark.parametrize("seed", range(1, 6))
def test_what_looks_alike_has_nearly_the_same_hash(seed: int) -> None:
    original = scene(seed)
    data = encoded(original, "PNG")
    brighter = original.point(lambda value: min(255, int(value * 0.9 + 20)))
    alike = [
        encoded(original, "JPEG", quality=60),
        encoded(original.resize((200, 150)), "PNG"),
        encoded(original.convert("L"), "PNG"),
        encoded(original.convert("RGBA"), "PNG"),
        encoded(original.quantize(128), "PNG"),
        encoded(brighter, "PNG"),
    ]
    assert max(distance(data, other) for other in alike) <= DISTANCE
    assert distance(data, encoded(scene(seed + 1), "PNG")) > 3 * DISTANCE


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("format", ["PNG", "JPEG"])
def test_an_image_is_looked_at_upright(orientation: int, format: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = BytesIO()
    scene().transpose(STORED[orientation]).save(stored, format, exif=exif)
    assert distance(encoded(scene(), "PNG"), stored.getvalue()) <= (DISTANCE if format == "JPEG" else 0)


def test_sixteen_bits_are_not_cut_off() -> None:
    grey = scene().convert("L")
    deep = grey.convert("I").point(lambda value: value * 257).convert("I;16")
    assert distance(encoded(grey, "PNG"), encoded(deep, "PNG")) == 0
