from __future__ import annotations

from io import BytesIO
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lambdas.domain.images import exif, tiles
from lambdas.domain.images.files import MAX_BYTES, UnusableImageError
from lambdas.domain.images.tiles import Tile, Tiling
from tests.fixtures.images import GIF, bomb_png, encoded, picture

sizes = st.integers(64, 12_000)


@given(width=sizes, height=sizes, side=st.integers(64, 4096), share=st.floats(0, 0.6), place=st.data())
@settings(max_examples=50, deadline=None)
def test_what_is_no_larger_than_the_overlap_lies_whole_in_a_tile(
    width: int, height: int, side: int, share: float, place: st.DataObject
) -> None:
    plan = tiles.plan(width, height, tiling=Tiling(side, int(side * share), tile=True))
    if plan is None:
        assert max(width, height) <= side
        return
    wide, high = min(plan.overlap, width), min(plan.overlap, height)
    left = place.draw(st.integers(0, width - wide))
    top = place.draw(st.integers(0, height - high))
    assert any(
        t.left <= left and t.top <= top and left + wide <= t.right and top + high <= t.bottom
        for t in plan.tiles
    )
    assert all(t.left >= 0 and t.top >= 0 and t.right <= width and t.bottom <= height for t in plan.tiles)
    assert all(max(t.width, t.height) <= 20 * min(t.width, t.height) for t in plan.tiles)


def test_tiles_cover_the_image_evenly() -> None:
    plan = tiles.plan(8000, 6000)
    assert plan
    lefts = sorted({tile.left for tile in plan.tiles})
    assert (len(lefts), len(plan.tiles), plan.detections) == (8, 48, 49)
    assert {b - a for a, b in pairwise(lefts)} == {960}
    assert plan.overview == (1280, 960)


def test_images_that_rekognition_takes_are_cut_on_request_alone() -> None:
    assert tiles.plan(4096, 4096) is None
    assert tiles.plan(4097, 100) is not None
    assert tiles.plan(4096, 4096, tiling=Tiling(tile=True)) is not None
    assert tiles.plan(8000, 6000, tiling=Tiling(tile=False)) is None
    assert tiles.plan(1280, 1280, tiling=Tiling(tile=True)) is None


def test_an_image_of_too_many_bytes_is_encoded_anew() -> None:
    assert tiles.plan(1000, 1000, size_bytes=MAX_BYTES) is None
    plan = tiles.plan(1000, 1000, size_bytes=MAX_BYTES + 1)
    assert plan
    assert (plan.tiles, plan.overview) == ((Tile(0, 0, 1000, 1000),), None)


def test_a_panorama_has_no_overview_that_rekognition_would_refuse() -> None:
    plan = tiles.plan(30_000, 500)
    assert plan
    assert plan.overview is None


@pytest.mark.parametrize(("side", "overlap"), [(63, 0), (4097, 0), (640, 640), (640, -1)])
def test_impossible_tiles_are_refused(side: int, overlap: int) -> None:
    with pytest.raises(ValueError, match="expected 64 to 4096"):
        tiles.plan(8000, 6000, tiling=Tiling(side, overlap))


def _noise(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(1).integers(0, 255, (height, width, 3), np.uint8))


def _pixels(data: bytes) -> np.ndarray:
    with Image.open(BytesIO(data)) as image:
        assert image.format == "JPEG"
        return np.asarray(image.convert("RGB"), np.int16)


@pytest.mark.parametrize("turn", range(1, 9))
def test_tiles_are_of_the_image_upright(turn: int) -> None:
    stored = Image.effect_mandelbrot((90, 70), (-2, -1.5, 1, 1.5), 80).convert("RGB")
    tags = Image.Exif()
    tags[0x0112] = turn
    file = BytesIO(encoded(stored, "PNG", exif=tags))
    upright = exif.upright(stored, turn)
    assert tiles.size_of(file) == upright.size
    image = tiles.load(file)
    assert (image.width, image.height) == upright.size
    tile = Tile(5, 10, 50, 40)
    expected = np.asarray(upright.crop((tile.left, tile.top, tile.right, tile.bottom)), np.int16)
    assert np.abs(_pixels(tiles.cut(image, tile)) - expected).mean() < 2
    small = _pixels(tiles.overview(image, (upright.width // 2, upright.height // 2)))
    assert np.abs(small - np.asarray(upright.resize(small.shape[1::-1], Image.Resampling.BOX))).mean() < 2


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16"])
def test_every_kind_of_png_is_cut(mode: str) -> None:
    pixels = Image.linear_gradient("L").resize((90, 80))
    stored = pixels.convert("I").point(lambda v: v * 256) if mode == "I;16" else pixels.convert(mode)
    image = tiles.load(BytesIO(encoded(stored.convert(mode), "PNG")))
    expected = np.asarray(stored.point(lambda v: v * (1 / 256)) if mode == "I;16" else stored.convert("L"))
    for data in (tiles.cut(image, Tile(0, 0, 90, 80)), tiles.overview(image, (90, 80))):
        assert np.abs(_pixels(data)[..., 0] - expected).mean() < 12


def test_a_tile_of_noise_stays_below_what_the_service_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    image = tiles.load(BytesIO(encoded(_noise(300, 200), "PNG")))
    usual = len(tiles.cut(image, Tile(0, 0, 300, 200)))
    monkeypatch.setattr(tiles, "MAX_TILE_BYTES", usual // 3)
    assert 0 < len(tiles.cut(image, Tile(0, 0, 300, 200))) <= usual // 3


def test_the_colours_that_a_profile_describes_stay() -> None:
    profile = bytes(16) + b"RGB " + bytes(108)
    image = tiles.load(BytesIO(picture(icc_profile=profile)))
    with Image.open(BytesIO(tiles.cut(image, Tile(0, 0, 80, 70)))) as tile:
        assert tile.info["icc_profile"] == profile
    grey = tiles.load(BytesIO(picture(mode="L", icc_profile=profile)))
    with Image.open(BytesIO(tiles.cut(grey, Tile(0, 0, 80, 70)))) as tile:
        assert "icc_profile" not in tile.info


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (GIF, "unsupported_format"),
        (b"no image", "not_an_image"),
        (bomb_png(12_000, 9_000), "too_large"),
        (bomb_png(60_000, 60_000), "too_large"),
        (picture(size=(200, 60)), "too_small"),
        (picture()[:-100], "truncated"),
        (picture(format="PNG")[:40] + bytes(50) + picture(format="PNG")[90:], "corrupt"),
    ],
)
def test_what_cannot_be_cut_is_refused_with_what_helps(data: bytes, reason: str) -> None:
    with pytest.raises(UnusableImageError) as refused:
        tiles.load(BytesIO(data))
    assert refused.value.reason == reason
    assert refused.value.detail


def test_a_function_cuts_what_it_has_memory_for() -> None:
    assert tiles.max_pixels(128) == 0
    assert tiles.max_pixels(512) < tiles.max_pixels(1024) < tiles.max_pixels(10_240) == tiles.MAX_PIXELS
    with pytest.raises(UnusableImageError, match="up to 0 million"):
        tiles.load(BytesIO(picture()), tiles.max_pixels(128))
