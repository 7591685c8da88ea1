"""The labels that the desk offers: those that an administrator defined, and those that models know."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import Key

from lambdas.domain.catalogue import snapshot_rows
from lambdas.domain.review.desk.tasks import ReviewTable
from lambdas.domain.shared import annotation

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

    from lambdas.domain.shared.state import LoopState

MAX_INSTRUCTION = 300
MAX_EXAMPLES = 6
MAX_LABELS = 250
"""Of a dataset: https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/limits.html"""
_COLOURS = (
    "#b3261e",
    "#00629b",
    "#1b7f3b",
    "#8a4b08",
    "#6f3fb5",
    "#a1206b",
    "#006e6e",
    "#5c6b00",
    "#3d4fc4",
    "#7a3e2c",
)
"""Each has a contrast of 4.5 or more with white text (WCAG 2.2, 1.4.3)."""
_KEYS = "123456789acdefghijklmopqrtvwxy"
"""Keys of the desk's own are left out: b, n, s, u, z."""
_COLOUR = re.compile(r"#[0-9a-f]{6}")
_LOOKED_AT = 500
"""Labelled images whose labels are offered where no model was trained yet."""


class InvalidLabelError(ValueError):
    """A definition that cannot be kept: the member that is wrong, and what to do."""

    status = 422
    code = "bad_label"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True)
class LabelDefinition:
    label: str
    colour: str
    key: str = ""
    """Of the keyboard; empty if it has none."""
    instruction: str = ""
    examples: tuple[str, ...] = ()
    """Hashes of catalogued images."""
    retired: bool = False
    """Shown where it is used, not offered any more."""


def offered(table: ReviewTable, loop_state: LoopState, catalogue: Table) -> list[LabelDefinition]:
    """Every label with its colour and key, those that were defined first; retired ones last."""
    defined = list(_defined(table))
    names = {definition.label for definition in defined}
    known = sorted(set(_of_models(loop_state)) | ({*_of_images(catalogue)} if not defined else set()))
    added = [LabelDefinition(label, colour="") for label in known if label not in names]
    everything = [*(d for d in defined if not d.retired), *added, *(d for d in defined if d.retired)]
    return _completed(everything[:MAX_LABELS])


def usable(definitions: Iterable[LabelDefinition]) -> set[str]:
    """Names of the labels that an answer may have."""
    return {definition.label for definition in definitions if not definition.retired}


def put(table: ReviewTable, label: str, body: dict[str, Any]) -> LabelDefinition:
    """Define a label, or define it anew: what is not given stays as it was.

    Raises:
        BadLabel: the definition cannot be kept.
    """
    try:
        name = annotation.clean_label(label)
    except ValueError as error:
        raise InvalidLabelError("label", str(error)) from error
    others = [definition for definition in _defined(table) if definition.label != name]
    before = _get(table, name) or LabelDefinition(name, colour="")
    if unknown := sorted(map(str, set(body) - {"colour", "key", "instruction", "examples", "retired"})):
        raise InvalidLabelError(unknown[0][:60], "unknown member")
    facts: dict[str, Any] = {**_checked(body), "label": name}
    definition = replace(before, **facts)
    if definition.key and definition.key in {other.key for other in others}:
        raise InvalidLabelError("key", f"the key {definition.key} is another label's")
    if len(others) >= MAX_LABELS:
        raise InvalidLabelError("label", f"there are {MAX_LABELS} labels already: a dataset takes no more")
    table.table.put_item(
        Item={**asdict(definition), "id": "labels", "part": name, "examples": list(definition.examples)}
    )
    return definition


def _checked(body: dict[str, Any]) -> dict[str, Any]:
    checks = {
        "colour": (_is_colour, "a colour is written #rrggbb"),
        "key": (_is_key, f"a key is empty or one of {_KEYS}"),
        "instruction": (_is_instruction, f"an instruction is one line of up to {MAX_INSTRUCTION} characters"),
        "examples": (_are_examples, f"up to {MAX_EXAMPLES} images, each named once, by its SHA-256"),
        "retired": (lambda value: isinstance(value, bool), "retired is true or false"),
    }
    for member, value in body.items():
        check, told = checks[member]
        if not check(value):
            raise InvalidLabelError(member, told)
    return {**body, "examples": tuple(body["examples"])} if "examples" in body else dict(body)


def _is_colour(value: Any) -> bool:
    return isinstance(value, str) and (not value or _COLOUR.fullmatch(value) is not None)


def _is_key(value: Any) -> bool:
    return isinstance(value, str) and (not value or (len(value) == 1 and value in _KEYS))


def _is_instruction(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= MAX_INSTRUCTION and value.isprintable()


def _are_examples(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) <= MAX_EXAMPLES
        and all(isinstance(one, str) and re.fullmatch(r"[0-9a-f]{64}", one) for one in value)
        and len(set(value)) == len(value)
    )


def _completed(definitions: list[LabelDefinition]) -> list[LabelDefinition]:
    """With a colour and, as far as there are any, a key for each."""
    used = {definition.key for definition in definitions if definition.key}
    free = (key for key in _KEYS if key not in used)
    return [
        replace(
            definition,
            colour=definition.colour or _COLOURS[number % len(_COLOURS)],
            key=definition.key or ("" if definition.retired else next(free, "")),
        )
        for number, definition in enumerate(definitions)
    ]


def _defined(table: ReviewTable) -> Iterator[LabelDefinition]:
    query: dict[str, Any] = {"KeyConditionExpression": Key("id").eq("labels")}
    while True:
        page = table.table.query(**query)
        yield from map(_definition, page["Items"])
        if "LastEvaluatedKey" not in page:
            return
        query["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def _get(table: ReviewTable, label: str) -> LabelDefinition | None:
    item = table.table.get_item(Key={"id": "labels", "part": label}, ConsistentRead=True).get("Item")
    return _definition(item) if item else None


def _definition(item: Any) -> LabelDefinition:
    values = {name: item[name] for name in LabelDefinition.__dataclass_fields__ if name in item}
    values["examples"] = tuple(values.get("examples", ()))
    return LabelDefinition(**values)


def _of_models(loop_state: LoopState) -> Iterator[str]:
    """Labels of the newest model version that was evaluated."""
    for version in loop_state.versions():
        if version.labels:
            yield from (score.label for score in version.labels)
            return


def _of_images(catalogue: Table) -> Iterator[str]:
    for row in islice(snapshot_rows.labelled(catalogue), _LOOKED_AT):
        yield from row.labels
