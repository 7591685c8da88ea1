from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cli import clips
from lambdas.domain.video import frames
from lambdas.domain.video.frames import UnusableClipError
from tests.fixtures.cli import Cli
from tests.fixtures.clips import SHIFTED, scenes, write_clip, write_sound


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    write_clip(path, scenes())
    return path


def label(left: float) -> dict[str, Any]:
    return {"label": "bolt", "confidence": 90.0, "box": {"left": left, "top": 0, "width": 0.4, "height": 0.4}}


def pictures_of(path: Path) -> list[Image.Image]:
    with frames.opened(str(path)) as clip:
        return [frame.picture() for frame in clip.frames()]


class Champion:
    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []

    def ask(self, picture: Image.Image) -> tuple[str, list[dict[str, Any]]]:
        self.asked.append(picture.size)
        return "v1", [label(0.1 * len(self.asked))]


def test_each_scene_is_asked_about_once_and_drawn_throughout(clip: Path, tmp_path: Path) -> None:
    champion = Champion()
    answer = clips.detect(clip, champion.ask, tmp_path / "seen" / "clip.mp4", rate=2)
    assert (answer.frames, answer.asked) == (20, 2)
    assert champion.asked == [(162, 122)] * 2
    lines = [json.loads(line) for line in answer.lines.read_text().splitlines()]
    assert [line["seconds"] for line in lines] == pytest.approx([0, SHIFTED], abs=0.01)
    assert [line["labels"][0]["box"]["left"] for line in lines] == [0.1, 0.2]
    drawn = pictures_of(answer.drawn)
    assert len(drawn) == 20
    before = np.asarray(pictures_of(clip)[0], np.int16)
    assert np.abs(np.asarray(drawn[0], np.int16) - before).max() > 60, "the box shows"


@pytest.mark.parametrize(
    ("data", "why"), [(b"", "cannot be read as a clip"), (b"no clip at all", "cannot be read as a clip")]
)
def test_what_is_no_clip_is_refused(tmp_path: Path, data: bytes, why: str) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(data)
    with pytest.raises(UnusableClipError, match=why):
        clips.detect(path, Champion().ask, tmp_path / "seen" / "clip.mp4")


def test_a_clip_whose_frames_no_model_takes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "clip.avi"
    write_clip(path, [Image.new("RGB", (1, 64))], "rawvideo")
    champion = Champion()
    with pytest.raises(UnusableClipError, match="1 x 64 pixels"):
        clips.detect(path, champion.ask, tmp_path / "seen" / "clip.avi")
    assert champion.asked == []


def test_a_clip_is_not_overwritten_by_its_drawing(clip: Path) -> None:
    """Nor is another one beside it that has its name with another ending."""
    other = clip.with_suffix(".avi")
    other.write_bytes(clip.read_bytes())
    assert clips.detect(other, Champion().ask, other).drawn.name == "clip.avi.annotated.mp4"
    assert clips.detect(clip, Champion().ask, clip).drawn.name == "clip.mp4.annotated.mp4"
    assert len(pictures_of(clip)) == 40


def test_clips_of_one_name_have_answers_of_their_own(cli: Cli, clip: Path, tmp_path: Path) -> None:
    cli.serve([])
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "door.mp4").write_bytes(clip.read_bytes())
    paths = [str(tmp_path / folder / "door.mp4") for folder in ("a", "b")]
    answered = cli.json("detect", *paths, "--out", str(tmp_path / "seen"))
    assert len({answer["answers"] for answer in answered} | {answer["drawn"] for answer in answered}) == 4
    for answer, path in zip(answered, paths, strict=True):
        assert json.loads(Path(answer["answers"]).read_text().splitlines()[0])["clip"] == path


def test_sound_alone_is_said_to_be_that(cli: Cli, tmp_path: Path) -> None:
    write_sound(tmp_path / "sound.mp4")
    (answer,) = cli.json("detect", str(tmp_path / "sound.mp4"), "--out", str(tmp_path / "seen"), exit_code=1)
    assert answer["error"] == "there is no picture in it, but sound alone"


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
    assert "a clip needs --out" in answer["error"]
    assert "pixels" not in cli("detect", str(clip)).stdout, "no empty columns for boxes"


def test_the_command_cuts_large_images(cli: Cli, tmp_path: Path) -> None:
    cli.serve([])
    Image.new("RGB", (4200, 300), "grey").save(tmp_path / "large.jpg")
    cli.json("detect", str(tmp_path / "large.jpg"))
    assert "no objects in its tiles" in " ".join(cli("detect", str(tmp_path / "large.jpg")).stdout.split())
    del cli.fake.asked[5:]
    assert len(cli.fake.asked) == 5, "four tiles and the whole image scaled down"
    Image.new("RGB", (2000, 300), "grey").save(tmp_path / "small.jpg")
    cli.json("detect", str(tmp_path / "small.jpg"))
    assert len(cli.fake.asked) == 6
    cli.json("detect", str(tmp_path / "small.jpg"), "--tile")
    assert len(cli.fake.asked) == 9
