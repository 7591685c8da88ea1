"""The script that an exported model comes with: alone with the model, it sees what the model sees."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from learning.export import export, with_thresholds
from learning.model import Facts
from portable import PortableModel
from tests.portable.test_model import KINDS, model_of

SCRIPT = Path(__file__).parents[2] / "portable" / "run_model.py"


@pytest.mark.parametrize("facts", KINDS.values(), ids=KINDS)
def test_the_script_sees_what_the_model_sees(facts: Facts, tmp_path: Path) -> None:
    export(model_of(facts), tmp_path)
    shutil.copy(SCRIPT, tmp_path)
    pixels = np.random.default_rng(1).integers(0, 255, (20, 26, 3), np.uint8)
    Image.fromarray(pixels).resize((260, 200)).save(tmp_path / "image.png")
    command = [sys.executable, "-I", "run_model.py", "image.png", "--min-confidence", "0"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    seen = json.loads(done.stdout)["seen"]
    expected = PortableModel.load(tmp_path).predict(tmp_path / "image.png")
    assert len(expected) >= 2
    assert [label for label, _, _ in seen][:2] == [each.label for each in expected][:2]
    for (_, score, box), ours in zip(seen[:2], expected[:2], strict=True):
        assert 100 * score == pytest.approx(ours.confidence, abs=0.5)
        if ours.box:
            left, top, width, height = ours.box
            ratios = [260 * left, 200 * top, 260 * (left + width), 200 * (top + height)]
            assert box == pytest.approx(ratios, abs=0.5)


def test_only_what_reaches_the_threshold_of_its_label_is_shown(tmp_path: Path) -> None:
    export(model_of(KINDS["exclusive"]), tmp_path)
    shutil.copy(SCRIPT, tmp_path)
    Image.new("RGB", (64, 64), (200, 30, 30)).save(tmp_path / "image.png")
    everything = shown(tmp_path, "--min-confidence", "0")
    (first, score, _), others = everything[0], everything[1:]
    assert others, "else the test shows nothing"
    with_thresholds(tmp_path, {first: score, **{label: 1.0 for label, _, _ in others}})
    assert shown(tmp_path) == everything[:1]
    with_thresholds(tmp_path, {label: 1.0 for label, _, _ in everything})
    assert shown(tmp_path) == []
    assert shown(tmp_path, "--min-confidence", str(score)) == everything[:1]


def test_an_image_that_cannot_be_read_is_named_in_a_line(tmp_path: Path) -> None:
    export(model_of(KINDS["exclusive"]), tmp_path)
    shutil.copy(SCRIPT, tmp_path)
    (tmp_path / "notes.jpg").write_text("no image")
    for name in ("gone.jpg", "notes.jpg"):
        command = [sys.executable, "-I", "run_model.py", name]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert done.stderr.startswith(f"{name} cannot be read: ") and done.stderr.count("\n") == 1


def shown(folder: Path, *options: str) -> list[Any]:
    command = [sys.executable, "-I", "run_model.py", "image.png", *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return list(json.loads(done.stdout)["seen"])


def test_the_script_is_short() -> None:
    lines = [line for line in SCRIPT.read_text().splitlines() if line.strip()]
    assert len(lines) <= 60
