"""What the HTTP API is sent: the bodies of its requests.

They are msgspec structs: checked as strictly as pydantic's, at a fraction of the import (docs/decisions/). A
body has no members but these, and numbers are numbers, not text. What depends on more than one member, or on
what the tables hold, the domain checks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from lambdas.contract.base import Request
from lambdas.domain.images.files import MAX_BYTES
from lambdas.domain.review.desk.limits import (
    MAX_CLAIMS,
    MAX_EXAMPLES,
    MAX_INSTRUCTION,
    MAX_REASON,
    Verdict,
)
from lambdas.domain.shared.annotation import (
    MAX_BOXES_PER_IMAGE,
    MAX_LABELS_PER_IMAGE,
    Box,
)

if TYPE_CHECKING:
    from lambdas.domain.review.desk.answers import Submission

MAX_THRESHOLDS = 250
"""Labels of a model: https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/limits.html"""


class ClaimRequest(Request):
    """How many tasks a reviewer wants."""

    count: Annotated[int, Meta(ge=1, le=MAX_CLAIMS)] = 1
    held: Annotated[list[str], Meta(description="Ids of tasks at hand, which are not claimed again.")] = (
        field(default_factory=list)
    )


class AnswerBox(Struct, forbid_unknown_fields=True):
    """Where a labelled object is, in whole pixels of the upright image."""

    label: str
    left: int
    top: int
    width: int
    height: int


class AnswerRequest(Request):
    """A reviewer's answer: boxes or labels, as the task asks, where the verdict is `labelled`."""

    error_code = "bad_answer"

    verdict: Verdict
    boxes: Annotated[list[AnswerBox], Meta(max_length=MAX_BOXES_PER_IMAGE)] = field(default_factory=list)
    labels: Annotated[list[str], Meta(max_length=MAX_LABELS_PER_IMAGE)] = field(default_factory=list)
    reason: Annotated[str, Meta(max_length=MAX_REASON)] = ""
    seconds: Annotated[int | float, Meta(description="Time that the answer took the reviewer.")] = 0
    correction: Annotated[
        bool, Meta(description="Whether it supersedes the answer that the reviewer gave before.")
    ] = False

    @property
    def submission(self) -> Submission:
        """The same as the review desk takes it."""
        # Other functions read their requests without the desk.
        from lambdas.domain.review.desk.answers import Submission

        boxes = (Box(box.label, box.left, box.top, box.width, box.height) for box in self.boxes)
        return Submission(self.verdict, tuple(boxes), tuple(self.labels), self.reason, self.seconds)


class SkipRequest(Request):
    """Why a reviewer does not want a task."""

    error_code = "bad_answer"

    reason: Annotated[str, Meta(max_length=MAX_REASON)] = ""


class AssignmentRequest(Request):
    """Who gets a task."""

    reviewer: Annotated[str, Meta(description="The reviewer's subject; empty, the task is freed.")]


class RollbackRequest(Request):
    """The model version to go back to."""

    version: Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_.\-]{1,255}$")]


class ApprovalRequest(Request):
    """What an administrator says of a version that has passed the gates."""

    decision: Literal["approved", "declined"]
    why: Annotated[
        str, Meta(max_length=500, description="For the record; a version that is declined needs one.")
    ] = ""


class ServingRequest(Request):
    """What is wanted of the champion."""

    request: Literal["start", "stop"]
    why: Annotated[str, Meta(max_length=500, description="For the record, and for who sees it.")] = ""


class LabelChange(Request):
    """What changes about a label; members that are missing do not change."""

    error_code = "bad_label"

    colour: Annotated[str, Meta(description="`#rrggbb`; empty, one is chosen.")] | UnsetType = UNSET
    key: Annotated[str, Meta(description="Of the keyboard; empty, one is chosen.")] | UnsetType = UNSET
    instruction: Annotated[str, Meta(max_length=MAX_INSTRUCTION)] | UnsetType = UNSET
    examples: (
        Annotated[
            list[str],
            Meta(max_length=MAX_EXAMPLES, description="SHA-256 of catalogued images."),
        ]
        | UnsetType
    ) = UNSET
    retired: bool | UnsetType = UNSET


class RenameRequest(Request):
    """What a label is called from now on."""

    error_code = "bad_label"

    name: Annotated[str, Meta(description="If there is such a label, the two become one.")]
    cursor: Annotated[str, Meta(max_length=200, description="What the part before gave; empty at first.")] = (
        ""
    )


class TryRequest(Request):
    """The image that is about to be sent to try the champion on."""

    error_code = "bad_image"

    content_type: Literal["image/jpeg", "image/png"]
    size: Annotated[int, Meta(ge=1, le=MAX_BYTES, description="In bytes.")]


class ThresholdRequest(Request):
    """From which confidence on detections of a label count."""

    percent: Annotated[
        Annotated[float, Meta(ge=0, le=100)] | None,
        Meta(description="Null: from the model's own threshold on."),
    ]


class IssueAnswerRequest(Request):
    """Whether a label that a version contradicts is wrong."""

    error_code = "bad_answer"

    verdict: Annotated[
        Literal["accepted", "rejected"],
        Meta(description="`accepted`: it is wrong, and is mended; `rejected`: it is right."),
    ]
    version: Annotated[str, Meta(min_length=1, max_length=255, description="That contradicts it.")]


_Thresholds = Annotated[
    list[str],
    Meta(
        max_length=MAX_THRESHOLDS,
        description="Confidence (percent) from which on a label's detections count, as in `bolt:80`; repeat"
        " the parameter for each label. Else the deployment's `label_thresholds`, or the model's own.",
    ),
]
_Source = Annotated[
    Literal["", "training", "endpoint"],
    Meta(
        description="The training's own evaluation, or the images that the shadow gate asked the endpoint"
        " about. Else the training's, if it is known."
    ),
]


class EvaluationOptions(Request):
    """What a version is judged by, in the query string."""

    threshold: _Thresholds = field(default_factory=list)
    source: _Source = ""


class MistakeOptions(EvaluationOptions):
    """Which mistakes are wanted, in the query string."""

    kind: Annotated[
        list[Literal["false_positive", "missed", "confusion", "loose", "right"]],
        Meta(max_length=5, description="Repeat the parameter for each. Else every mistake."),
    ] = field(default_factory=list)
    label: Annotated[str, Meta(description="Of the object or of the detection.")] = ""
    truth: Annotated[str, Meta(description="The object's label; empty: where no object is.")] | UnsetType = (
        UNSET
    )
    detected: Annotated[str, Meta(description="The detection's label; empty: where none is.")] | UnsetType = (
        UNSET
    )
    size: Literal["", "small", "medium", "large"] = ""
    min_confidence: Annotated[float, Meta(ge=0, le=100, description="Of the detection, in percent.")] = 0
    max_confidence: Annotated[float, Meta(ge=0, le=100, description="Of the detection, in percent.")] = 100
    offset: Annotated[int, Meta(ge=0, description="How many to pass over.")] = 0


class ComparisonOptions(Request):
    """Which two versions are compared, in the query string."""

    other: Annotated[str, Meta(description="The version to compare with.")]
    change: Annotated[
        Literal["better", "worse"], Meta(description="Whose images are listed: improved or worsened ones.")
    ] = "worse"
    offset: Annotated[int, Meta(ge=0, description="How many images to pass over.")] = 0


class LabelIssueOptions(Request):
    """Which label issues are wanted, in the query string."""

    version: Annotated[
        str, Meta(description="That contradicts the labels. Else the newest version that was evaluated.")
    ] = ""
    offset: Annotated[int, Meta(ge=0, description="How many to pass over.")] = 0
    kept: Annotated[
        bool, Meta(description="Instead those about labels that somebody has decided about before.")
    ] = False
