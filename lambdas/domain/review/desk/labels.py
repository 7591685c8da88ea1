"""The labels that the desk offers: those that an administrator defined, and those that models know."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import Key
from botocore.exceptions import ClientError

from lambdas.domain.catalogue import images as catalogue_images
from lambdas.domain.catalogue import snapshot_rows
from lambdas.domain.review.desk.tasks import ReviewTable
from lambdas.domain.shared import annotation
from lambdas.domain.shared.dynamodb import (
    TRANSACTION_ATTEMPTS,
    cancellation_reasons,
    query_pages,
    wait_after,
)
from lambdas.domain.shared.errors import ApiError
from lambdas.domain.shared.frozen import frozen

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

    from lambdas.domain.shared.state import LoopState

MAX_LABELS = 250
"""That are not retired, of a dataset: https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/limits.html"""
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
_KEYS = "123456789acdefghijklmoqrtvwxy"
"""Keys of the desk's own are left out: b, n, p, s, u, z."""
_COLOUR = re.compile(r"#[0-9a-f]{6}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MAX_SEARCHED = 20_000
"""Labelled images among which those of a label are looked for: some seconds."""
_MAX_SAMPLED = 500
"""Labelled images whose labels are offered where no model was trained yet."""


class InvalidLabelError(ApiError):
    """A definition that cannot be kept: the member that is wrong, and what to do."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(422, "bad_label", message, field)


@frozen
class LabelDefinition:
    """A label as the desk offers it."""

    label: str
    colour: str
    key: str = ""
    """Of the keyboard; empty if it has none."""
    instruction: str = ""
    examples: tuple[str, ...] = ()
    """Hashes of catalogued images."""
    retired: bool = False
    """Shown where it is used, not offered any more."""
    renamed_to: str = ""
    """What a retired label is called now (label_renaming.py)."""


def offered(table: ReviewTable, loop_state: LoopState, catalogue: Table) -> list[LabelDefinition]:
    """Every label with its colour and key, those that were defined first; retired ones last."""
    defined = list(definitions(table))
    names = {definition.label for definition in defined}
    known = sorted(set(_of_models(loop_state)) | ({*_of_images(catalogue)} if not defined else set()))
    added = [LabelDefinition(label, colour="") for label in known if label not in names]
    used = [*(d for d in defined if not d.retired), *added]
    return _completed([*used[:MAX_LABELS], *(d for d in defined if d.retired)])


def usable(defined: Iterable[LabelDefinition]) -> set[str]:
    """Names of the labels that an answer may have."""
    return {definition.label for definition in defined if not definition.retired}


def present_names(defined: Iterable[LabelDefinition]) -> dict[str, str]:
    """What labels are called now that had other names, also where a new name was renamed again."""
    renamed = {one.label: one.renamed_to for one in defined if one.renamed_to}
    names: dict[str, str] = {}
    for label in renamed:
        name, passed = label, {label}
        while (name := renamed.get(name, name)) not in passed:
            passed.add(name)
        if name != label and name not in renamed:
            names[label] = name
    return names


def put(table: ReviewTable, label: str, changes: Mapping[str, Any]) -> LabelDefinition:
    """Define a label, or change its definition.

    What others change at the same moment stays, too; of one member, the later change.

    Args:
        changes: by the names of LabelDefinition's members; what is not given stays as it was.

    Raises:
        InvalidLabelError: the definition cannot be kept.
        ApiError: too many others change labels at this moment.
    """
    try:
        name = annotation.clean_label(label)
    except ValueError as error:
        raise InvalidLabelError("label", str(error)) from error
    _check(changes)
    if changes.get("retired") is False:
        # One that is used again is called what it is called.
        changes = {**changes, "renamed_to": ""}
    for attempt in range(TRANSACTION_ATTEMPTS):
        defined = {definition.label: definition for definition in definitions(table)}
        before = defined.pop(name, None)
        if before and not changes:
            return before
        if changes.get("key") and changes["key"] in {other.key for other in defined.values()}:
            raise InvalidLabelError("key", f"the key {changes['key']} is another label's")
        was_used = before is not None and not before.retired
        is_used = not changes.get("retired", before is not None and before.retired)
        if is_used and not was_used and sum(not other.retired for other in defined.values()) >= MAX_LABELS:
            raise InvalidLabelError(
                "label", f"there are {MAX_LABELS} labels already: a dataset takes no more"
            )
        actions = [_written(table, name, before, changes), *_keys_moved(table, name, before, changes)]
        try:
            table.table.meta.client.transact_write_items(TransactItems=actions)  # pyrefly: ignore[bad-argument-type]
        except ClientError as error:
            cancellation_reasons(error)
            # Somebody has changed this label, or taken the key, in between: looked at again.
            wait_after(attempt)
        else:
            return get(table, name) or LabelDefinition(name, colour="")
    raise ApiError(409, "label_busy", "others change labels at this moment; try again in a few seconds")


def _written(
    table: ReviewTable, name: str, before: LabelDefinition | None, changes: Mapping[str, Any]
) -> dict[str, Any]:
    """The action that writes what changes, and of a new label everything."""
    members = changes if before else {**asdict(LabelDefinition(name, colour="")), **changes}
    condition = "attribute_not_exists(#key)"
    values = {f":{m}": list(value) if isinstance(value, tuple) else value for m, value in members.items()}
    if before:
        # The key that it gives back is the one that it has.
        condition, values[":before"] = "#key = :before", before.key
    return {
        "Update": {
            **_at(table, "labels", name),
            "UpdateExpression": "SET " + ", ".join(f"#{member} = :{member}" for member in members),
            "ConditionExpression": condition,
            "ExpressionAttributeNames": {"#key": "key", **{f"#{member}": member for member in members}},
            "ExpressionAttributeValues": values,
        }
    }


def _keys_moved(
    table: ReviewTable, name: str, before: LabelDefinition | None, changes: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """The actions that take a new key, which nobody may have, and give the old one back."""
    old, new = before.key if before else "", changes.get("key", before.key if before else "")
    if old == new:
        return
    for key, owner in ((new, name), (old, "")):
        if key:
            yield {
                "Update": {
                    **_at(table, "label_keys", key),
                    "UpdateExpression": "SET #label = :owner",
                    "ConditionExpression": "attribute_not_exists(#label) OR #label IN (:nobody, :mine)",
                    "ExpressionAttributeNames": {"#label": "label"},
                    "ExpressionAttributeValues": {":owner": owner, ":nobody": "", ":mine": name},
                }
            }


def _at(table: ReviewTable, id: str, part: str) -> dict[str, Any]:
    return {"TableName": table.table.name, "Key": {"id": id, "part": part}}


def _check(changes: Mapping[str, Any]) -> None:
    checks = {
        "colour": (_is_colour, "a colour is written #rrggbb"),
        "key": (_is_key, f"a key is empty or one of {_KEYS}"),
        "instruction": (str.isprintable, "an instruction is one line of text"),
        "examples": (_are_examples, "images are named each once, by their SHA-256"),
    }
    for member, (is_valid, problem) in checks.items():
        if member in changes and not is_valid(changes[member]):
            raise InvalidLabelError(member, problem)


def _is_colour(value: str) -> bool:
    return not value or _COLOUR.fullmatch(value) is not None


def _is_key(value: str) -> bool:
    return not value or (len(value) == 1 and value in _KEYS)


def _are_examples(images: Sequence[str]) -> bool:
    return all(map(_SHA256.fullmatch, images)) and len(set(images)) == len(images)


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


def definitions(table: ReviewTable) -> Iterator[LabelDefinition]:
    """The labels that administrators have defined, retired ones too."""
    for page in query_pages(
        table.table, {"KeyConditionExpression": Key("id").eq("labels"), "ConsistentRead": True}
    ):
        yield from map(_definition, page["Items"])


def get(table: ReviewTable, label: str) -> LabelDefinition | None:
    """The definition of a label; None if nobody has defined it."""
    item = table.table.get_item(Key={"id": "labels", "part": label}, ConsistentRead=True).get("Item")
    return _definition(item) if item else None


def _definition(item: Any) -> LabelDefinition:
    values = {name: item[name] for name in LabelDefinition.__dataclass_fields__ if name in item}
    values["examples"] = tuple(values.get("examples", ()))
    return LabelDefinition(**values)


def _of_models(loop_state: LoopState) -> Iterator[str]:
    """Labels of the newest model version that was evaluated."""
    for outline in loop_state.version_outlines():
        version = loop_state.version(outline.id)
        if version and version.labels:
            yield from (score.label for score in version.labels)
            return


def _of_images(catalogue: Table) -> Iterator[str]:
    for row in islice(snapshot_rows.labelled(catalogue), _MAX_SAMPLED):
        yield from row.labels


def image_keys(catalogue: Table, label: str, limit: int) -> dict[str, str]:
    """Hash and key of labelled images that have a label, among the first that are looked at."""
    rows = islice(snapshot_rows.labelled(catalogue), _MAX_SEARCHED)
    matching = (row for row in rows if label in row.labels)
    keys = (catalogue_images.IMAGE_KEY.fullmatch(row.key) for row in islice(matching, limit))
    return {match[1]: match[0] for match in keys if match}
