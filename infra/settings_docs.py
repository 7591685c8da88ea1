"""Makes docs/settings.md from the settings themselves: `python -m infra.settings_docs`.

A setting's meaning is the docstring below it, its default the class's, so that the page cannot say anything
else than the code; tests/infra/test_settings_docs.py fails when the page is not what this would write.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import textwrap
from dataclasses import fields
from itertools import pairwise
from pathlib import Path
from typing import Any

from infra.settings import Settings
from lambdas.domain.shared.tuning import AMOUNTS, CHOICES, FREQUENCIES, LIMITS, MIN_RATE, RATES, Tuning

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "settings.md"

_VALUES = {
    "architecture": "`arm64` or `x86_64`",
    "engine": "`rekognition`, `both` or `serverless`",
    "retrain_schedule": "`rate(...)`, `cron(...)` or `never`",
    "sweep_schedule": "`rate(...)` or `cron(...)`",
}
"""What settings that are text can be, where not everything will do."""
_TYPES = {bool: "`true` or `false`", int: "whole number", str: "text"}
_HEAD = """# Settings

<!-- Made by `python -m infra.settings_docs` from infra/settings.py and {tuning}; do not edit. -->

A deployment reads its settings from `cdk.json`: `environments` holds a set of values for each environment,
`-c environment=NAME` chooses one (else `default`), and `-c SETTING=VALUE` overrides a single setting.
A name in `cdk.json` that is unknown, or a value that cannot be used, ends the synthesis with a message that
names it.

The last column is what the environment `embedded` sets otherwise, for deployments into the embedded stack.
"""
_TUNING = """
## Changeable without a deployment

These begin as a deployment sets them. Afterwards they are one JSON document in the SSM parameter
`/labelloop/NAME/tuning`, which `labelloop settings` changes; a change takes effect with the next step:
[operations.md](operations.md#change-a-threshold-or-an-interval). A deployment that changes one of these
settings writes the whole document anew: put into `cdk.json` what shall stay.
"""
_SETTINGS = """
## Changed by a deployment
"""


class UndocumentedError(ValueError):
    """A setting has no docstring, so the page cannot say what it means."""


def page() -> str:
    """The whole page, as docs/settings.md has to be."""
    embedded = json.loads((ROOT / "cdk.json").read_text())["context"]["environments"]["embedded"]
    tuning = Path(inspect.getfile(Tuning)).relative_to(ROOT).as_posix()
    head = _HEAD.format(tuning=tuning)
    return f"{head}{_SETTINGS}{_table(Settings, embedded)}{_TUNING}{_table(Tuning, embedded)}"


def _table(settings: type[Settings] | type[Tuning], embedded: dict[str, Any]) -> str:
    lines = ["", "| setting | value | default | meaning | embedded |", "|---|---|---|---|---|"]
    defaults, texts = settings(), meanings(settings)
    for field in fields(settings):
        if field.name == "tuning":
            continue
        default = getattr(defaults, field.name)
        otherwise = _shown(embedded[field.name]) if field.name in embedded else ""
        cells = [
            f"`{field.name}`",
            _value(field.name, default),
            _shown(default),
            texts[field.name],
            otherwise,
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _value(name: str, default: Any) -> str:
    """What the setting can be."""
    if name in CHOICES:
        return ", ".join(f"`{choice}`" for choice in CHOICES[name])
    if isinstance(default, dict):
        return "object: a number, 0 to 100, by label"
    if name in FREQUENCIES or name in AMOUNTS:
        most = FREQUENCIES.get(name)
        return f"number above 0, {most} at most" if most else "number above 0, or `null`"
    if name in RATES:
        return f"number, {MIN_RATE} to {LIMITS[name]}"
    if isinstance(default, float):
        return f"number, 0 to {LIMITS.get(name, 1)}"
    return _VALUES.get(name) or _TYPES[type(default)]


def _shown(value: Any) -> str:
    if value == "":
        return "empty"
    return f"`{json.dumps(value).strip(chr(34))}`"


def meanings(settings: type) -> dict[str, str]:
    """The docstring below each field, on one line, with the names of settings set as code.

    Raises:
        UndocumentedError: a field has none.
    """
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(settings))).body
    assert isinstance(definition, ast.ClassDef)  # noqa: S101
    texts = {}
    for statement, following in pairwise([*definition.body, None]):
        if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
            continue
        name = statement.target.id
        match following:
            case ast.Expr(value=ast.Constant(value=str(text))):
                texts[name] = _as_code(" ".join(text.split()))
            case _ if name != "tuning":
                raise UndocumentedError(f"{settings.__name__}.{name} has no docstring")
    return texts


def _as_code(text: str) -> str:
    names = {field.name for cls in (Settings, Tuning) for field in fields(cls) if "_" in field.name}
    return re.sub(
        r"(?<![`\w])[a-z0-9_]+(?![`\w])", lambda word: f"`{word[0]}`" if word[0] in names else word[0], text
    )


if __name__ == "__main__":
    PAGE.write_text(page())
