"""Behind TorchServe's envelopes a row is no longer a request: what is seen is written under the right one."""

from __future__ import annotations

import base64
import json

import pytest


def text(image):
    return base64.b64encode(image).decode()


def v2(images):
    inputs = [
        {"name": f"input-{number}", "shape": [1], "datatype": "BYTES", "data": [text(image)]}
        for number, image in enumerate(images)
    ]
    return json.dumps({"id": "mine", "inputs": inputs}).encode()


REQUESTS = {
    "json": lambda images: {"body": {"instances": [{"data": {"b64": text(image)}} for image in images]}},
    "kserve": lambda images: json.dumps({"instances": [{"data": text(image)} for image in images]}).encode(),
    "kservev2": v2,
}


def rows(spooled):
    return sorted((one.sample.sample, one.sample.row) for one in spooled())


@pytest.mark.parametrize("envelope", REQUESTS)
def test_one_request_of_several_rows(both, images, spooled, lost, envelope):
    bare, wrapped = both("envelope_handler", envelope=envelope)
    request = [REQUESTS[envelope](images(3))]
    assert json.dumps(wrapped.ask(request)) == json.dumps(bare.ask(request)).replace("bare", "tiny")
    assert rows(spooled) == [("id-0", 0), ("id-0", 1), ("id-0", 2)]
    assert wrapped.record(0) == "id-0"
    assert lost() == {}


def test_the_body_envelope(both, images, spooled):
    bare, wrapped = both("envelope_handler", envelope="body")
    assert wrapped.ask(images(3)) == bare.ask(images(3))
    assert rows(spooled) == [("id-0", 0), ("id-1", 0), ("id-2", 0)]


def test_rows_that_an_envelope_mixed_up_are_counted(both, images, spooled, lost):
    bare, wrapped = both("envelope_handler", envelope="json")
    requests = [REQUESTS["json"](images(2)), REQUESTS["json"](images(1))]
    assert wrapped.ask(requests) == bare.ask(requests)
    assert (spooled(), lost()) == ([], {"mixed_rows": 3})
