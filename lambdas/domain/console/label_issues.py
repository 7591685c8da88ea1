"""Label issues of a version, for people to go through: those that hold still and are not answered.

A person answers about nothing else than what is kept of the version: which image and which labels a label
issue is about is never taken from a request.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from lambdas.domain.console.evaluations import Evaluated, Evaluations, NoEvaluationError, pixels, states
from lambdas.domain.evaluation import issue_file
from lambdas.domain.evaluation.issue_file import KeptIssues
from lambdas.domain.evaluation.label_issues import LabelIssue
from lambdas.domain.evaluation.label_issues import label_issues as issues_of
from lambdas.domain.evaluation.records import Detection, TestImage, TrueObject
from lambdas.domain.review.desk import issue_answers
from lambdas.domain.review.desk.issue_answers import IssueAnswer, LabelOrBox, Verdict
from lambdas.domain.shared.annotation import Box
from lambdas.domain.shared.boxes import MIN_IOU, RelativeBox, iou
from lambdas.domain.shared.errors import ApiError
from lambdas.domain.shared.frozen import frozen
from lambdas.domain.shared.state import LoopState

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_s3 import S3Client

    from lambdas.domain.review.desk.tasks import ReviewTable

MAX_SHOWN = 200
"""Of a version at a time: each is read from the catalogue to show it."""
_LOOKED_AT = 10
"""Versions, the newest first: the labels of older evaluations hold no longer."""


Decided = tuple[LabelIssue, IssueAnswer | None]
"""A label issue, and what somebody has decided about its label before."""


@frozen
class VersionIssues:
    """All label issues of a version, under the names that labels have now."""

    version: str
    issues: tuple[LabelIssue, ...]
    images: Mapping[str, int]
    """How many images of each dataset were looked at."""
    names: Mapping[str, str]
    """What labels are called now that had other names."""

    def answers(self, reviews: ReviewTable) -> dict[str, IssueAnswer]:
        """Every answer that holds, under the names that labels have now, by the label issue's id."""
        return {
            issue: issue_answers.under_present_names(given, self.names)
            for issue, given in issue_answers.answers(reviews).items()
        }


@frozen
class OpenIssues:
    """Label issues of a version that nobody has answered, and how many somebody has."""

    version: str
    issues: tuple[Decided, ...]
    answered: int
    images: Mapping[str, int]
    kept: tuple[Decided, ...]
    """Label issues about labels that somebody has decided on before, when another version raised them."""


class IssueFinder:
    """Finds the label issues of versions, and remembers those of the last: one answer follows the other."""

    def __init__(self, s3: S3Client, bucket: str, evaluations: Evaluations) -> None:
        self._s3, self._bucket, self._evaluations = s3, bucket, evaluations
        self._evaluated: Evaluated | None = None
        self._computed: tuple[LabelIssue, ...] = ()
        self._kept: tuple[str, KeptIssues] | None = None

    def of(self, loop_state: LoopState, version: str, renamed: Mapping[str, str]) -> VersionIssues:
        """The label issues of a version; of the newest that has some, if none is named.

        Its run has kept them; of a version that was trained before runs did they are those of its evaluation.

        Args:
            renamed: what labels are called now that had other names.

        Raises:
            ApiError: there is no such version, or nothing is known of how it did.
        """
        if version:
            name, known = version, self._of_version(loop_state, version)
        else:
            name, known = self._newest(loop_state)
        return VersionIssues(name, _under_present_names(known.issues, renamed), known.images, renamed)

    def _newest(self, loop_state: LoopState) -> tuple[str, KeptIssues]:
        for record in loop_state.version_outlines()[:_LOOKED_AT]:
            if record.f1 is not None:
                with suppress(NoEvaluationError):
                    return record.id, self._of_version(loop_state, record.id)
        raise NoEvaluationError("no model version has an evaluation yet: it comes with the end of a training")

    def _of_version(self, loop_state: LoopState, version: str) -> KeptIssues:
        if loop_state.version(version):
            if self._kept and self._kept[0] == version:
                return self._kept[1]
            if kept := issue_file.read(self._s3, self._bucket, version):
                self._kept = version, kept
                return kept
        evaluated = self._evaluations.read(loop_state, version)
        if self._evaluated is not evaluated:
            self._evaluated, self._computed = evaluated, tuple(issues_of(evaluated.evaluation))
        return KeptIssues(self._computed, {"TEST": len(evaluated.evaluation.images)})


def open_issues(
    known: VersionIssues, reviews: ReviewTable, catalogue: Table, *, after: str = ""
) -> OpenIssues:
    """What nobody has answered, without images that were withdrawn or labelled otherwise since.

    Args:
        after: the id of the label issue that they follow, open or not; of one that there is not they are all.
    """
    answers = known.answers(reviews)
    mended = _by_image(answers.values())
    decisions = _Decisions(answers.values())
    unanswered: list[Decided] = []
    decided: list[Decided] = []
    place = next((number for number, issue in enumerate(known.issues, 1) if issue.id == after), 0)
    for issue in known.issues[place:]:
        decision = decisions.about(issue)
        if decision and decision.version != known.version:
            decided.append((issue, decision))
        elif issue.id not in answers and not decision:
            unanswered.append((issue, None))
    return OpenIssues(
        known.version,
        tuple(_first_that_hold(catalogue, unanswered, mended)),
        sum(issue.id in answers for issue in known.issues),
        known.images,
        tuple(_first_that_hold(catalogue, decided, mended)),
    )


def _first_that_hold(
    catalogue: Table, issues: Sequence[Decided], mended: Mapping[str, list[IssueAnswer]]
) -> list[Decided]:
    """The first label issues, MAX_SHOWN of them, whose images are still labelled as they were, but for what
    was mended. Those that hold no longer keep none after them from being shown."""
    held: list[Decided] = []
    for start in range(0, len(issues), MAX_SHOWN):
        chunk = [
            (replace(issue, image=_as_mended(issue.image, mended)), decision)
            for issue, decision in issues[start : start + MAX_SHOWN]
        ]
        state = states(catalogue, [issue.image for issue, _ in chunk], {})
        held += [one for one in chunk if not state[one[0].image.key]]
        if len(held) >= MAX_SHOWN:
            break
    return held[:MAX_SHOWN]


class _Decisions:
    """What people have said of labels: this one is right. It holds for the label on that image, whatever a
    later version says instead."""

    def __init__(self, answers: Iterable[IssueAnswer]) -> None:
        self._right: dict[tuple[str, LabelOrBox], IssueAnswer] = {}
        self._not_there: dict[str, list[IssueAnswer]] = {}
        for given in sorted(answers, key=lambda one: one.at):
            right = given.before if given.verdict == "rejected" else given.after
            if right:
                self._right[given.image, right] = given
            elif given.verdict == "rejected":
                self._not_there.setdefault(given.image, []).append(given)

    def about(self, issue: LabelIssue) -> IssueAnswer | None:
        """The decision about the label that is at issue; None if there is none."""
        image = issue.image
        if labelled := _label_or_box(image, issue.truth):
            return self._right.get((image.sha256, labelled))
        seen = _label_or_box(image, issue.detection)
        given = self._not_there.get(image.sha256, [])
        return next((one for one in given if seen and one.after and _is_alike(seen, one.after)), None)


def _is_alike(one: LabelOrBox, other: LabelOrBox) -> bool:
    if one.label != other.label:
        return False
    return one.box is None or other.box is None or iou(one.box, other.box) >= MIN_IOU


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
    earlier = known.answers(reviews)
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


def _under_present_names(issues: Iterable[LabelIssue], names: Mapping[str, str]) -> tuple[LabelIssue, ...]:
    """The label issues with the names that labels have now; without those of labels that are one by now."""
    if not names:
        return tuple(issues)
    renamed = (_renamed(issue, names) for issue in issues)
    return tuple(
        issue
        for issue in renamed
        if issue.issue_type != "wrong_label"
        or issue.truth is None
        or issue.detection is None
        or issue.truth.label != issue.detection.label
    )


def _renamed(issue: LabelIssue, names: Mapping[str, str]) -> LabelIssue:
    truths = tuple(replace(truth, label=names.get(truth.label, truth.label)) for truth in issue.image.truths)
    truth, seen = issue.truth, issue.detection
    return replace(
        issue,
        image=replace(issue.image, truths=truths),
        truth=truths[issue.image.truths.index(truth)] if truth else None,
        detection=replace(seen, label=names.get(seen.label, seen.label)) if seen else None,
    )
