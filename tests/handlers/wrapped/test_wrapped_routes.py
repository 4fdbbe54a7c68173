"""Batches of both routes: the predictions are observed wherever their forwards can be told, else counted."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from ts.torch_handler.base_handler import BaseHandler

from foveal.samples import decode_image
from foveal_handlers.wrapped.original import Original
from foveal_handlers.wrapped.routes import Routes, goes_by_first

PREDICT, EXPLAIN = {"explain": "False"}, {"explain": "True"}


def scores_of(network, image):
    x = torch.from_numpy(decode_image(image, "").astype(np.float32) / np.float32(255)).permute(2, 0, 1)[None]
    with torch.no_grad():
        return network(x)[0].tolist()


@pytest.fixture
def check(both, images, spooled, lost, eager_network):
    """Ask a handler for a batch of both routes; says which requests were observed, and what was counted."""

    def ask(handler, routes, name="body", **headers):
        bare, wrapped = both(handler)
        asked = [{**EXPLAIN, **headers} if route == "E" else PREDICT for route in routes]
        pictures = images(len(routes))
        rows = [{name: bytearray(picture)} for picture in pictures]
        assert json.dumps(wrapped.ask(rows, asked)) == json.dumps(bare.ask(rows, asked))
        seen = {one.sample.sample: one.sample.scores for one in spooled()}
        for sample, scores in seen.items():
            expected = scores_of(eager_network, pictures[int(sample.removeprefix("id-"))])
            assert scores == pytest.approx(expected, abs=1e-5)
        records = {f"id-{row}": wrapped.record(row) for row in range(len(routes))}
        assert {sample for sample, record in records.items() if record} == set(seen)
        return sorted(int(sample.removeprefix("id-")) for sample in seen), lost()

    return ask


def test_where_the_first_request_leads_all_are_predicted(check):
    assert check("class_handler", "PEP") == ([0, 2], {})


def test_where_it_leads_to_explanations_nothing_is_predicted(check):
    assert check("envelope_handler", "EPP", "data") == ([], {"explaining": 2})


def test_in_micro_batches(check):
    assert check("micro_handler", "PEPPE") == ([0, 2, 3], {})


@pytest.mark.parametrize("routes", ["PEP", "EPP", "EP", "PE", "EEPE"])
@pytest.mark.parametrize("by", ["get_insights", "by_gradient"])
def test_where_each_is_answered_by_its_own_route(check, routes, by):
    assert check("routing_handler", routes, by=by) == (
        [row for row, route in enumerate(routes) if route == "P"],
        {},
    )


@pytest.mark.parametrize("routes", ["PEP", "EP", "EEPE"])
def test_forwards_that_may_be_the_explainers_are_counted(check, routes):
    assert check("routing_handler", routes, by="by_hand") == ([], {"explaining": routes.count("P")})


def test_explanations_alone_are_no_loss(check):
    assert check("routing_handler", "EE") == ([], {})


def test_explanations_and_a_description_beside_a_prediction(both, images, spooled, lost):
    bare, wrapped = both("class_handler")
    headers = [PREDICT, {**PREDICT, "describe": "True"}]
    assert wrapped.ask(images(2), headers) == bare.ask(images(2), headers)
    assert [one.sample.sample for one in spooled()] == ["id-0"]
    assert lost() == {}


def test_sampling_goes_on_beside_explanations(both, images, spooled, lost):
    _, wrapped = both("class_handler", section={"sample_rate": 0.5})
    for number in range(20):
        wrapped.ask(images(2), [PREDICT, EXPLAIN], ids=[f"id-{number}", f"explained-{number}"])
    kept = {one.sample.sample for one in spooled()}
    assert 2 <= len(kept) <= 18
    assert not any(name.startswith("explained") for name in kept)
    assert lost() == {}


def forwards(*sizes):
    return [(place, SimpleNamespace(x=torch.zeros(size, 1))) for place, size in enumerate(sizes)]


@pytest.mark.parametrize(
    ("routes", "by_first", "sizes", "expected"),
    [
        ("PEP", True, (3,), [[0, 1, 2]]),
        ("PEP", True, (2, 1), [[0, 1], [2]]),
        ("PEP", True, (2,), None),
        ("PEP", False, (3,), [[0, 1, 2]]),
        ("EPP", False, (3,), None),
        ("PEP", False, (2,), [[0, 2]]),
        ("PEP", False, (1, 1), [[0], [2]]),
        ("PEP", False, (2, 1), None),
        ("PEP", False, (1, 2), None),
        ("PEP", False, (1, 1, 1), None),
        ("PEP", False, (2, 2), None),
        ("EP", False, (1,), [[1]]),
        ("EP", False, (1, 1), None),
        ("PE", False, (), None),
    ],
)
def test_only_forwards_that_can_be_nothing_else_are_believed(routes, by_first, sizes, expected):
    explained = [route == "E" for route in routes]
    found = Routes(explained, explained[0], by_first).match(forwards(*sizes), range(len(routes)))
    assert (found and [rows for _, rows in found]) == expected


class Plain(BaseHandler):
    pass


class Own(BaseHandler):
    def handle(self, data, context):
        return super().handle(data, context)


class Never(BaseHandler):
    def _is_explain(self):
        return False


def function(data, context):
    return data


@pytest.mark.parametrize(("kind", "expected"), [(Plain, True), (Own, False), (Never, False), (None, False)])
def test_who_goes_by_the_first_request(kind, expected):
    instance = kind and kind()
    entry, start = (instance.handle, instance.initialize) if instance else (function, function)
    assert goes_by_first(Original(SimpleNamespace(), entry, start)) is expected
