"""What commands print: a terminal obeys nothing that stands in names that others chose."""

from __future__ import annotations

import json

import pytest
from rich.markup import escape
from rich.table import Table

from cli.output import Output

HOSTILE = "a\x1b]0;owned\x07b\x9b2Jc\u202egpj.d\x7fe\udce9f\rg"
COMMANDS = {"\x1b", "\x07", "\x9b", "\u202e", "\x7f", "\udce9", "\r"}


def test_a_name_is_shown_without_what_a_terminal_obeys(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output()
    table = Table("name", title=escape(HOSTILE))
    table.add_row(escape(HOSTILE), style="bold")
    output.console.print(table)
    output.console.print(HOSTILE, markup=False)

    printed = capsys.readouterr().out

    assert not COMMANDS & set(printed)
    assert printed.count("]0;owned") == 3


def test_a_style_is_kept(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    Output().console.print(f"[red]{escape('a')}[/red]b\x1b[2J")

    assert capsys.readouterr().out == "\x1b[31ma\x1b[0mb\N{REPLACEMENT CHARACTER}[2J\n"


def test_an_error_is_shown_so(capsys: pytest.CaptureFixture[str]) -> None:
    Output(as_json=True).fail(HOSTILE)

    printed = capsys.readouterr()
    assert not COMMANDS & set(printed.out + printed.err)
    assert json.loads(printed.out) == {"error": HOSTILE}


def test_a_document_says_the_same_without_them(capsys: pytest.CaptureFixture[str]) -> None:
    Output(as_json=True).document({HOSTILE: [HOSTILE, "ä\n"]})

    printed = capsys.readouterr().out

    assert not COMMANDS & set(printed)
    assert "ä" in printed
    assert json.loads(printed) == {HOSTILE: [HOSTILE, "ä\n"]}
