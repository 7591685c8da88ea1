"""Label issues of a version, for people to go through: those that hold still and are not answered.

A person answers about nothing else than what the version's evaluation shows: which image and which labels a
label issue is about is never taken from a request.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from lambdas.domain.console.evaluations import Evaluated, Evaluations, NoEvaluationError, pixels, states
from lambdas.domain.evaluation.label_issues import LabelIssue
from lambdas.domain.evaluation.label_issues import label_issues as issues_of
from lambdas.domain.evaluation.records import Detection, Evaluation, TestImage, TrueObject
from lambdas.domain.review.desk import issue_answers
from lambdas.domain.review.desk.issue_answers import IssueAnswer, LabelOrBox, Verdict
from lambdas.domain.shared.annotation import Box
from lambdas.domain.shared.boxes import RelativeBox
from lambdas.domain.shared.errors import ApiError
from lambdas.domain.shared.frozen import frozen
from lambdas.domain.shared.state import LoopState

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

    from lambdas.domain.review.desk.tasks import ReviewTable

MAX_SHOWN = 500
"""Of a version: what it is less sure of is seldom wrong, and the next training looks again."""
_LOOKED_AT = 10
"""Versions, the newest first: the labels of older evaluations hold no longer."""


@frozen
class VersionIssues:
    """All label issues of a version, under the names that labels have now."""

    version: str
    issues: tuple[LabelIssue, ...]


@frozen
class OpenIssues:
    """Label issues of a version that nobody has answered, and how many somebody has."""

    version: str
    issues: tuple[LabelIssue, ...]
    answered: int


def evaluated(evaluations: Evaluations, loop_state: LoopState, version: str) -> Evaluated:
    """The evaluation of a version; of the newest that has one, if none is named.

    Raises:
        ApiError: there is none.
    """
    if version:
        return evaluations.read(loop_state, version)
    for record in loop_state.versions()[:_LOOKED_AT]:
        if record.f1 is not None:
            try:
                return evaluations.read(loop_state, record.id)
            except NoEvaluationError:
                continue
    raise NoEvaluationError("no model version has an evaluation yet: it comes with the end of a training")


class IssueFinder:
    """Finds the label issues of versions, and remembers those of the last: one answer follows the other."""

    def __init__(self) -> None:
        self._evaluated: Evaluated | None = None
        self._renamed: dict[str, str] = {}
        self._issues: tuple[LabelIssue, ...] = ()

    def of(self, evaluated: Evaluated, renamed: Mapping[str, str]) -> VersionIssues:
        """The label issues of a version.

        Args:
            renamed: what labels are called now that had other names.
        """
        if self._evaluated is not evaluated or self._renamed != renamed:
            self._issues = tuple(issues_of(_under_present_names(evaluated.evaluation, renamed)))
            self._evaluated, self._renamed = evaluated, dict(renamed)
        return VersionIssues(evaluated.name, self._issues)


def open_issues(known: VersionIssues, reviews: ReviewTable, catalogue: Table) -> OpenIssues:
    """What nobody has answered, without images that were withdrawn or labelled otherwise since."""
    answers = issue_answers.answers(reviews)
    mended = _by_image(answers.values())
    unanswered = [issue for issue in known.issues if issue.id not in answers][:MAX_SHOWN]
    shown = [replace(issue, image=_as_mended(issue.image, mended)) for issue in unanswered]
    state = states(catalogue, [issue.image for issue in shown], {})
    holding = tuple(issue for issue in shown if not state[issue.image.key])
    return OpenIssues(known.version, holding, sum(issue.id in answers for issue in known.issues))


def answer(
    known: VersionIssues,
    reviews: ReviewTable,
    catalogue: Table,
    issue: str,
    *,
    verdict: Verdict,
    by: str,
    labels: Collection[str],
) -> IssueAnswer:
    """Keep a person's answer about a label issue of the version and, if the label is wrong, mend it.

    Args:
        issue: its id.
        labels: that an image may get.

    Raises:
        ApiError: the version has no such label issue, or its image was labelled otherwise since.
    """
    answered = next((one for one in known.issues if one.id == issue), None)
    if answered is None:
        raise ApiError(404, "not_found", f"{known.version} has no such label issue; load the page again")
    after = answered.detection
    if verdict == "accepted" and after and after.label not in labels:
        raise ApiError(422, "bad_answer", f"there is no label {after.label[:60]!r} to give any more")
    image = answered.image
    given = IssueAnswer(
        issue,
        image.sha256,
        _label_or_box(image, answered.truth),
        _label_or_box(image, after),
        known.version,
        verdict,
        by,
    )
    earlier = issue_answers.answers(reviews)
    known_answer = earlier.get(issue)
    is_settled = known_answer is not None and known_answer.verdict in ("accepted", verdict)
    if not is_settled and not _holds(catalogue, image, earlier.values(), given):
        raise ApiError(409, "conflict", "the image is labelled otherwise by now; nothing is changed")
    return issue_answers.answer(reviews, catalogue, given)


def _holds(catalogue: Table, image: TestImage, earlier: Iterable[IssueAnswer], given: IssueAnswer) -> bool:
    """Whether the image is labelled as it was evaluated, but for what was mended, perhaps for this answer."""
    before = _as_mended(image, _by_image(earlier))
    after = _as_mended(before, _by_image([given]))
    return any(not states(catalogue, [labelled], {})[image.key] for labelled in (before, after))


# Images as they were mended


def _by_image(answers: Iterable[IssueAnswer]) -> dict[str, list[IssueAnswer]]:
    """Answers that have mended a label, in their order, by the images' hashes."""
    mended: dict[str, list[IssueAnswer]] = {}
    for given in sorted(answers, key=lambda one: one.at):
        if given.verdict == "accepted":
            mended.setdefault(given.image, []).append(given)
    return mended


def _as_mended(image: TestImage, mended: Mapping[str, list[IssueAnswer]]) -> TestImage:
    """The image with the labels that people have mended since it was evaluated."""
    truths = list(image.truths)
    for given in mended.get(image.sha256, ()):
        labelled = [_label_or_box(image, truth) for truth in truths]
        if given.after in labelled or (given.before is not None and given.before not in labelled):
            continue  # It was evaluated with what was mended.
        place = len(truths) if given.before is None else labelled.index(given.before)
        truths[place : place + 1] = [] if given.after is None else [_true_object(image, given.after)]
    return replace(image, truths=tuple(truths))


def _label_or_box(image: TestImage, thing: TrueObject | Detection | None) -> LabelOrBox | None:
    if thing is None:
        return None
    sides = pixels(image, thing.box)
    return LabelOrBox(thing.label, Box(thing.label, **sides) if sides else None)


def _true_object(image: TestImage, thing: LabelOrBox) -> TrueObject:
    box = thing.box
    if box is None:
        return TrueObject(thing.label)
    width, height = image.width, image.height
    sides = (box.left / width, box.top / height, box.width / width, box.height / height)
    return TrueObject(thing.label, RelativeBox(thing.label, *sides))


def _under_present_names(evaluation: Evaluation, names: Mapping[str, str]) -> Evaluation:
    """The evaluation with the names that labels have now; of labels that are one by now, the lower floor."""
    if not names:
        return evaluation
    images = tuple(
        replace(
            image,
            truths=tuple(replace(truth, label=names.get(truth.label, truth.label)) for truth in image.truths),
            detections=tuple(
                replace(seen, label=names.get(seen.label, seen.label)) for seen in image.detections
            ),
        )
        for image in evaluation.images
    )
    floors: dict[str, float] = {}
    for label, floor in evaluation.floors.items():
        name = names.get(label, label)
        floors[name] = min(floor, floors.get(name, floor))
    return replace(evaluation, images=images, floors=floors)
