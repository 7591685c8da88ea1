"""`labelloop diff`: the data of two versions beside each other."""

from __future__ import annotations

import json

import pytest

from lambdas.domain.shared.records import ModelVersion
from tests.fixtures.cli import V1, V2, Cli

CLASSIFIED = {"type": "groundtruth/image-classification", "human-annotated": "yes", "confidence": 1}


def put_snapshot(cli: Cli, snapshot: str, **labels: str) -> None:
    """A snapshot whose training images have these labels, by their names; it has no test image."""
    lines = [
        {
            "source-ref": f"s3://parts-data/images/{name}.jpg",
            "label": 1,
            "label-metadata": CLASSIFIED | {"class-name": label},
        }
        for name, label in labels.items()
    ]
    body = "".join(f"{json.dumps(line)}\n" for line in lines)
    for key, text in (("train", body), ("test", "")):
        cli.s3.put_object(Bucket="parts-data", Key=f"datasets/{snapshot}/{key}.manifest", Body=text.encode())


@pytest.fixture
def compared(history: Cli) -> Cli:
    put_snapshot(history, "aaaaaaaaaaaaaaaa", kept="bolt", mended="bolt", gone="nut")
    put_snapshot(history, "bbbbbbbbbbbbbbbb", kept="bolt", mended="[nut]", new="bolt")
    return history


def test_diff_tells_what_came_went_and_changed(compared: Cli) -> None:
    document = compared.json("diff", "1", V2)
    assert document["versions"] == [V1, V2]
    assert document["snapshots"] == ["aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb"]
    assert (document["came"], document["went"], document["relabelled"]) == (1, 1, 1)
    assert {image["key"]: image["change"] for image in document["images"]} == {
        "images/gone.jpg": "went",
        "images/mended.jpg": "relabelled",
        "images/new.jpg": "came",
    }
    shown = compared("diff", "v1", "v2").stdout
    assert "1 came, 1 went, 1 relabelled" in shown
    assert "bolt -> [nut]" in shown
    assert "images/kept.jpg" not in shown


def test_images_are_named_by_the_first_digits_of_their_hashes(history: Cli) -> None:
    digits = "3fa9" * 16
    put_snapshot(history, "aaaaaaaaaaaaaaaa", kept="bolt")
    put_snapshot(history, "bbbbbbbbbbbbbbbb", kept="bolt", **{digits: "bolt"})
    shown = history("diff", "v1", "v2").stdout
    assert digits[:12] in shown
    assert digits[:13] not in shown
    assert history.json("diff", "v1", "v2")["images"][0]["key"] == f"images/{digits}.jpg"


def test_settings_that_differed_are_told(compared: Cli) -> None:
    assert compared.json("diff", "v1", "v2")["settings"] is None, "of older versions they are not known"
    for name, f1 in ((V1, 0.7), (V2, 0.8)):
        settings = {"min_f1": f1, "undecided": "keep"}
        compared.loop_state.update_version(ModelVersion(name, settings=settings))
    assert compared.json("diff", "v1", "v2")["settings"] == {"min_f1": [0.7, 0.8]}
    assert "setting min_f1: 0.7 -> 0.8" in compared("diff", "v1", "v2").stdout


def test_a_version_differs_in_nothing_from_itself(compared: Cli) -> None:
    assert "the same images with the same labels" in compared("diff", "v1", "v1").stdout


def test_diff_of_a_snapshot_that_is_gone_says_so(history: Cli) -> None:
    result = history("diff", "v1", "v2")
    assert result.exit_code == 1
    assert "are not in s3://parts-data any more" in result.stderr


def test_a_version_that_was_released_was_trained_on_no_snapshot_of_here(compared: Cli) -> None:
    released = "v1-cccccccccccccccc-of-123456789012"
    compared.loop_state.add_version(ModelVersion(released, state="champion", snapshot="aaaaaaaaaaaaaaaa"))
    for command in (("diff", released, "v2"), ("reproduce", released)):
        assert "was not trained by this deployment" in compared(*command).stderr
    shown = compared.json("versions", released)
    assert "snapshot_location" not in shown
    assert shown["images"] is None


def test_diff_with_a_version_that_is_not_there_says_so(compared: Cli) -> None:
    assert compared("diff", "v1", "v9").exit_code != 0
