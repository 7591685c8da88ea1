"""Label attributes of a manifest's line: which of them count, where labeling jobs were chained.

Each job of Ground Truth adds an attribute and a second one with -metadata to its name:
https://docs.aws.amazon.com/sagemaker/latest/dg/sms-data-output.html
What jobs that adjust or verify labels add:
https://docs.aws.amazon.com/sagemaker/latest/dg/sms-data-verify-manifest.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from lambdas.domain.shared.errors import UnusableInputError
from lambdas.domain.shared.frozen import frozen

CLASSIFICATION_TYPE = "groundtruth/image-classification"
MULTILABEL_TYPE = "groundtruth/image-classification-multilabel"
DETECTION_TYPE = "groundtruth/object-detection"
VERIFICATION_TYPE = "groundtruth/label-verification"
METADATA = "-metadata"
OWN = "labelloop-"
"""What the names of LabelLoop's own attributes begin with."""

_KNOWN = (CLASSIFICATION_TYPE, MULTILABEL_TYPE, DETECTION_TYPE)
_OTHER_TYPES = (
    ("groundtruth/semantic-segmentation", "semantic segmentation, whose masks are no boxes"),
    ("groundtruth/video", "a video's frames"),
    ("groundtruth/text", "text"),
    ("groundtruth/point-cloud", "3D point clouds"),
    ("groundtruth/custom", "a custom labeling job, whose labels have a form of their own"),
)
_APPROVALS = frozenset(
    ("good", "correct", "ok", "okay", "accept", "accepted", "approved", "pass", "passed", "yes", "valid")
)
"""What names of classes that approve of labels begin with; whoever makes a verification job names them."""
_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")


class LabelAttributeError(UnusableInputError):
    """A line's attributes say no labels, or not which."""


@frozen
class LabelAttribute:
    """What one labeling job says of an image."""

    name: str
    value: Any
    metadata: Mapping[str, Any]
    rank: int
    """Its place among the line's attributes in the order in which their jobs ran."""

    @property
    def type(self) -> Any:
        return self.metadata.get("type")

    @property
    def is_adjustment(self) -> bool:
        return "adjustment-status" in self.metadata

    def classes(self) -> set[str]:
        """The names of the classes that it speaks of."""
        names = self.metadata.get("class-map")
        return {str(name) for name in names.values()} if isinstance(names, dict) else set()


def counting(line: Mapping[str, Any]) -> list[LabelAttribute]:
    """The attributes that say what is on the image, all of kinds that Custom Labels knows.

    Of the boxes of a chain those of its last adjustment count; of image-level labels all do.

    Raises:
        LabelAttributeError: there are none, people judged them wrong, or it is open which of them count.
    """
    attributes = _attributes(line)
    known = [attribute for attribute in attributes if attribute.type in _KNOWN]
    if not known:
        raise _nothing_known(line, attributes)
    boxes = [attribute for attribute in known if attribute.type == DETECTION_TYPE]
    chosen = [attribute for attribute in known if attribute not in boxes] + _last_of_chains(boxes)
    _check_verdict([each for each in attributes if each.type == VERIFICATION_TYPE], chosen)
    return chosen


def superseded(line: Mapping[str, Any]) -> bool:
    """Whether there are boxes on the line that a later job has adjusted."""
    try:
        chosen = {attribute.name for attribute in counting(line)}
    except LabelAttributeError:
        return False
    return any(
        attribute.name not in chosen for attribute in _attributes(line) if attribute.type == DETECTION_TYPE
    )


def _attributes(line: Mapping[str, Any]) -> list[LabelAttribute]:
    """Every attribute with metadata beside it, in the order in which their jobs ran.

    Each job of a chain writes behind those before; where all say when they were made, that comes first.
    """
    pairs = [
        (name, value, metadata)
        for name, value in line.items()
        if isinstance(metadata := line.get(name + METADATA), dict)
    ]
    if all(_DATE.match(str(metadata.get("creation-date"))) for _, _, metadata in pairs):
        pairs.sort(key=lambda pair: str(pair[2]["creation-date"])[:19])
    return [LabelAttribute(*pair, rank) for rank, pair in enumerate(pairs)]


def _last_of_chains(boxes: Sequence[LabelAttribute]) -> list[LabelAttribute]:
    """The boxes that count: of a job and those that adjusted its boxes the last ones."""
    if len(boxes) < 2:
        return list(boxes)
    adjusted = [each for each in boxes if each.is_adjustment]
    first = [each for each in boxes if not each.is_adjustment]
    if len(first) < 2:
        return adjusted[-1:] or first
    _check_disjoint(first)
    chains = {each.name: each for each in first}
    for each in adjusted:
        chains[_adjusted_by(each, first)] = each
    return list(chains.values())


def _adjusted_by(adjustment: LabelAttribute, first: Sequence[LabelAttribute]) -> str:
    """The name of the attribute whose boxes a job has adjusted, by their classes or else by their names."""
    same = [each.name for each in first if each.classes() & adjustment.classes()]
    if len(same) != 1:
        same = [each.name for each in first if each.name in adjustment.name]
    if len(same) != 1:
        names = ", ".join(each.name for each in first)
        raise LabelAttributeError(
            "ambiguous_attributes",
            f"{adjustment.name} has adjusted the boxes of one of {names}, and it is open of which:"
            " remove the attributes that do not count",
        )
    return same[0]


def _check_disjoint(first: Sequence[LabelAttribute]) -> None:
    """Check that boxes of several jobs are of different classes, or they may be the same objects again."""
    seen: dict[str, str] = {}
    for attribute in first:
        for label in attribute.classes():
            if label in seen:
                raise LabelAttributeError(
                    "ambiguous_attributes",
                    f"{seen[label]} and {attribute.name} both have boxes of {label!r}, and neither adjusts"
                    " the other: remove the attribute that does not count",
                )
        seen |= dict.fromkeys(attribute.classes(), attribute.name)


def _check_verdict(verdicts: Sequence[LabelAttribute], chosen: Sequence[LabelAttribute]) -> None:
    """Check that people who verified the labels judged them right; earlier verdicts are of earlier labels."""
    latest = max(attribute.rank for attribute in chosen)
    if not verdicts or verdicts[-1].rank < latest:
        return
    last = verdicts[-1]
    verdict = str(last.metadata.get("class-name", ""))
    words = verdict.lower().replace("-", " ").split()
    if words and words[0] in _APPROVALS:
        return
    comments = last.metadata.get("worker-feedback")
    first = comments[0] if isinstance(comments, list) and comments else None
    comment = f" ({first['comment']})" if isinstance(first, dict) and "comment" in first else ""
    raise LabelAttributeError(
        "verified_as_wrong",
        f"{last.name}: people judged the labels {verdict[:80]!r}{comment[:200]}, and they were left out:"
        " label the image again",
    )


def _nothing_known(line: Mapping[str, Any], attributes: Sequence[LabelAttribute]) -> LabelAttributeError:
    """Why no attribute of a line says what is on the image."""
    for name, metadata in line.items():
        if name.endswith(METADATA) and isinstance(metadata, dict) and "failure-reason" in metadata:
            reason = str(metadata["failure-reason"])[:300]
            return LabelAttributeError(
                "labeling_failed", f"{name.removesuffix(METADATA)}: Ground Truth could not label it: {reason}"
            )
    if attributes and all(attribute.type == VERIFICATION_TYPE for attribute in attributes):
        return LabelAttributeError(
            "no_label_attributes", "a verdict on labels, and no labels: keep the attribute that was verified"
        )
    if attributes:
        return LabelAttributeError("unknown_type", _of_other_types(attributes))
    others = [name for name in line if name != "source-ref" and not name.startswith(OWN)]
    if not others:
        return LabelAttributeError(
            "unlabelled", "the line names an image and no label, as the input of a labeling job does"
        )
    detail = f"{others[0]!r} has no {others[0] + METADATA!r} beside it, as label attributes have"
    return LabelAttributeError("no_label_attributes", detail[:300])


def _of_other_types(attributes: Sequence[LabelAttribute]) -> str:
    for attribute in attributes:
        for beginning, description in _OTHER_TYPES:
            if str(attribute.type).startswith(beginning):
                return f"{attribute.name} is of {description}: image-level labels and boxes are taken"
    types = ", ".join(sorted(repr(attribute.type) for attribute in attributes))
    return f"type {types}; taken are {', '.join(_KNOWN)}"[:300]
