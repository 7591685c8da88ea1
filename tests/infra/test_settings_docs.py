from __future__ import annotations

from dataclasses import dataclass, fields

import pytest

from infra import settings_docs
from infra.settings import Settings
from lambdas.domain.shared.tuning import Tuning


def test_the_page_is_what_the_settings_say() -> None:
    assert settings_docs.PAGE.read_text() == settings_docs.page(), "run `python -m infra.settings_docs`"


def test_every_setting_has_a_row_of_its_own() -> None:
    rows = [line for line in settings_docs.page().splitlines() if line.startswith("| `")]
    named = [row.split("`")[1] for row in rows]
    known = [field.name for cls in (Settings, Tuning) for field in fields(cls) if field.name != "tuning"]
    assert named == known
    assert {row.count(" | ") for row in rows} == {4}


def test_a_setting_without_a_docstring_is_named() -> None:
    @dataclass
    class Unexplained:
        colour: str = "red"

    with pytest.raises(settings_docs.UndocumentedError, match=r"Unexplained\.colour has no docstring"):
        settings_docs.meanings(Unexplained)


def test_meanings_begin_with_a_sentence_that_stands_alone() -> None:
    for cls in (Settings, Tuning):
        for name, meaning in settings_docs.meanings(cls).items():
            assert meaning[0].isupper() and meaning.endswith("."), name
