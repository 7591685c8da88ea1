"""What a worker sees and answers: a worker task template rendered, and its crowd element understood.

Elements: https://docs.aws.amazon.com/sagemaker/latest/dg/sms-ui-template-reference.html . Filters beside
Liquid's own: https://docs.aws.amazon.com/sagemaker/latest/dg/a2i-custom-templates.html . Here
`grant_read_access` leaves an S3 URI as it is; who lists the work gets a URL beside it.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from html.parser import HTMLParser
from typing import Any

from liquid import Environment, StrictUndefined
from liquid.exceptions import LiquidError

BOXES = "crowd-bounding-box"
ONE_LABEL = "crowd-image-classifier"
LABELS = "crowd-image-classifier-multi-select"
_CHOICES = {BOXES: "labels", ONE_LABEL: "categories", LABELS: "categories"}
_SIDES = ("left", "top", "width", "height")


class FormError(ValueError):
    """The template cannot be shown, or an answer does not fit it; the message says why."""


@dataclass(frozen=True)
class Form:
    """A crowd element with its values."""

    element: str
    name: str
    """The name under which the answer stands in the output."""
    header: str
    choices: tuple[str, ...]
    image: str
    """The image's S3 URI."""
    initial: tuple[Mapping[str, Any], ...] = ()
    """Boxes that the image shows already."""


def of(template: str, task_input: Mapping[str, Any]) -> Form:
    """The form that a worker task template makes of an input.

    Raises:
        FormError: the template cannot be rendered, or has not just one of the elements known here.
    """
    try:
        page = _liquid().from_string(template).render(task={"input": task_input})
    except LiquidError as error:
        raise FormError(f"the worker task template cannot be rendered: {error}") from error
    parser = _Elements()
    parser.feed(page)
    parser.close()
    if len(parser.elements) != 1:
        known = ", ".join(_CHOICES)
        raise FormError(f"the worker task template has {len(parser.elements)} of {known}; one is understood")
    element, attributes = parser.elements[0]
    choices = _json(attributes, _CHOICES[element])
    if not choices or not all(isinstance(choice, str) for choice in choices):
        raise FormError(f"{_CHOICES[element]} of {element} has to be an array of strings")
    return Form(
        element=element,
        name=_required(element, attributes, "name"),
        header=attributes.get("header", ""),
        choices=tuple(choices),
        image=_required(element, attributes, "src"),
        initial=tuple(_json(attributes, "initial-value")) if "initial-value" in attributes else (),
    )


def content(form: Form, answer: Mapping[str, Any], size: tuple[int, int]) -> dict[str, Any]:
    """What the element hands over of a worker's answer.

    Args:
        answer: {"boxes": [{label, left, top, width, height}, ...]} in pixels, or {"labels": [...]}.
        size: width and height of the image.

    Raises:
        FormError: the element does not let a worker answer so.
    """
    if form.element == BOXES:
        boxes = [_box(form, box, size) for box in _list(answer, "boxes")]
        image = {"width": size[0], "height": size[1]}
        return {form.name: {"boundingBoxes": boxes, "inputImageProperties": image}}
    labels = _list(answer, "labels")
    for label in labels:
        _check_label(form, label)
    if not labels or (form.element == ONE_LABEL and len(labels) > 1):
        raise FormError(f"labels: {form.element} takes {'one' if form.element == ONE_LABEL else 'some'}")
    return {form.name: {"label": labels[0]} if form.element == ONE_LABEL else {"labels": labels}}


def _list(answer: Mapping[str, Any], name: str) -> list[Any]:
    items = answer.get(name)
    if not isinstance(items, list):
        raise FormError(f"{name} has to be an array")
    return items


def _box(form: Form, box: Any, size: tuple[int, int]) -> dict[str, Any]:
    if not isinstance(box, dict):
        raise FormError("boxes: each has to be an object")
    _check_label(form, box.get("label"))
    sides = [box.get(side) for side in _SIDES]
    if not all(isinstance(side, int) and not isinstance(side, bool) for side in sides):
        raise FormError(f"boxes: {', '.join(_SIDES)} have to be whole pixels")
    left, top, width, height = map(int, sides)  # pyrefly: ignore[incompatible-overload-argument]
    inside = left >= 0 and top >= 0 and left + width <= size[0] and top + height <= size[1]
    if not inside or width < 1 or height < 1:
        raise FormError(f"boxes: {box} is not inside the image of {size[0]} x {size[1]} pixels")
    return {side: box[side] for side in sorted((*_SIDES, "label"))}


def _check_label(form: Form, label: Any) -> None:
    if label not in form.choices:
        raise FormError(f"label {label!r} is none of {', '.join(form.choices)}")


class _Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _CHOICES:
            self.elements.append((tag, {name: value or "" for name, value in attrs}))


def _required(element: str, attributes: Mapping[str, str], name: str) -> str:
    if not attributes.get(name):
        raise FormError(f"{element} needs the attribute {name}")
    return attributes[name]


def _json(attributes: Mapping[str, str], name: str) -> list[Any]:
    """The array in an attribute, also one of strings in single quotes, as AWS's examples have them."""
    text = attributes.get(name, "")
    try:
        items = json.loads(text)
    except ValueError:
        try:
            items = ast.literal_eval(text)
        except (ValueError, SyntaxError) as error:
            raise FormError(f"{name} is not an array: {text[:200]!r}") from error
    if not isinstance(items, list):
        raise FormError(f"{name} is not an array: {text[:200]!r}")
    return items


@cache
def _liquid() -> Environment:
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    environment.add_filter("to_json", lambda value: json.dumps(value, ensure_ascii=False))
    environment.add_filter("grant_read_access", str)
    return environment
