"""Frames of clips: their order, their times, and what is left of clips that are damaged."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from lambdas.domain.images import clips as clip_files
from lambdas.domain.images import perceptual_hash
from lambdas.domain.shared.annotation import Box
from lambdas.domain.video import annotated, frames
from lambdas.domain.video.annotated import Writer
from lambdas.domain.video.frames import Choice, Clip, UnusableClipError
from tests.fixtures.clips import clip_bytes, scenes, write_clip, write_sound
from tests.fixtures.coloured_objects import scene
from tests.fixtures.images import picture


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return clip_bytes(tmp_path_factory.mktemp("clips"))


def looked_at(data: bytes, rate: float) -> list[int]:
    choice = Choice(rate)
    with frames.opened(BytesIO(data)) as clip:
        return [frame.place.position for frame in clip.frames() if choice.looks_at(frame.seconds)]


def refused(data: bytes) -> UnusableClipError:
    with pytest.raises(UnusableClipError) as raised, frames.opened(BytesIO(data)) as clip:
        for frame in clip.frames():
            frame.picture()
    return raised.value


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov", ".avi", ".webm", ".mpg"])
def test_clips_of_many_containers_are_read_and_known_by_their_first_bytes(
    tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"clip{suffix}"
    with av.open(str(path), "w") as container:
        codec = {".webm": "libvpx", ".mpg": "mpeg1video", ".avi": "mpeg4"}.get(suffix, "libx264")
        stream: Any = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for number in range(10):
            shade = Image.new("RGB", (96, 64), (20 * number, 0, 0))
            container.mux(stream.encode(av.VideoFrame.from_image(shade)))
        container.mux(stream.encode())
    data = path.read_bytes()
    assert clip_files.is_clip(data[: clip_files.BEGINNING_BYTES])
    assert clip_files.is_called_clip(f"A.{suffix.upper().strip('.')}")
    with frames.opened(BytesIO(data)) as clip:
        seconds = [frame.seconds for frame in clip.frames()]
    assert seconds == pytest.approx([number / 25 for number in range(10)], abs=0.01), "from its beginning"


def test_what_is_no_clip_is_known_by_its_first_bytes() -> None:
    for data in (picture(format="JPEG"), picture(format="PNG"), b"", b"text", b"\x00\x00\x00\x18ftypheic"):
        assert not clip_files.is_clip(data[: clip_files.BEGINNING_BYTES])
    assert not clip_files.is_called_clip("detect/mp4")


def test_frames_are_looked_at_as_often_as_asked_for(data: bytes) -> None:
    assert looked_at(data, 1) == list(range(0, 40, 4))
    assert looked_at(data, 2)[:3] == [0, 2, 4]
    assert looked_at(data, 60) == list(range(40)), "there are no more"
    assert looked_at(data, 0.2) == [0, 20]


def test_time_that_begins_anew_is_looked_at_too() -> None:
    choice = Choice(1.0)
    seen = [choice.looks_at(seconds) for seconds in (0, 0.5, 1, 2, 0, 0.5, 1)]
    assert seen == [True, False, True, True, True, False, True]


def test_of_frames_in_a_row_that_look_alike_one_is_asked_about() -> None:
    choice, flat = Choice(1.0), Image.new("RGB", (64, 64), "grey")
    asked = [choice.asks_about(image) for image in (*scenes()[:2], *scenes()[-2:], flat, flat)]
    assert asked == [True, False, True, False, True, False]


def test_something_small_that_comes_into_a_still_scene_is_asked_about() -> None:
    """A perceptual hash of the frame would stay the same."""
    ground = scene(1280, 720, [])
    small = scene(1280, 720, [Box("bolt", 600, 400, 30, 24)])
    moved = scene(1280, 720, [Box("bolt", 640, 400, 30, 24)])
    other = scene(1280, 720, [Box("nut", 640, 400, 30, 24)])
    hashes = {perceptual_hash.of_image(image) for image in (ground, small, moved, other)}
    assert len(hashes) == 1
    choice = Choice(1.0)
    assert [choice.asks_about(image) for image in (ground, ground, small, small, moved, other, ground)] == [
        *(True, False, True, False, True, True, True)
    ]


def test_noise_is_no_change() -> None:
    random = np.random.default_rng(1)
    ground = np.asarray(scene(1280, 720, []), np.int16)
    choice = Choice(1.0)
    noisy = [np.clip(ground + random.normal(0, 12, ground.shape), 0, 255) for _ in range(3)]
    asked = [choice.asks_about(Image.fromarray(image.astype(np.uint8))) for image in noisy]
    assert asked == [True, False, False]


@pytest.mark.parametrize("position", [0, 7, 8, 38, 39])
def test_reading_goes_on_after_any_frame(data: bytes, position: int) -> None:
    with frames.opened(BytesIO(data)) as clip:
        every = [frame.place for frame in clip.frames()]
    with frames.opened(BytesIO(data)) as clip:
        assert [frame.place for frame in clip.frames(every[position])] == every[position + 1 :]


def test_reading_goes_on_where_a_clip_cannot_be_sought(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    with frames.opened(BytesIO(data)) as clip:
        every = [frame.place for frame in clip.frames()]
    monkeypatch.setattr(Clip, "_sought", lambda self, after: None)
    with frames.opened(BytesIO(data)) as clip:
        assert [frame.place for frame in clip.frames(every[30])] == every[31:]


def test_a_damaged_clip_is_read_around_the_damage(data: bytes) -> None:
    middle = len(data) // 3
    damaged = data[:middle] + bytes(200) + data[middle + 200 :]
    with frames.opened(BytesIO(damaged)) as clip:
        positions = len(list(clip.frames()))
    assert positions > 20


def test_a_clip_that_ends_too_early_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    data = clip_bytes(tmp_path, suffix=".mkv")
    with frames.opened(BytesIO(data[: len(data) * 2 // 3])) as clip:
        assert 0 < len(list(clip.frames())) < 40


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not_a_clip"),
        (b"no clip at all", "not_a_clip"),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n", "not_a_clip"),
        (b"ffconcat version 1.0\nfile /etc/hostname\n", "not_a_clip"),
        (picture(format="PNG"), "not_a_clip"),
    ],
)
def test_what_is_no_clip_is_refused(data: bytes, reason: str) -> None:
    assert refused(data).reason == reason


def test_a_clip_that_was_never_finished_is_refused(data: bytes) -> None:
    for length in (2000, 3000, len(data) // 2):
        assert "ends too early, or was never finished" in refused(data[:length]).detail


def test_sound_alone_is_refused_as_that(tmp_path: Path) -> None:
    write_sound(tmp_path / "sound.mp4")
    assert refused((tmp_path / "sound.mp4").read_bytes()).detail == (
        "there is no picture in it, but sound alone"
    )


def test_frames_that_no_model_takes_are_refused(tmp_path: Path) -> None:
    write_clip(tmp_path / "small.avi", [Image.new("RGB", (32, 64))], "rawvideo")
    assert refused((tmp_path / "small.avi").read_bytes()).reason == "too_small"
    write_clip(tmp_path / "long.avi", [Image.new("RGB", (2000, 64))], "rawvideo")
    assert refused((tmp_path / "long.avi").read_bytes()).reason == "too_elongated"


def test_a_bomb_is_refused_by_its_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = clip_bytes(tmp_path)
    monkeypatch.setattr(frames, "MAX_PIXELS", 160 * 120)
    assert refused(data).reason == "too_large"


def test_annotated_clips_are_put_together_as_they_are(tmp_path: Path) -> None:
    parts = []
    for number, count in enumerate((7, 5)):
        path = tmp_path / f"{number}.mp4"
        with Writer(path, 2.0, size=(96, 64)) as writer:
            for shade in range(count):
                writer.write(Image.new("RGB", (96, 64), (20 * shade, 200 * number, 0)), [])
        parts.append((path, count))
    parts[0] = (parts[0][0], 6)
    annotated.join(parts, tmp_path / "joined.mp4")
    with frames.opened(str(tmp_path / "joined.mp4")) as clip:
        seen = [(frame.seconds, np.asarray(frame.picture())[5, 5, 1]) for frame in clip.frames()]
    assert [seconds for seconds, _ in seen] == pytest.approx([number / 2 for number in range(11)])
    assert [green > 100 for _, green in seen] == [False] * 6 + [True] * 5


def test_errors_of_whoever_holds_the_file_come_through(data: bytes) -> None:
    class Failing(BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 3000:
                raise LookupError("not there any more")
            return super().read(min(size or 0, 1000))

    with pytest.raises(LookupError, match="not there any more"), frames.opened(Failing(data)) as clip:
        list(clip.frames())
