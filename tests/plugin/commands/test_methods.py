"""`foveal methods` tells what the registry knows."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from foveal.attribution import METHODS, all_methods, get_method, input_method, layer_method
from foveal.cli import build_app


def methods(*args):
    return CliRunner().invoke(build_app(), ["methods", *args])


@pytest.fixture(autouse=True)
def known():
    """Two methods with verdicts of their own."""

    @layer_method("doubtful", formula="M = A", source="Nobody 2020", sanity="fails")
    def combine(activations, gradients):
        """Show the activations."""
        return activations.sum(1)

    @input_method(
        "greedy", formula="M = x", source="Somebody 2021", cost="many passes", sanity="passes",
        needs=("patience", "training samples"),
    )  # fmt: skip
    def attribute(subject, *, samples: int = 8, bias: str | None = None):
        """Show the input.

        Parameters
        ----------
        samples
            How many.
        """
        return subject.x

    yield
    for name in ("doubtful", "greedy"):
        METHODS.pop(name)


def test_the_table_has_every_method_in_one_line():
    result = methods()
    assert result.exit_code == 0, result.output
    header, *lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(all_methods())
    assert header.split()[:4] == ["method", "map", "cost", "sanity"]
    (line,) = (line for line in lines if line.startswith("greedy "))
    assert " ".join(line.split()) == (
        "greedy input many passes passes Show the input. Needs: patience, training samples."
    )
    (line,) = (line for line in lines if line.startswith("doubtful "))
    assert " ".join(line.split()) == "doubtful layer one backward FAILS Show the activations."
    assert len({line.index(get_method(line.split()[0]).summary) for line in lines}) == 1


def test_json_lists_every_method():
    reports = json.loads(methods("--json").stdout)
    assert [report["name"] for report in reports] == list(all_methods())
    for report in reports:
        method = get_method(report["name"])
        assert report["needs"] == list(method.needs)
        assert report["formula"] == method.formula
        assert {report["place"], report["cost"], report["sanity"]} == {
            method.place,
            method.cost,
            method.sanity,
        }


def test_one_method_in_full():
    result = methods("greedy")
    assert result.exit_code == 0, result.output
    text = result.stdout
    assert text.startswith("greedy\nformula: M = x\nsource:  Somebody 2021\n")
    assert "options: samples=8, bias=None\n" in text
    assert "\nsamples\n    How many.\n" in text
    assert "sanity:  passes\n" in text
    assert json.loads(methods("greedy", "--json").stdout)["options"] == {"samples": 8, "bias": None}


def test_a_failing_method_says_what_it_is_for():
    text = methods("doubtful").stdout
    assert "sanity:  FAILS: for viewing only\n" in text
    assert "options: none\n" in text


def test_an_unknown_method_is_one_line_and_2():
    result = methods("greed")
    assert result.exit_code == 2
    assert result.stderr.startswith("foveal: error: Unknown method 'greed'. Did you mean 'greedy'")
