"""What kinds there are, as typed."""

from __future__ import annotations

import json

import pytest
import typer
from typer.testing import CliRunner

from foveal.archives.entries import KINDS as ARCHIVES
from foveal.commands import kinds
from foveal.errors import UsageError
from foveal.samples.kinds import KINDS, get_kind, read_transform


@pytest.fixture
def run():
    app = typer.Typer()
    app.callback()(lambda: None)
    kinds.register(app)
    return lambda *words: CliRunner().invoke(app, ["kinds", *words])


def test_every_kind_is_listed_with_what_reads_it(run):
    reports = json.loads(run("--json").stdout)
    assert [report["kind"] for report in reports] == list(KINDS)
    for report in reports:
        kind = get_kind(report["kind"])
        assert report["axes"] == list(kind.axes)
        assert report["example"] == kind.example
        assert set(report["suffixes"]) == kind.suffixes
        assert set(report["settings"]) == set(read_transform({"kind": kind.name}).to_mapping()) - {"kind"}
        assert set(report["archives"]) <= set(ARCHIVES)
        assert report["archives"]


def test_one_kind_for_people(run):
    text = run("signal").stdout
    assert text.startswith("signal\n  axes        t\n  formats     npy, WFDB (not while serving), EDF, ")
    assert "  pack        foveal pack --kind signal\n" in text
    assert text == f"{run().stdout.split(chr(10) * 2)[1]}\n"


def test_an_unknown_kind(run):
    error = run("sigal").exception
    assert isinstance(error, UsageError)
    assert str(error) == "Unknown kind 'sigal'. Did you mean 'signal' or 'image'."
