"""The glossary: sorted, each word once, in plain sentences, and with the words that commands use."""

from __future__ import annotations

import re
from pathlib import Path

from click import Command, Context, Group

from cli.main import app

ROWS = re.findall(
    r"^\| ([^|]+?) \| ([^|]+?) \|$",
    (Path(__file__).parents[2] / "docs" / "glossary.md").read_text(),
    re.MULTILINE,
)[1:]
WORDS = {word.strip().lower() for words, _ in ROWS for word in words.split(",")}
OURS = ("catalogue", "snapshot", "champion", "challenger", "lease", "deployment", "split", "manifest", "run")


def test_each_word_is_there_once_in_order_with_a_sentence() -> None:
    names = [words.lower() for words, _ in ROWS]
    assert names == sorted(set(names))
    assert all(meaning[0].isupper() and meaning.endswith(".") for _, meaning in ROWS)


def test_words_of_the_help_are_defined() -> None:
    used = set(re.findall(r"[a-z]+", " ".join(_helps(app)).lower()))
    assert {word for word in OURS if word in used} <= WORDS
    assert {"snapshot", "champion", "catalogue"} <= used


def _helps(command: Command) -> list[str]:
    texts = [command.get_help(Context(command))]
    if isinstance(command, Group):
        for inner in command.commands.values():
            texts += _helps(inner)
    return texts
