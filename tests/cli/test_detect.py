from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from cli import detect
from tests.fixtures.cli import V1, V2, Cli, client_error, version_arn

BOLT = {
    "Name": "bolt",
    "Confidence": 91.23456,
    "Geometry": {"BoundingBox": {"Left": 0.25, "Top": 0.25, "Width": 0.5, "Height": 0.5}},
}


def jpeg(path: Path, size: tuple[int, int] = (120, 80), **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, "grey").save(path, "JPEG", **options)
    return path


def test_detect_tells_what_the_champion_sees(cli: Cli, tmp_path: Path) -> None:
    cli.serve([BOLT])
    picture = jpeg(tmp_path / "a.jpg")
    (answer,) = cli.json("detect", str(picture))
    assert answer["model_version"] == V1
    assert answer["labels"] == [
        {
            "label": "bolt",
            "confidence": 91.235,
            "box": {"left": 0.25, "top": 0.25, "width": 0.5, "height": 0.5},
            "box_pixels": {"left": 30, "top": 20, "width": 60, "height": 40},
        }
    ]
    (asked, *_) = cli.fake.asked
    assert asked == {"ProjectVersionArn": version_arn(V1), "Image": {"Bytes": picture.read_bytes()}}
    shown = cli("detect", str(picture)).stdout
    assert "bolt" in shown
    assert "91.2" in shown
    assert "30, 20, 60, 40" in shown
    assert "could not be answered" not in shown


def test_who_runs_the_champion_uses_it(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told once a minute, and not by whoever may not call the function."""
    cli.serve([BOLT])
    pictures = [str(jpeg(tmp_path / f"{number}.jpg")) for number in range(3)]
    cli.json("detect", *pictures)
    assert [(call["function"], call["request"]) for call in cli.fake.invoked] == [("parts-serve", "use")]

    def refused(**given: Any) -> Any:
        raise client_error("AccessDeniedException", "not authorized to perform lambda:InvokeFunction")

    monkeypatch.setattr(cli.fake, "Invoke", refused)
    assert len(cli.json("detect", *pictures)) == 3


def test_pixels_are_of_the_image_upright(cli: Cli, tmp_path: Path) -> None:
    cli.serve([BOLT])
    exif = Image.Exif()
    exif[0x0112] = 6
    (answer,) = cli.json("detect", str(jpeg(tmp_path / "a.jpg", exif=exif)))
    assert answer["labels"][0]["box_pixels"] == {"left": 20, "top": 30, "width": 40, "height": 60}


def test_confidence_is_asked_for(cli: Cli, tmp_path: Path) -> None:
    cli.serve([])
    shown = cli("detect", str(jpeg(tmp_path / "a.jpg")), "--min-confidence", "30")
    assert "no objects" in shown.stdout
    assert cli.fake.asked[0]["MinConfidence"] == 30
    assert cli("detect", "a.jpg", "--min-confidence", "130").exit_code == 2


def test_pictures_are_drawn_into_a_folder(cli: Cli, tmp_path: Path) -> None:
    cli.serve([BOLT])
    jpeg(tmp_path / "in" / "a.jpg")
    jpeg(tmp_path / "in" / "deep" / "a.jpg")
    other = jpeg(tmp_path / "elsewhere" / "a.jpg")
    answers = cli.json("detect", str(tmp_path / "in"), str(other), "--out", str(tmp_path / "out"))
    drawn = [Path(answer["drawn"]) for answer in answers]
    assert [path.relative_to(tmp_path / "out").as_posix() for path in drawn] == [
        "a.jpg",
        "deep/a.jpg",
        "a-2.jpg",
    ]
    with Image.open(drawn[0]) as picture:
        assert picture.size == (120, 80)
        assert len(picture.getcolors(10_000) or []) > 2


def test_one_bad_picture_does_not_stop_the_others(cli: Cli, tmp_path: Path) -> None:
    cli.serve([BOLT], client_error("InvalidImageFormatException", "Request has invalid image format"), [BOLT])
    good = [jpeg(tmp_path / name) for name in ("a.jpg", "c.jpg")]
    text = tmp_path / "b.jpg"
    text.write_text("a letter")
    answers = cli.json("detect", str(good[0]), str(text), str(good[1]), exit_code=1)
    assert [("error" in answer) for answer in answers] == [False, True, False]
    assert answers[1]["error"] == (
        "neither a JPEG nor a PNG file (InvalidImageFormatException: Request has invalid image format)"
    )


def test_pictures_that_rekognition_refuses_for_their_size_do_not_stop_a_folder(
    cli: Cli, tmp_path: Path
) -> None:
    refused = client_error("InvalidParameterException", "The image is 63 x 64 pixels")
    cli.serve([BOLT], refused, client_error("InternalServerError", "oops"), [BOLT])
    (tmp_path / "a-empty.jpg").touch()
    jpeg(tmp_path / "b.jpg")
    jpeg(tmp_path / "c-small.jpg", size=(63, 64))
    jpeg(tmp_path / "d-strange.jpg")
    jpeg(tmp_path / "e.jpg")
    shown = cli("detect", str(tmp_path))
    assert shown.exit_code == 1
    assert "3 of 5 could not be answered" in shown.stdout
    cli.serve([BOLT], refused, client_error("InternalServerError", "oops"), [BOLT])
    answers = cli.json("detect", str(tmp_path), exit_code=1)
    assert [("error" in answer) for answer in answers] == [True, False, True, True, False]
    assert "the file is empty" in answers[0]["error"]
    assert "63 x 64 pixels; Custom Labels takes 64 each way or more" in answers[2]["error"]


def test_a_picture_that_is_too_large_is_told_where_to_go(cli: Cli, tmp_path: Path) -> None:
    cli.serve([])
    (tmp_path / "large.png").write_bytes(b"x" * (detect.MAX_BYTES + 1))
    (answer,) = cli.json("detect", str(tmp_path / "large.png"), exit_code=1)
    assert "put it under detect/" in answer["error"]
    assert cli.fake.asked == []


@pytest.mark.parametrize("argument", ["missing.jpg", "empty", "*.tiff"])
def test_what_leads_to_no_picture_is_reported(cli: Cli, tmp_path: Path, argument: str) -> None:
    cli.serve([])
    (tmp_path / "empty").mkdir()
    (answer,) = cli.json("detect", str(tmp_path / argument), exit_code=1)
    assert answer["error"]


def test_folders_and_patterns_are_expanded_once(tmp_path: Path) -> None:
    for name in ("b.JPG", "a.png", "deep/c.jpeg", "notes.txt"):
        jpeg(tmp_path / name)
    paths = detect.images([str(tmp_path), str(tmp_path / "*.png"), str(tmp_path / "**" / "*.jpeg")])
    assert [name.as_posix() for _, name in paths] == ["a.png", "b.JPG", "deep/c.jpeg"]


def test_a_name_with_pattern_letters_is_a_name_if_it_is_there(tmp_path: Path) -> None:
    picture = jpeg(tmp_path / "tray [2].jpg")
    assert detect.images([str(picture)]) == [(picture, Path("tray [2].jpg"))]


def test_without_a_champion_it_says_how_to_get_one(cli: Cli, tmp_path: Path) -> None:
    result = cli("detect", str(jpeg(tmp_path / "a.jpg")))
    assert result.exit_code == 1
    assert result.stderr.startswith("labelloop: no model version has been promoted yet; ")
    assert "labelloop train" in result.stderr and "waits" not in result.stderr


def test_a_champion_that_was_replaced_meanwhile_is_not_insisted_on(cli: Cli, tmp_path: Path) -> None:
    cli.serve([BOLT])
    gone = client_error("ResourceNotReadyException", "not running")
    answer = cli.fake.DetectCustomLabels

    def switched(**given: Any) -> Any:
        if given["ProjectVersionArn"] == version_arn(V1):
            cli.promote(V2)
            raise gone
        return answer(**given)

    cli.fake.DetectCustomLabels = switched  # pyrefly: ignore[method-assign]
    (answer,) = cli.json("detect", str(jpeg(tmp_path / "a.jpg")))
    assert answer["model_version"] == V2


def test_of_a_champion_that_died_it_says_that_it_is_started(cli: Cli, tmp_path: Path) -> None:
    cli.serve(client_error("ResourceNotReadyException", "not running"))
    result = cli("detect", str(jpeg(tmp_path / "a.jpg")))
    assert result.exit_code == 1
    assert f"the champion {V1} is not running; it is started by itself" in result.stderr


def test_of_a_champion_that_sleeps_it_says_how_to_start_it(cli: Cli, tmp_path: Path) -> None:
    cli.serve([BOLT])
    state = cli.loop_state
    state.change_serving(lambda now: replace(now, state="asleep", reason="put to sleep by ann"))
    result = cli("detect", str(jpeg(tmp_path / "a.jpg")))
    assert result.exit_code == 1
    assert f"{V1} sleeps: put to sleep by ann; `labelloop start` starts it" in result.stderr
    assert "labelloop train" not in result.stderr


@pytest.mark.parametrize(("whole", "problem"), [(200, "its size cannot be read"), (700, "cannot be drawn")])
def test_a_picture_that_cannot_be_drawn_is_reported(
    cli: Cli, tmp_path: Path, whole: int, problem: str
) -> None:
    cli.serve([BOLT])
    body = io.BytesIO()
    Image.new("RGB", (90, 90)).save(body, "JPEG")
    (tmp_path / "cut.jpg").write_bytes(body.getvalue()[:whole])
    (answer,) = cli.json("detect", str(tmp_path / "cut.jpg"), "--out", str(tmp_path / "out"), exit_code=1)
    assert problem in answer["error"]
    assert answer["labels"][0]["label"] == "bolt", "it was answered all the same"


def test_of_a_folder_no_image_is_passed_over_but_hidden_ones(tmp_path: Path) -> None:
    names = ("a.jpg", "b.webp", "deep/c.HEIC", "d.jfif")
    for name in (*names, "._a.jpg", "__MACOSX/._a.jpg", ".cache/e.jpg", "notes.txt"):
        jpeg(tmp_path / name)
    assert [name.as_posix() for _, name in detect.images([str(tmp_path)])] == sorted(names)
