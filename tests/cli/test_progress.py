"""How far it is, on a terminal and in a log."""

from __future__ import annotations

import io
from types import SimpleNamespace

import pytest
from rich.console import Console

from cli import progress


def shown(terminal: bool, things: int, monkeypatch: pytest.MonkeyPatch) -> str:
    """What is printed while so many of four things of a megabyte are done, five seconds each."""
    clock = iter(range(0, 10_000, 5))
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: float(next(clock))))
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=120, highlight=False)
    with progress.meter(console, "Sending", 4) as meter:
        for _ in range(things):
            meter.advance(1_000_000)
    assert (meter.done, meter.bytes) == (things, things * 1_000_000)
    return out.getvalue()


def test_a_log_has_a_line_now_and_then_and_one_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = shown(False, 4, monkeypatch).splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("Sending: 3 of 4, ") and "MB/s, 75 %, about" in lines[0]
    assert lines[0].endswith("left")
    assert lines[1].startswith("Sending: 4 of 4, ") and "left" not in lines[1]


def test_a_short_one_says_little(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(False, 2, monkeypatch) == ""


def test_a_terminal_has_a_bar_with_the_rate() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=120, highlight=False)
    with progress.meter(console, "Sending", 4) as meter:
        for _ in range(4):
            meter.advance(1_000_000)
    assert "4 of 4" in out.getvalue() and "MB/s" in out.getvalue() and "100 %" in out.getvalue()


def test_a_number_that_is_known_late(monkeypatch: pytest.MonkeyPatch) -> None:
    for terminal in (False, True):
        out = io.StringIO()
        console = Console(file=out, force_terminal=terminal, width=120, highlight=False)
        with progress.meter(console, "Reading", None) as meter:
            assert meter.text() == ""
            meter.advance()
            assert meter.text().startswith("1, ")
            meter.expect(4)
            assert "1 of 4" in meter.text() and "25 %" in meter.text() and "left" in meter.text()


def test_items_are_counted_while_they_come() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=120, highlight=False)
    assert progress.counted(console, "Asking", iter("ab"), 2) == ["a", "b"]
    assert "2 of 2" in out.getvalue()
