"""Progress on a terminal and elsewhere."""

from __future__ import annotations

import pytest

from foveal.commands.progress import reporting


def test_without_a_terminal_there_is_a_line_per_tenth(capsys):
    with reporting() as report:
        for done in range(1, 101):
            report("reading", done, 100)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "reading 1/100",
        *(f"reading {n}0/100" for n in range(1, 10)),
        "reading 100/100",
    ]


def test_on_a_terminal_there_is_a_bar(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("NO_COLOR", raising=False)
    with reporting() as report:
        report("reading", 0, 3)
        report("reading", 3, 3)
        report("attributing", 1, 3)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "3/3" in captured.err
    assert "attributing" in captured.err


def test_an_empty_job_is_no_division_by_zero(capsys):
    with reporting() as report:
        report("reading", 0, 0)
    assert capsys.readouterr().err == "reading 0/0\n"


def test_errors_pass_through():
    with pytest.raises(KeyError), reporting():
        raise KeyError
