"""Which upload an annotation is for: each rule, and that more knowledge only ever opens what was matched."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.domain.catalogue.sources import History, Reference, Upload
from lambdas.domain.register import matching
from lambdas.domain.register.matching import Version

KEY = "incoming/annotations/a.jpg"


def at(second: int) -> str:
    return f"2026-11-28T10:{second // 60:02d}:{second % 60:02d}.000000Z"


def upload(second: int, content: str = "", sequencer: str = "", **more: object) -> Upload:
    """An upload; x, y and z are images, ? is not registered yet, ! is lost."""
    return Upload(
        f"v{second}{sequencer}{content}",
        at(second),
        sequencer=sequencer,
        sha256="" if content in "?!" else content,
        lost=content == "!",
        **more,  # pyrefly: ignore[bad-argument-type]
    )


def reference(second: int, says: str = "") -> Reference:
    return Reference(f"{at(second)}#5#{second}", says or f"says {second}", "labels.csv", 1, (KEY,))


def history(timeline: str) -> History:
    """A history in words: "x A y B" has four moments, of which capitals are annotations.

    "x=A" are of one second.
    """
    uploads, references, second = list[Upload](), list[Reference](), 0
    for moment in timeline.split():
        second += 10
        for number, what in enumerate(moment.split("=")):
            if what[0].isupper():
                references.append(replace(reference(second, what), order=f"{at(second)}#5#{number}{what}"))
            else:
                uploads.append(upload(second, what, f"{second:02d}{number}"))
    return History(KEY, tuple(uploads), tuple(references))


def matched(timeline: str) -> dict[str, str]:
    known = history(timeline)
    contents = matching.match(known.uploads, known.references)
    return {
        reference.says: "".join(sorted(content.replace("lost", "!") for content in contents[reference.order]))
        for reference in known.references
    }


def outcome(timeline: str) -> dict[str, str]:
    """What the images are labelled with; ? is a conflict."""
    statements = matching.statements(history(timeline))
    return {
        image: "?" if statement.is_open else statement.reference.says
        for image, statement in statements.items()
    }


@pytest.mark.parametrize(
    ("timeline", "expected"),
    [
        pytest.param("A", {"A": ""}, id="it waits for its image"),
        pytest.param("A x", {"A": "x"}, id="the first image after it"),
        pytest.param("x A", {"A": "x"}, id="the image before it"),
        pytest.param("x A B", {"A": "x", "B": "x"}, id="a correction"),
        pytest.param("A x B", {"A": "x", "B": "x"}, id="a correction of an annotation that came first"),
        pytest.param("x y A", {"A": "y"}, id="the image that lay there"),
        pytest.param("x A y B", {"A": "x", "B": "y"}, id="image first, twice"),
        pytest.param("A x B y", {"A": "x", "B": "xy"}, id="annotation first, twice"),
        pytest.param("A x B x", {"A": "x", "B": "x"}, id="the same image again"),
        pytest.param("x A B y", {"A": "x", "B": "xy"}, id="a correction, or for the next image"),
        pytest.param("x A y B z C", {"A": "x", "B": "y", "C": "z"}, id="image first, three times"),
        pytest.param("x A B y C z", {"A": "x", "B": "xy", "C": "yz"}, id="B for y, and C for z, or neither"),
        pytest.param("A B x y", {"A": "x", "B": "xy"}, id="two before two images"),
        pytest.param("A B x", {"A": "x", "B": "x"}, id="two before one image"),
        pytest.param("A x y", {"A": "x"}, id="an image replaced after its annotation"),
        pytest.param("x=A", {"A": "x"}, id="of one second, but with one image"),
        pytest.param("x y=A", {"A": "xy"}, id="of one second with another image"),
        pytest.param("x=A y", {"A": "x"}, id="it is for the image of its second in either order"),
        pytest.param("x A=y B", {"A": "xy", "B": "y"}, id="of one second with the next image"),
        pytest.param("x=y A", {"A": "y"}, id="two images of one second"),
        pytest.param("A ?", {"A": ""}, id="its image is not registered"),
        pytest.param("x A ?", {"A": "x"}, id="what comes later is not registered"),
        pytest.param("A x B ?", {"A": "x", "B": ""}, id="it may be for what is not registered"),
        pytest.param("! A", {"A": ""}, id="its image is lost"),
        pytest.param("x ! A", {"A": ""}, id="its image is lost, another is there"),
        pytest.param("x ! A y", {"A": "!y"}, id="a replacement of a lost image, or another"),
        pytest.param("A ! x", {"A": "!x"}, id="a replacement of a lost image that came after it"),
        pytest.param("A ! ! x", {"A": "!x"}, id="lost twice"),
    ],
)
def test_which_image_an_annotation_is_for(timeline: str, expected: dict[str, str]) -> None:
    assert matched(timeline) == expected


@pytest.mark.parametrize(
    ("timeline", "expected"),
    [
        ("x A B", {"x": "B"}),
        ("x A y B", {"x": "A", "y": "B"}),
        ("A x B y", {"x": "?", "y": "?"}),
        ("A x B y C", {"x": "?", "y": "C"}),
        ("A x A y", {"x": "A", "y": "?"}),
        ("x A=y B", {"x": "?", "y": "B"}),
        ("x ! A", {}),
        ("x ! A y", {"y": "?"}),
        ("x A ! B", {"x": "A"}),
        ("x A y B x C", {"x": "C", "y": "B"}),
    ],
)
def test_what_becomes_of_the_images(timeline: str, expected: dict[str, str]) -> None:
    assert outcome(timeline) == expected


def test_images_of_one_second_whose_order_nobody_knows_stay_open() -> None:
    uploads = [upload(1, "x", "05"), upload(1, "y")]
    assert matching.match(uploads, [reference(5)]) == {reference(5).order: {"x", "y"}}
    same = [upload(1, "x", "05"), replace(upload(1, "x"), version_id="other")]
    assert matching.match(same, [reference(5)]) == {reference(5).order: {"x"}}


def test_images_of_one_second_are_ordered_by_sequencer_or_by_the_listing() -> None:
    for first, second in [
        (upload(1, "x", "00A1"), upload(1, "y", "00A2")),
        (upload(1, "x", "00A1"), upload(1, "y", "00A10F")),
        (upload(1, "x", rank=1), upload(1, "y", "05", rank=2)),
    ]:
        assert matching.match([second, first], [reference(5)]) == {reference(5).order: {"y"}}


# What listings tell


def test_a_listing_orders_what_has_no_event_yet() -> None:
    versions = [Version("old", at(1)), Version("new", at(1))]
    known = matching.with_versions(History(KEY), versions, at(2))
    assert [(each.version_id, each.rank) for each in known.uploads] == [("old", 1), ("new", 2)]
    later = matching.with_versions(known, [*versions[1:], Version("newer", at(1))], at(2))
    assert [(each.version_id, each.rank) for each in later.uploads] == [("old", 1), ("new", 2), ("newer", 3)]


def test_what_was_registered_unlisted_is_ordered_once_it_is_listed_with_others() -> None:
    known = matching.with_upload(History(KEY), Upload("old", at(1), "05", sha256="x"))
    versions = [Version("old", at(1)), Version("new", at(1))]
    known = matching.with_versions(known, versions, at(2))
    assert [(each.version_id, each.rank) for each in known.uploads] == [("old", 1), ("new", 2)]


def test_what_is_deleted_is_lost() -> None:
    versions = [Version("deleted", at(1), deleted=True), Version("there", at(2))]
    known = matching.with_versions(History(KEY), versions, at(3))
    assert [each.lost for each in known.uploads] == [True, False]
    known = matching.with_versions(known, [], at(30))
    assert [each.lost for each in known.uploads] == [True, False], "clocks may differ by so much"
    known = matching.with_versions(known, [], at(63))
    assert [each.lost for each in known.uploads] == [True, True]
    there = matching.with_upload(known, Upload("there", at(2), "05", sha256="x"))
    assert [(each.sha256, each.lost) for each in there.uploads] == [("", True), ("x", False)]


def test_an_upload_that_is_registered_stays_so() -> None:
    known = matching.with_upload(History(KEY), Upload("v", at(1), "05", sha256="x"))
    assert matching.with_upload(known, Upload("v", at(1), lost=True)) == known
    listed = matching.with_versions(known, [Version("v", at(1), deleted=True)], at(100))
    assert (listed.uploads[0].sha256, listed.uploads[0].lost) == ("x", False)


def test_an_annotation_is_known_again_without_its_sequencer() -> None:
    first = Reference(f"{at(1)}#0A#000000001#s", "s", "labels.csv", 1, (KEY,))
    known = matching.with_reference(History(KEY), first)
    again = replace(first, order=f"{at(1)}##000000001#s")
    assert matching.with_reference(known, again) == known
    assert matching.known_reference(known, again) == first
    assert len(matching.with_reference(known, replace(again, line=2)).references) == 2


def test_a_history_does_not_grow_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "MAX_UPLOADS", 3)
    monkeypatch.setattr(matching, "MAX_REFERENCES", 15)
    known = History(KEY)
    for second in range(0, 100, 2):
        known = matching.with_upload(known, upload(second, f"image {second}", "05"))
        known = matching.with_reference(known, reference(second + 1))
    assert [each.sha256 for each in known.uploads] == ["image 0", "image 96", "image 98"]
    assert known.thinned_until == at(94)
    assert [each.order for each in known.references] == [
        reference(second).order for second in [*range(1, 21, 2), 91, 93, 95, 97, 99]
    ]
    assert matching.statements(known)["image 98"].reference == reference(99)


def test_what_is_not_settled_is_not_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "MAX_UPLOADS", 3)
    known = matching.with_versions(History(KEY), [Version(f"v{n}", at(n)) for n in range(6)], at(6))
    known = matching.with_upload(known, Upload("v5", at(5), "05", sha256="x"))
    assert len(known.uploads) == 6


# Any history

_TIMELINES = st.lists(
    st.lists(st.sampled_from(["w", "x", "y", "z", "A", "B", "C", "D", "!"]), min_size=1, max_size=2).map(
        "=".join
    ),
    max_size=7,
).map(" ".join)


@given(_TIMELINES, st.data())
@settings(max_examples=50)
def test_more_knowledge_opens_a_match_and_never_moves_it(timeline: str, data: st.DataObject) -> None:
    whole = history(timeline)
    # Annotations are known in any order. Of uploads, all are listed that there are, but not all registered.
    known = [each for each in whole.references if data.draw(st.booleans())]
    newest = max((each.order[:19] for each in known), default="")
    fewest = sum(each.at[:19] < newest for each in whole.uploads)
    uploads = whole.uploads[: data.draw(st.integers(fewest, len(whole.uploads)))]
    unknown = [
        replace(each, sha256="") if not each.lost and data.draw(st.booleans()) else each for each in uploads
    ]
    before = matching.match(unknown, known)
    after = matching.match(whole.uploads, whole.references)
    for order, contents in before.items():
        assert contents <= after[order] or not contents


@given(_TIMELINES, st.randoms(use_true_random=False))
@settings(max_examples=50)
def test_the_order_of_knowing_does_not_matter(timeline: str, random: object) -> None:
    whole = history(timeline)
    uploads, references = list(whole.uploads), list(whole.references)
    random.shuffle(uploads)  # pyrefly: ignore[missing-attribute]
    random.shuffle(references)  # pyrefly: ignore[missing-attribute]
    shuffled = History(KEY, tuple(uploads), tuple(references))
    assert matching.statements(shuffled) == matching.statements(whole)


_DROPS = st.lists(
    st.tuples(
        st.sampled_from(["image first", "annotation first", "together"]), st.integers(0, 2), st.booleans()
    ),
    min_size=1,
    max_size=4,
)
"""Of each drop what comes first, how many corrections, and whether it begins in the second of the last."""


@given(_DROPS)
@settings(max_examples=50)
def test_no_image_of_any_drops_has_the_label_of_another(drops: list[tuple[str, int, bool]]) -> None:
    """Each drop is an image and its annotations, and comes after the one before."""
    timeline = ""
    for (how, corrections, follows), image in zip(drops, "wxyz", strict=False):
        labels = [f"{image.upper()}{number}" for number in range(corrections + 1)]
        first = {"image first": f"{image} {labels[0]}", "annotation first": f"{labels[0]} {image}"}
        drop = " ".join([first.get(how, f"{image}={labels[0]}"), *labels[1:]])
        timeline += ("=" if follows and timeline else " ") + drop
    for image, label in outcome(timeline).items():
        assert label in ("?", f"{image.upper()}{drops['wxyz'.index(image)][1]}")
