"""`labelloop settings`: the thresholds and intervals of a deployment, read and changed."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli.deployment import Deployment
from cli.output import CommandError
from infra import settings_docs
from lambdas.domain.shared import settings_parameter
from lambdas.domain.shared.settings_parameter import InvalidSettingsError, SettingsError
from lambdas.domain.shared.tuning import CHOICES, TEXTS, Tuning

LABELS = "label_thresholds"
"""The setting that has a value for each label: `label_thresholds.bolt` is that of bolt."""

Changes = Mapping[str, Any]


@dataclass(frozen=True)
class Setting:
    """A setting as it is in force."""

    name: str
    value: Any
    default: Any
    meaning: str

    def as_dict(self) -> dict[str, Any]:
        return {"name": self.name, "value": self.value, "default": self.default, "meaning": self.meaning}


@dataclass(frozen=True)
class Changed:
    """What a change has come to: the settings' values before and after, by their names."""

    before: dict[str, Any]
    after: dict[str, Any]
    unknown_labels: tuple[str, ...] = ()
    """Labels that were given a threshold, and that the champion does not have."""

    def as_dict(self) -> dict[str, Any]:
        return {"before": self.before, "after": self.after, "unknown_labels": list(self.unknown_labels)}


def all_of(deployment: Deployment) -> list[Setting]:
    """Every setting, in the order of docs/settings.md."""
    values, defaults = deployment.tuning().as_dict(), Tuning().as_dict()
    meanings = settings_docs.meanings(Tuning)
    return [
        Setting(name, value, defaults[name], meanings[name].replace("`", ""))
        for name, value in values.items()
    ]


def one(deployment: Deployment, name: str) -> Setting:
    """The setting of that name.

    Raises:
        CommandError: there is none.
    """
    _check_name(name)
    return next(setting for setting in all_of(deployment) if setting.name == name.partition(".")[0])


def parse(pairs: Sequence[str]) -> dict[str, Any]:
    """Names and values as they are typed: what each setting is to become.

    Raises:
        CommandError: a value is missing, is no value at all, or a name is given twice.
    """
    for pair in pairs[::2]:
        name, equals, value = pair.partition("=")
        if equals:
            raise CommandError(f"write `labelloop settings set {name} {value}`, without the =", exit_code=2)
    if len(pairs) % 2:
        raise CommandError(f"{pairs[-1]} has no value: give SETTING VALUE, in pairs", exit_code=2)
    changes: dict[str, Any] = {}
    for name, text in zip(pairs[::2], pairs[1::2], strict=True):
        if name in changes:
            raise CommandError(f"{name} is given twice", exit_code=2)
        changes[name] = _value(name, text)
    return changes


def change(deployment: Deployment, changes: Changes) -> Changed:
    """Write changes, on top of what anybody else changes at the same time.

    Raises:
        CommandError: a name is unknown, or a value cannot be used; nothing is written then.
    """
    ssm, parameter = deployment.ssm, deployment.tuning_parameter
    try:
        document, _ = settings_parameter.read_settings(ssm, parameter)
        for name in set(changes) - set(document):
            _check_name(name)
        made = settings_parameter.change_settings(ssm, parameter, changes)
    except InvalidSettingsError as error:
        raise CommandError(str(error), exit_code=2) from error
    except SettingsError as error:
        raise CommandError(str(error)) from error
    after = _values(made.after, changes)
    return Changed(_values(made.before, changes), after, _unknown_labels(deployment, made.after, after))


def show_all(console: Console, settings: Sequence[Setting]) -> None:
    table = Table(box=None, pad_edge=False)
    for column in ("setting", "value", "default"):
        table.add_column(column, overflow="fold")
    for setting in settings:
        differs = setting.value != setting.default
        value = f"[bold]{_shown(setting.value)}[/bold]" if differs else _shown(setting.value)
        table.add_row(setting.name, value, _shown(setting.default) if differs else "")
    console.print(table)
    console.print(
        "\nA default is named where the value is another. `labelloop settings show SETTING` says more"
    )


def show_one(console: Console, setting: Setting) -> None:
    default = "the default" if setting.value == setting.default else f"default {_shown(setting.default)}"
    console.print(f"{setting.name} = [bold]{_shown(setting.value)}[/bold] ({default})")
    console.print(setting.meaning, markup=False)


def show_changed(console: Console, changed: Changed) -> None:
    for name, after in changed.after.items():
        before, shown = _shown(changed.before[name], name), _shown(after, name)
        if before == shown:
            console.print(f"{escape(name)} is {shown} already")
        else:
            console.print(f"{escape(name)} = [bold]{shown}[/bold] (was {before})")
    if changed.unknown_labels:
        labels = ", ".join(changed.unknown_labels)
        console.print(
            f"The champion has no label {labels}: `labelloop versions VERSION` lists its labels",
            style="yellow",
            markup=False,
        )
    if changed.before != changed.after:
        console.print(
            "It takes effect with the next step. Put it into cdk.json, too: a deployment that changes any of"
            " these settings writes all of them anew",
            style="dim",
        )


def _shown(value: Any, name: str = "") -> str:
    if value is None and name.startswith(f"{LABELS}."):
        return "the model's own"
    return escape(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _check_name(name: str) -> None:
    known = [field.name for field in fields(Tuning)]
    if name in known or name.removeprefix(f"{LABELS}.") not in ("", name):
        return
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"do you mean {close[0]}?" if close else "`labelloop settings show` lists them"
    if name in settings_docs.meanings(settings_docs.Settings):
        hint = "a deployment changes it: put it into cdk.json, and `npx cdk deploy`"
    raise CommandError(f"{name} is no setting that can be changed here: {hint}", exit_code=2)


def _value(name: str, text: str) -> Any:
    """What a text stands for. Whether the setting can have such a value is checked with all others."""
    if name in CHOICES or name in TEXTS:
        return text
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text  # which is refused with what is expected of this setting


def _values(document: Mapping[str, Any], changes: Changes) -> dict[str, Any]:
    """Of the settings that are changed, with defaults for those that the document lacks."""
    known: dict[str, Any] = {**Tuning().as_dict(), **document}
    return {
        name: (known.get(setting) or {}).get(label) if label else known.get(setting)
        for name in changes
        for setting, _, label in [name.partition(".")]
    }


def _unknown_labels(
    deployment: Deployment, document: Mapping[str, Any], after: Mapping[str, Any]
) -> tuple[str, ...]:
    """Labels that the change names, and that the champion does not have; none if there is no champion."""
    given = [label for label in document.get(LABELS) or {} if f"{LABELS}.{label}" in after or LABELS in after]
    champion = deployment.loop_state.champion() if given else None
    version = deployment.loop_state.version(champion.version_name) if champion else None
    known = {score.label for score in version.labels} if version else set(given)
    return tuple(label for label in given if label not in known)
