"""What workers of Amazon A2I and Ground Truth see: worker task templates of crowd HTML elements and Liquid.

To A2I's template everything comes with the human loop (`a2i`), so that one flow definition serves them all.
Ground Truth's own pre-annotation functions hand a template the image and the labels only, so header and
instructions stand in the template itself. AWS says of the elements' names not to change them.

https://docs.aws.amazon.com/sagemaker/latest/dg/a2i-custom-templates.html
https://docs.aws.amazon.com/sagemaker/latest/dg/sms-bounding-box.html
https://docs.aws.amazon.com/sagemaker/latest/dg/sms-image-classification-multilabel.html
"""

from __future__ import annotations

import html
from collections.abc import Mapping

from lambdas.domain.review.workforce import worker_answers
from lambdas.domain.shared.annotation import Kind

HEADERS: Mapping[Kind, str] = {
    "detection": "Draw a box around every object that one of the labels names",
    "classification": "Choose every label that the image shows",
}
HOW: Mapping[Kind, tuple[str, ...]] = {
    "detection": (
        "Draw each box as tight as you can, and one for each object.",
        "Of an object that is partly hidden, or cut off by the edge, box the part that can be seen.",
        "If the image shows none of the labels, submit it without boxes.",
    ),
    "classification": (
        "Choose all labels that fit, however small what they name is.",
        f"If none fits, choose {worker_answers.NOTHING!r} and nothing else.",
    ),
}
"""Instructions to every worker, beside the instructions that a deployment gives."""

_PAGE = """\
<script src="https://assets.crowd.aws/crowd-html-elements.js"></script>
<crowd-form>
  <{element}
    name="{name}"
    src="{{{{ task.input.taskObject | grant_read_access }}}}"
    header="{header}"
    {choices}="{{{{ task.input.labels | to_json | escape }}}}"{more}
  >
    <full-instructions header="Instructions">
      <p>{instructions}</p>
      <ul>
{how}
      </ul>
    </full-instructions>
    <short-instructions>
      <p>{instructions}</p>{hint}
    </short-instructions>
  </{element}>
</crowd-form>
"""
_INITIAL = '\n    initial-value="{{ task.input.suggestions | to_json | escape }}"'
_HINT = "\n      <p>{{ task.input.hint | escape }}</p>"
_ELEMENTS: Mapping[Kind, tuple[str, str, str]] = {
    "detection": ("crowd-bounding-box", "boundingBox", "labels"),
    "classification": (
        "crowd-image-classifier-multi-select",
        "crowd-image-classifier-multi-select",
        "categories",
    ),
}
"""Element, its name in the answer, and the attribute that holds the labels."""


def for_loops() -> str:
    """The template of the human task UI for the human loops that `a2i.start_loop` starts, of either kind."""
    boxes, labels = _for_loops("detection"), _for_loops("classification")
    return f'{{% if task.input.kind == "classification" %}}\n{labels}{{% else %}}\n{boxes}{{% endif %}}\n'


def _for_loops(kind: Kind) -> str:
    return _page(
        kind,
        header="{{ task.input.header | escape }}",
        instructions="{{ task.input.instructions | escape }}",
        more=_INITIAL if kind == "detection" else "",
        hint=_HINT,
    )


def for_jobs(kind: Kind, instructions: str) -> str:
    """The template of a labeling job.

    Args:
        instructions: text of the deployment's, shown as it is: neither markup nor Liquid of it takes effect.
    """
    return _page(kind, header=text(HEADERS[kind]), instructions=text(instructions), more="", hint="")


def text(value: str) -> str:
    """Any text as it may stand in a template, between tags or in an attribute."""
    # Liquid is read before HTML is, so it must not meet a brace.
    return html.escape(value).replace("{", "&#123;").replace("}", "&#125;")


def _page(kind: Kind, *, header: str, instructions: str, more: str, hint: str) -> str:
    element, name, choices = _ELEMENTS[kind]
    how = "\n".join(f"        <li>{text(line)}</li>" for line in HOW[kind])
    return _PAGE.format(
        element=element,
        name=name,
        choices=choices,
        header=header,
        instructions=instructions,
        how=how,
        more=more,
        hint=hint,
    )
