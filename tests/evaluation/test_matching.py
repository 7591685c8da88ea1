"""What each detection is, right or a mistake of some kind, and the figures that follow."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.domain.evaluation import measures
from lambdas.domain.evaluation.matching import counts, judge, judge_all
from lambdas.domain.evaluation.measures import Cell, CurvePoint, SizeCounts
from lambdas.domain.evaluation.mistakes import KINDS, Wanted, mistakes
from lambdas.domain.evaluation.records import Detection, Evaluation, TestImage, TrueObject
from lambdas.domain.promote import scoring
from lambdas.domain.promote.scoring import GroundTruth
from lambdas.domain.shared.boxes import RelativeBox


def true(label: str, left: float = 0.1, width: float = 0.2) -> TrueObject:
    return TrueObject(label, RelativeBox(label, left, 0.1, width, 0.2))


def seen(label: str, confidence: float, left: float = 0.1, width: float = 0.2) -> Detection:
    return Detection(label, confidence, RelativeBox(label, left, 0.1, width, 0.2))


def image(*things: TrueObject | Detection, key: str = "images/a.jpg", side: int = 1000) -> TestImage:
    truths = tuple(thing for thing in things if isinstance(thing, TrueObject))
    detections = [thing for thing in things if isinstance(thing, Detection)]
    detections.sort(key=lambda detection: -detection.confidence)
    return TestImage(key, side, side, truths, tuple(detections))


def judgements(*things: TrueObject | Detection) -> list[str]:
    return [one.judgement for one in judge(image(*things), {})]


def evaluation(*images: TestImage, **floors: float) -> Evaluation:
    return Evaluation("training", "detection", images, floors)


def test_a_box_on_its_object_is_right_and_a_second_one_is_a_duplicate() -> None:
    assert judgements(true("cat"), seen("cat", 0.9), seen("cat", 0.8)) == ["right", "duplicate"]


def test_the_surest_box_on_an_object_takes_it() -> None:
    (first, second) = judge(image(true("cat"), seen("cat", 0.6), seen("cat", 0.9, left=0.12)), {})
    assert (first.is_right, first.detection and first.detection.confidence) == (True, 0.9)
    assert second.judgement == "duplicate"


def test_a_box_of_another_label_on_an_object_is_a_confusion() -> None:
    assert judgements(true("cat"), seen("dog", 0.9)) == ["confusion"]


def test_another_label_on_an_object_that_is_found_is_a_duplicate() -> None:
    assert judgements(true("cat"), seen("cat", 0.9), seen("dog", 0.8)) == ["right", "duplicate"]


def test_a_box_that_fits_badly_is_loose() -> None:
    assert judgements(true("cat"), seen("cat", 0.9, width=0.8)) == ["loose"]


def test_a_box_on_nothing_and_an_object_without_a_box() -> None:
    assert judgements(true("cat"), seen("cat", 0.9, left=0.7)) == ["background", "missed"]


def test_detections_below_the_threshold_do_not_count() -> None:
    (one,) = judge(image(true("cat"), seen("cat", 0.4)), {"cat": 0.5})
    assert one.judgement == "missed"


def test_labels_of_a_whole_image() -> None:
    whole = image(TrueObject("cat"), Detection("dog", 0.9), Detection("cow", 0.7))
    assert [one.judgement for one in judge(whole, {})] == ["confusion", "background"]
    assert judge(image(TrueObject("cat"), Detection("cat", 0.9)), {})[0].is_right


labels = st.sampled_from(["cat", "dog"])
places = st.sampled_from([0.0, 0.05, 0.1, 0.3])
objects = st.lists(st.builds(true, labels, places), max_size=4)
detections = st.lists(st.builds(seen, labels, st.sampled_from([0.3, 0.5, 0.9]), places), max_size=6)


@settings(max_examples=50)
@given(objects, detections)
def test_the_counts_are_those_of_the_gates(truths: list[TrueObject], predicted: list[Detection]) -> None:
    boxes = tuple(truth.box for truth in truths if truth.box)
    answers = [
        {
            "label": one.label,
            "confidence": 100 * one.confidence,
            "box": {"left": one.box.left, "top": one.box.top, "width": one.box.width, "height": 0.2},
        }
        for one in predicted
        if one.box
    ]
    truth = GroundTruth(tuple(sorted({box.label for box in boxes})), boxes)
    assert counts(judge(image(*truths, *predicted), {})) == scoring.count(truth, answers)


@settings(max_examples=50)
@given(st.lists(st.tuples(objects, detections), max_size=4))
def test_curve_matrix_and_counts_are_of_one_mind(
    drawn: list[tuple[list[TrueObject], list[Detection]]],
) -> None:
    known = evaluation(*(image(*truths, *predicted) for truths, predicted in drawn))
    for threshold in (0.0, 0.4, 0.9, 1.0):
        chosen = dict.fromkeys(known.labels, threshold)
        judged = judge_all(known, chosen)
        counted = measures.label_counts(judged)
        cells = measures.confusion_matrix(judged)
        sizes = measures.by_size(judged)
        for curve in measures.curves(known):
            right, wrong, missed = counted.get(curve.label, (0, 0, 0))
            point = [point for point in curve.points if point.threshold <= threshold][-1]
            assert (point.right, point.wrong, point.missed) == (right, wrong, missed)
            assert sum(cell.count for cell in cells if cell.truth == curve.label) == right + missed
            assert sum(cell.count for cell in cells if cell.detected == curve.label) == right + wrong
        assert sum(size.right for size in sizes) == sum(counts[0] for counts in counted.values())
        for cell in cells:
            wanted = Wanted(frozenset(KINDS), truth=cell.truth, detected=cell.detected)
            assert len(mistakes(judged, wanted)) == cell.count


def test_a_curve_begins_at_the_floor_and_changes_where_counts_do() -> None:
    known = evaluation(
        image(true("cat"), seen("cat", 0.9)), image(true("cat"), seen("cat", 0.6, left=0.7)), cat=0.456
    )
    (curve,) = measures.curves(known)
    assert (curve.floor, curve.objects) == (0.456, 2)
    assert curve.points == (
        CurvePoint(0.456, 1, 1, 1),
        CurvePoint(0.61, 1, 0, 1),
        CurvePoint(0.91, 0, 0, 2),
    )


def test_a_threshold_below_the_floor_is_the_floor() -> None:
    known = evaluation(image(true("cat"), seen("cat", 0.9)), cat=0.5)
    assert known.thresholds({"cat": 0.2}) == {"cat": 0.5}
    assert known.thresholds({"cat": 0.7}) == {"cat": 0.7}


def test_the_matrix_says_who_is_taken_for_whom() -> None:
    known = evaluation(
        image(true("cat"), seen("dog", 0.9)),
        image(true("cat"), seen("cat", 0.9, width=0.8)),
        image(true("dog"), seen("dog", 0.9), seen("dog", 0.8)),
    )
    assert measures.confusion_matrix(judge_all(known, {})) == [
        Cell("", "cat", 1),
        Cell("", "dog", 1),
        Cell("cat", "", 1),
        Cell("cat", "dog", 1),
        Cell("dog", "dog", 1),
    ]


def test_sizes_are_those_that_the_model_sees() -> None:
    tiny = TrueObject("cat", RelativeBox("cat", 0, 0, 0.02, 0.02))
    known = evaluation(image(tiny), image(true("cat"), seen("cat", 0.9), side=12800))
    assert measures.by_size(judge_all(known, {})) == [
        SizeCounts("small", 0, 0, 1),
        SizeCounts("medium", 0, 0, 0),
        SizeCounts("large", 1, 0, 0),
    ]
    whole = image(TrueObject("cat"), Detection("cat", 0.9))
    assert measures.by_size(judge_all(evaluation(whole), {})) == []


def test_mistakes_come_surest_first_and_are_filtered() -> None:
    known = evaluation(
        image(true("cat"), seen("cat", 0.6, left=0.7), key="images/a.jpg"),
        image(seen("dog", 0.9), key="images/b.jpg"),
        image(true("dog"), seen("dog", 0.9), key="images/c.jpg"),
    )
    judged = judge_all(known, {})

    def chosen(wanted: Wanted) -> list[tuple[str, str]]:
        return [(one.kind, one.image.sha256) for one in mistakes(judged, wanted)]

    assert chosen(Wanted()) == [("false_positive", "b"), ("false_positive", "a"), ("missed", "a")]
    assert chosen(Wanted(label="dog")) == [("false_positive", "b")]
    assert chosen(Wanted(kinds=frozenset({"missed"}))) == [("missed", "a")]
    assert chosen(Wanted(min_confidence=0.7)) == [("false_positive", "b")]
    assert chosen(Wanted(kinds=frozenset({"right"}))) == [("right", "c")]
    assert chosen(Wanted(size="small")) == []


def test_f1_is_the_labels_mean_over_labels_that_images_show() -> None:
    known = evaluation(image(true("cat"), seen("cat", 0.9)), image(true("dog")), image(seen("cow", 0.9)))
    counted = measures.label_counts(judge_all(known, {}))
    assert measures.overall_f1(counted.values()) == 0.5
    assert measures.overall_f1([]) is None
