"""Every style of handler answers wrapped as it does bare, and what it saw is written down."""

from __future__ import annotations

import asyncio
import copy
import json

import numpy as np
import pytest
import torch

from foveal.samples import decode_image


def samples(observations):
    return sorted((one.sample.sample, one.sample.row) for one in observations)


def scores_of(network, image):
    x = torch.from_numpy(decode_image(image, "").astype(np.float32) / np.float32(255)).permute(2, 0, 1)[None]
    with torch.no_grad():
        return network(x)[0].tolist()


STYLES = (
    "class_handler.py",
    "class_handler",
    "function_handler.py",
    "function_handler.py:other_name",
    "micro_handler",
)


@pytest.mark.parametrize("handler", STYLES)
def test_answers_are_the_same_and_everything_is_written_down(
    both, images, spooled, lost, eager_network, handler
):
    bare, wrapped = both(handler)
    for batch in (images(5), images(1), images(4, (20, 12))):
        assert json.dumps(wrapped.ask(batch)) == json.dumps(bare.ask(batch)).replace(
            "foveal_wrapped_entry.py", handler
        )
        assert [wrapped.record(row) for row in range(len(batch))] == [
            f"id-{row}" for row in range(len(batch))
        ]
    seen = spooled()
    assert lost() == {}
    assert samples(seen) == sorted(
        [(f"id-{row}", 0) for row in range(5)] + [("id-0", 0)] + [(f"id-{row}", 0) for row in range(4)]
    )
    for observation, image in zip(seen[:5], images(5), strict=True):
        expected = scores_of(eager_network, images(5)[int(observation.sample.sample[3:])])
        assert observation.sample.scores == pytest.approx(expected, abs=1e-5)
        assert observation.entries
        assert observation.sample.shape == (16, 16, 3)
        assert image


def test_the_bytes_to_the_server_differ_by_the_record_alone(both, images):
    bare, wrapped = both("class_handler.py")
    expected, answer = bare.predict(images(2)), wrapped.predict(images(2))
    assert answer != expected
    for index in range(2):
        record = b"\0\0\0\x0fX-Foveal-Record\0\0\0\x04" + f"id-{index}".encode()
        assert answer.count(record) == 1
        answer = answer.replace(b"\0\0\0\x01" + record, b"\0\0\0\0")
    assert answer == expected


def test_predictions_as_grpc_brings_them_have_no_headers_of_their_own(both, images, spooled):
    bare, wrapped = both("class_handler")
    (image,) = images(1)
    parameters = [{"name": "data", "value": bytearray(image), "contentType": ""}]
    request = {"requestId": b"id-0", "headers": [], "parameters": parameters}
    assert wrapped.service.predict([request]) != bare.service.predict([{**request}])  # the record's header
    assert samples(spooled()) == [("id-0", 0)]


@pytest.mark.parametrize("kind", ["eager", "torchscript"])
def test_the_built_in_vision_handler(both, images, spooled, lost, kind):
    bare, wrapped = both("vision_handler", kind)
    pictures = [decode_image(image, "").transpose(2, 0, 1) / np.float32(255) for image in images(3)]
    rows = [{"data": picture.tolist()} for picture in pictures]
    assert wrapped.ask(rows) == bare.ask(rows)
    explained = [{"explain": "True"}] * 3
    assert wrapped.ask(rows, explained) == bare.ask(rows, explained)
    assert samples(spooled()) == [("id-0", 0), ("id-1", 0), ("id-2", 0)]
    assert lost() == {}


def test_streaming(both, images, spooled):
    bare, wrapped = both("streaming_handler")
    assert wrapped.ask(images(2)) == bare.ask(images(2))
    assert wrapped.sent == bare.sent
    assert len(wrapped.sent) == 3
    assert samples(spooled()) == [("id-0", 0), ("id-1", 0)]


def test_coroutines_under_way_at_once(both, images, spooled, lost, eager_network):
    bare, wrapped = both("async_handler")
    batch = images(8)

    async def ask(worker, number):
        context = copy.deepcopy(worker.context)
        rows = worker.prepare([batch[number]], ids=[f"id-{number}"], context=context)
        answer = await worker.service._entry_point(rows, context)
        return answer, context.get_response_headers(0).get("X-Foveal-Record")

    async def every(worker):
        return await asyncio.gather(*(ask(worker, number) for number in range(8)))

    expected, answers = asyncio.run(every(bare)), asyncio.run(every(wrapped))
    assert [answer for answer, _ in answers] == [answer for answer, _ in expected]
    assert [record for _, record in answers] == [f"id-{number}" for number in range(8)]
    assert lost() == {}
    for observation in spooled():
        image = batch[int(observation.sample.sample[3:])]
        assert observation.sample.scores == pytest.approx(scores_of(eager_network, image), abs=1e-5)


@pytest.mark.parametrize(
    ("fault", "code"), [(b"memory", 507), (b"refused", 422), (b"cuda", 507), (b"other", 503), (b"short", 503)]
)
def test_faults_of_the_handler_pass_unchanged(both, fault, code, lost):
    bare, wrapped = both("failing_handler")
    answer = wrapped.predict([fault])
    assert answer == bare.predict([fault])
    assert answer[:4] == code.to_bytes(4, "big")


def test_a_network_that_fails_by_itself_is_no_fault_of_ours(both, lost, spooled):
    bare, wrapped = both("failing_handler")
    assert wrapped.predict([b"shape"]) == bare.predict([b"shape"])
    assert (lost(), spooled()) == ({}, [])
