"""Every opponent answers about a real library, in the form that the scorer reads, the same way twice."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from foveal_audit.benchmarking.answers import read_opponent
from foveal_audit.benchmarking.opponent import answer, known_opponents, write_answer
from foveal_audit.opponents import OPPONENTS

GAPS = {"softmax", "energy", "Mahalanobis", "kNN"}


def test_the_room_is_known():
    assert set(OPPONENTS) <= set(known_opponents())
    assert all(opponent.name == name for name, opponent in OPPONENTS.items())


@pytest.mark.parametrize("name", sorted(OPPONENTS))
def test_it_answers(evidence, model, tmp_path, name):
    first = answer(OPPONENTS[name], evidence, model, 0)
    assert json.dumps(answer(OPPONENTS[name], replace(evidence, left_out=1), model, 0)) == json.dumps(first)
    write_answer(tmp_path / "answer.json", first)
    read = read_opponent(tmp_path / "answer.json")
    production = evidence.samples.names[evidence.samples.of("production")].tolist()
    if name in GAPS:
        assert read.facets is None
        assert list(read.coverage) == production
        assert len(set(read.coverage.values())) > 1
    else:
        assert read.coverage is None
        assert read.facets
        assert {entry for facet in read.facets for entry, _ in facet.entries}.isdisjoint(production)


@pytest.mark.parametrize("name", sorted(set(OPPONENTS) - {"LOF"}))
def test_without_files_it_says_nothing(evidence, model, name):
    blind = replace(evidence, samples=replace(evidence.samples, sha256=("",) * len(evidence.samples)))
    silent = answer(OPPONENTS[name], blind, model, 0)
    assert not silent["assessments"]
    assert silent["coverage"] is None
