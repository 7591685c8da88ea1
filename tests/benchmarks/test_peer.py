"""A dataset in the form that a peer learns from."""

from __future__ import annotations

import json
from pathlib import Path

from PIL import Image

from benchmarks import peer
from learning import Box, Example


def test_boxes_are_written_as_shares_about_their_middle(tmp_path: Path) -> None:
    photo = tmp_path / "Photo.JPG"
    Image.new("RGB", (200, 100)).save(photo)
    examples = [Example(photo, boxes=(Box("b", 50, 20, 100, 40), Box("a", 0, 0, 20, 10))), Example(photo)]
    folder = tmp_path / "peer"
    folder.mkdir()
    described = json.loads(Path(peer._written(examples, ["a", "b"], folder)).read_text())
    assert described == {
        "path": str(folder),
        "train": "images",
        "val": "images",
        "names": {"0": "a", "1": "b"},
    }
    assert (folder / "labels" / "0.txt").read_text() == "1 0.5 0.4 0.5 0.4\n0 0.05 0.05 0.1 0.1"
    assert (folder / "labels" / "1.txt").read_text() == ""
    assert (folder / "images" / "0.jpg").resolve() == photo
