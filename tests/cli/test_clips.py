from __future__ import annotations

import json
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from cli import clips
from cli.clips import UnusableClipError
from tests.fixtures.cli import Cli

SHIFTED = 5
"""Of ten seconds, from which on the picture is another."""


def pictures() -> list[Image.Image]:
    """Ten seconds of four frames: two scenes that stand still."""
    ground = Image.effect_mandelbrot((162, 122), (-2, -1.5, 1, 1.5), 80).convert("RGB")
    return [ground if second < SHIFTED else ground.rotate(180) for second in range(10) for _ in range(4)]


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=Fraction(4))
        stream.width, stream.height, stream.pix_fmt = 162, 122, "yuv420p"
        for picture in pictures():
            container.mux(stream.encode(av.VideoFrame.from_image(picture)))
        container.mux(stream.encode())
    return path


def label(left: float) -> dict[str, Any]:
    return {"label": "bolt", "confidence": 90.0, "box": {"left": left, "top": 0, "width": 0.4, "height": 0.4}}


class Champion:
    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []

    def ask(self, data: bytes) -> tuple[str, list[dict[str, Any]]]:
        with Image.open(BytesIO(data)) as image:
            assert image.format == "JPEG"
            self.asked.append(image.size)
        return "v1", [label(0.1 * len(self.asked))]


def test_frames_come_at_the_chosen_rate(clip: Path) -> None:
    assert [frame.seconds for frame in clips.frames(clip, 1)] == pytest.approx(range(10), abs=0.01)
    assert [frame.position for frame in clips.frames(clip, 2)][:3] == [0, 2, 4]
    assert len(list(clips.frames(clip, 100))) == 40, "there are no more"


def test_each_scene_is_asked_about_once_and_drawn_throughout(clip: Path, tmp_path: Path) -> None:
    champion = Champion()
    answer = clips.detect(clip, champion.ask, tmp_path / "seen", rate=2)
    assert (answer.frames, answer.asked) == (20, 2)
    assert champion.asked == [(162, 122)] * 2
    lines = [json.loads(line) for line in answer.lines.read_text().splitlines()]
    assert [line["seconds"] for line in lines] == pytest.approx([0, SHIFTED], abs=0.01)
    assert [line["labels"][0]["box"]["left"] for line in lines] == [0.1, 0.2]
    drawn = list(clips.frames(answer.drawn, 2))
    assert len(drawn) == 20
    before = np.asarray(next(clips.frames(clip, 1)).image, np.int16)
    assert np.abs(np.asarray(drawn[0].image, np.int16) - before).max() > 60, "the box shows"


@pytest.mark.parametrize(
    ("data", "why"), [(b"", "cannot be read as a clip"), (b"no clip at all", "cannot be read as a clip")]
)
def test_what_is_no_clip_is_refused(tmp_path: Path, data: bytes, why: str) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(data)
    with pytest.raises(UnusableClipError, match=why):
        clips.detect(path, Champion().ask, tmp_path / "seen")


def test_a_clip_whose_frames_no_model_takes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "clip.avi"
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("rawvideo", rate=Fraction(4))
        stream.width, stream.height, stream.pix_fmt = 1, 64, "rgb24"
        container.mux(stream.encode(av.VideoFrame.from_image(Image.new("RGB", (1, 64)))))
        container.mux(stream.encode())
    champion = Champion()
    with pytest.raises(UnusableClipError, match="1 x 64 pixels"):
        clips.detect(path, champion.ask, tmp_path / "seen")
    assert champion.asked == []


def test_a_clip_is_not_overwritten_by_its_drawing(clip: Path) -> None:
    with pytest.raises(UnusableClipError, match="choose another folder"):
        clips.detect(clip, Champion().ask, clip.parent)
    assert len(list(clips.frames(clip, 1))) == 10


def test_the_command_answers_about_images_and_clips(cli: Cli, clip: Path, tmp_path: Path) -> None:
    bolt = {"BoundingBox": {"Left": 0.25, "Top": 0.25, "Width": 0.5, "Height": 0.5}}
    cli.serve([{"Name": "bolt", "Confidence": 91.2, "Geometry": bolt}])
    out = tmp_path / "seen"
    (answer,) = cli.json("detect", str(clip), "--out", str(out), "--rate", "2")
    assert (answer["frames"], answer["asked"]) == (20, 2)
    line = json.loads(Path(answer["answers"]).read_text().splitlines()[0])
    assert line["labels"][0]["box_pixels"] == {"left": 40, "top": 30, "width": 82, "height": 62}
    assert Path(answer["drawn"]).stat().st_size
    assert "20 frames, 2 asked about" in cli("detect", str(clip), "--out", str(out), "--rate", "2").stdout
    (answer,) = cli.json("detect", str(clip), exit_code=1)
    assert "name one with --out" in answer["error"]


def test_the_command_cuts_large_images(cli: Cli, tmp_path: Path) -> None:
    cli.serve([])
    Image.new("RGB", (4200, 300), "grey").save(tmp_path / "large.jpg")
    cli.json("detect", str(tmp_path / "large.jpg"))
    assert len(cli.fake.asked) == 5, "four tiles and the whole image scaled down"
    Image.new("RGB", (2000, 300), "grey").save(tmp_path / "small.jpg")
    cli.json("detect", str(tmp_path / "small.jpg"))
    assert len(cli.fake.asked) == 6
    cli.json("detect", str(tmp_path / "small.jpg"), "--tile")
    assert len(cli.fake.asked) == 9
