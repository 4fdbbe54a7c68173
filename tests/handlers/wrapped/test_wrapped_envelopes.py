"""Behind TorchServe's envelopes a row is no longer a request: what is seen is written under the right one."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
from collections import Counter

import pytest
from ts.torch_handler.request_envelope.base import BaseEnvelope

from foveal_handlers.envelopes import placed
from foveal_handlers.requests import Origin

MIXED = (
    "Foveal cannot observe predictions of envelope_handler:EnvelopeHandler. The envelope mixes the rows of "
    "several requests and does not tell how. Serve the model with batchSize: 1."
)
ONE = (
    "Foveal cannot observe predictions of envelope_handler:EnvelopeHandler. TorchServe's KServe envelopes "
    "read one request of a batch, and TorchServe then refuses all of them with 503. Serve the model with "
    "batchSize: 1."
)


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


def test_several_rows_of_several_requests(both, images, spooled, lost):
    bare, wrapped = both("envelope_handler", envelope="json")
    pictures = images(6)
    cut = [pictures[:2], pictures[2:3], pictures[3:]]
    requests = [REQUESTS["json"](own) for own in cut]
    assert wrapped.ask(requests) == bare.ask([REQUESTS["json"](own) for own in cut])
    expected = {("id-0", 0), ("id-0", 1), ("id-1", 0), ("id-2", 0), ("id-2", 1), ("id-2", 2)}
    assert set(rows(spooled)) == expected
    assert [wrapped.record(request) for request in range(3)] == ["id-0", "id-1", "id-2"]
    for one in spooled():
        sent = cut[int(one.sample.sample[3:])][one.sample.row]
        assert one.sample.sample_sha256 == hashlib.sha256(sent).hexdigest()
    assert lost() == {}


def test_rows_beside_an_explanation(both, images, spooled, lost):
    bare, wrapped = both("envelope_handler", envelope="json")
    requests = [REQUESTS["json"](images(count)) for count in (3, 2)]
    headers = [{"explain": "False"}, {"explain": "True"}]
    assert wrapped.ask(copy.deepcopy(requests), headers) == bare.ask(copy.deepcopy(requests), headers)
    assert (rows(spooled), lost()) == ([("id-0", 0), ("id-0", 1), ("id-0", 2)], {})
    assert wrapped.ask(copy.deepcopy(requests), headers[::-1]) == bare.ask(requests, headers[::-1])
    assert (len(spooled()), lost()) == (3, {"explaining": 2})


def test_some_of_several_requests_are_sampled(both, images, spooled):
    _, wrapped = both("envelope_handler", envelope="json", section={"sample_rate": 0.5})
    for number in range(12):
        wrapped.ask([REQUESTS["json"](images(2))] * 2, ids=[f"id-{2 * number}", f"id-{2 * number + 1}"])
    kept = Counter(one.sample.sample for one in spooled())
    assert 4 <= len(kept) <= 20
    assert set(kept.values()) == {2}


@pytest.mark.parametrize("envelope", ["kserve", "kservev2"])
def test_the_envelopes_of_one_request_have_no_answer_for_several(
    both, images, spooled, lost, caplog, envelope
):
    bare, wrapped = both("envelope_handler", envelope=envelope)
    # Two rows and two requests: a row for each by the numbers, but both came with the first one.
    requests = [REQUESTS[envelope](images(2)), REQUESTS[envelope](images(1))]
    answer = wrapped.predict(requests)
    assert answer == bare.predict(requests)
    refused = (503).to_bytes(4, "big")
    assert answer.startswith(refused + b"\0\0\0#number of batch response mismatched")
    assert answer.count(refused) == 3  # the batch, and each of its requests
    assert (spooled(), lost()) == ([], {})
    assert [one.message for one in caplog.records if one.message.startswith("Foveal cannot")] == [ONE]


def test_an_envelope_that_does_not_tell(both, images, spooled, lost, caplog, monkeypatch):
    bare, wrapped = both("envelope_handler", envelope="json")
    for worker in (bare, wrapped):
        monkeypatch.setattr(worker.service._entry_point.__self__, "_batch_from_json", untold)
        monkeypatch.setattr(worker.service._entry_point.__self__, "_batch_to_json", lambda rows, _: rows[1:])
    requests = [REQUESTS["json"](images(2)), REQUESTS["json"](images(1))]
    assert wrapped.ask(copy.deepcopy(requests)) == bare.ask(requests)
    assert (spooled(), lost()) == ([], {"mixed_rows": 3})
    assert [one.message for one in caplog.records if one.message.startswith("Foveal cannot")] == [MIXED]


def untold(requests):
    """Join the rows of requests, and do not say how many each has."""
    rows = [row for request in requests for row in request["body"]["instances"]]
    return [], [{"data": row["data"]["b64"]} for row in rows]


class Telling:
    """An envelope of somebody's own, which keeps what it likes."""

    def __init__(self, lengths):
        self.context, self._lengths = None, lengths

    def parse_input(self, data):
        return data

    def format_output(self, data):
        return data

    def _handle_fn(self, rows, context):
        return placed(*rows)


@pytest.mark.parametrize(
    ("lengths", "found"),
    [
        ([2, 1], [Origin(0, 0), Origin(0, 1), Origin(1, 0)]),
        ([0, 3], [Origin(1, 0), Origin(1, 1), Origin(1, 2)]),
        ([2, 2], None),
        ([3], None),
        ([], None),
        (None, None),
    ],
)
def test_only_what_fits_is_believed(lengths, found):
    assert BaseEnvelope.handle(Telling(lengths), (3, 2), None) == found
    assert placed(3, 2) is None
    assert placed(2, 2) == [Origin(0, 0), Origin(1, 0)]
