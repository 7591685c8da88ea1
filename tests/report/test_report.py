"""The report as a whole: one pass, the same for the same images, and never an exception."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.domain.report import Example, Finding, ReportImage, UnusableCounts
from lambdas.domain.report.examples import share_out
from lambdas.domain.report.html import page
from lambdas.domain.shared.annotation import Box
from tests.fixtures.report_images import box, codes, detection, good_detections, jpeg, made
from tests.fixtures.report_markup import check_markup


def bad_detections() -> list[ReportImage]:
    """A dataset with something of everything."""
    images = good_detections()
    for number in range(40):
        images += [
            detection(f"twice-{number}", box(), box()),
            detection(f"both-{number}", box(), box("gear")),
            detection(f"out-{number}", box(left=600)),
            detection(f"thin-{number}", box(width=1)),
            detection(f"small-{number}", box(width=5, height=5), width=60),
            detection(f"all-{number}", box(left=0, top=0, width=640, height=480)),
            detection(
                f"series-{number}",
                box(),
                group=f"g{number // 3}",
                dataset_type="TEST" if number % 2 else "TRAIN",
            ),
            detection(f"empty-{number}"),
            detection(f"name-{number}", box(("Bolt", "gears", "nut")[number % 3])),
        ]
    return images


def test_the_order_of_the_images_makes_no_difference() -> None:
    images = bad_detections()
    first = made(images)
    assert len(first.findings) > 12
    for seed in range(3):
        random.Random(seed).shuffle(images)  # noqa: S311
        again = made(images)
        assert again.as_dict() == first.as_dict()
        assert page(again) == page(first)


def test_the_images_are_read_once_and_not_kept() -> None:
    alive = 0

    class Counted(ReportImage):
        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    def stream() -> Iterator[ReportImage]:
        nonlocal alive
        for number in range(5_000):
            alive_before.append(alive)
            alive += 1
            dataset_type = "TEST" if number % 5 == 0 else "TRAIN"
            yield Counted(str(number), 640, 480, dataset_type, "detection", (), (box(), box()), "", "")

    alive_before: list[int] = []
    assert made(stream()).statistics.total == 5_000
    assert max(alive_before) < 100


def test_the_worst_comes_first() -> None:
    report = made(bad_detections(), unusable=UnusableCounts(3, 2, 1, 1, {"nothing on the image": 2}))
    order = [("error", "warning", "info").index(finding.severity) for finding in report.findings]
    assert order == sorted(order)
    assert len(set(codes(report))) == len(codes(report)), (
        "a code names one finding, and its place on the page"
    )


def test_examples_are_shared_out_among_the_findings() -> None:
    report = made(bad_detections())
    examples = [finding.examples for finding in report.findings if finding.examples]
    assert sum(map(len, examples)) <= 120
    assert all(shown for shown in examples)


def test_many_findings_show_fewer_examples_each() -> None:
    shown = tuple(Example(str(number), 64, 64, "TRAIN", (), ()) for number in range(12))
    findings = [Finding(str(number), "info", "", "", "", 12, shown) for number in range(14)]
    assert [len(finding.examples) for finding in share_out(findings)] == [8] * 14
    assert share_out(findings[:10]) == tuple(findings[:10])


def test_an_edge_of_a_histogram_belongs_to_the_bin_above() -> None:
    for dataset_type, name in ((511, "256-511"), (512, "512-1023")):
        sizes = made([detection("a", width=dataset_type, height=300)]).as_dict()["statistics"]["histograms"][
            0
        ]
        assert [entry["name"] for entry in sizes["bins"] if entry["train"]] == [name]


def test_only_examples_are_fetched() -> None:
    asked: list[str] = []

    def thumbnail(key: str) -> bytes:
        asked.append(key)
        return jpeg()

    report = made([*good_detections(), detection("twice", box(), box())], thumbnail=thumbnail)
    assert asked == ["twice"]
    assert set(report.thumbnails) == {"twice"}


def test_what_the_verdict_says() -> None:
    good = good_detections()
    assert made(good).verdict == "Training can start"
    warned = made([*good, detection("a", box(left=-5))])
    assert warned.verdict == "Training can start, with 1 warning"
    assert not warned.errors
    stopped = made([*good, detection("a", box("nut"))])
    assert stopped.verdict == "Stopped: 1 error would waste the training"
    assert [finding.code for finding in stopped.errors] == ["label_only_in_train"]


def test_the_json_has_the_numbers_of_each_label() -> None:
    report = json.loads(json.dumps(made([*good_detections(), detection("odd", box(left=-5))]).as_dict()))
    assert report["statistics"]["images"] == {"train": 121, "test": 40}
    assert report["statistics"]["boxes"] == {"train": 121, "test": 40}
    assert report["statistics"]["labels"][0] == {
        "label": "bolt",
        "train_images": 61,
        "test_images": 20,
        "train_boxes": 61,
        "test_boxes": 20,
        "usable_train_images": 60,
        "usable_test_images": 20,
        "recall_interval_width": 0.335,
    }
    assert report["findings"][0]["examples"][0]["boxes"] == [
        {"label": "bolt", "left": -5, "top": 100, "width": 120, "height": 90}
    ]
    sizes = report["statistics"]["histograms"][0]
    assert {"name": "512-1023", "train": 121, "test": 40} in sizes["bins"]


_NUMBERS = st.integers(-10, 5000)
_BOXES = st.builds(Box, st.text(max_size=8), _NUMBERS, _NUMBERS, _NUMBERS, _NUMBERS)
_IMAGES = st.builds(
    ReportImage,
    key=st.text(max_size=30),
    width=st.integers(0, 5000),
    height=st.integers(0, 5000),
    dataset_type=st.sampled_from(["TRAIN", "TEST"]),
    kind=st.sampled_from(["classification", "detection"]),
    labels=st.lists(st.text(alphabet=st.characters(), max_size=8), max_size=4).map(tuple),
    boxes=st.lists(_BOXES, max_size=5).map(tuple),
    perceptual_hash=st.text(max_size=4),
    group=st.sampled_from(["", "g", "h"]),
)


@pytest.mark.long
@given(images=st.lists(_IMAGES, max_size=12), data=st.data())
@settings(max_examples=40)
def test_any_images_make_a_report(images: list[ReportImage], data: st.DataObject) -> None:
    # Keys name images: two with one key, and different content, there are not.
    images = [replace(image, key=f"{image.key}/{number}") for number, image in enumerate(images)]
    report = made(images, thumbnail=lambda key: b"not an image")
    json.dumps(report.as_dict())
    html = page(report)
    html.encode()
    check_markup(html)
    assert made(data.draw(st.permutations(images))).as_dict() == report.as_dict()


def test_text_that_is_no_text_makes_a_page() -> None:
    report = made([detection("\ud800\x00\u202e", box("\udfff\x07\u2066"), box("\ufffe"))])
    check_markup(page(report))
    assert "\u202e" not in page(report)
    assert page(report).encode()
