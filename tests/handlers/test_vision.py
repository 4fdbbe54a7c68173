from __future__ import annotations

import base64
import importlib.resources
import io
import json
import subprocess
import sys
from textwrap import dedent

import numpy as np
import pytest
import torch
from ts.model_loader import TsModelLoader
from ts.protocol.otf_message_handler import create_predict_response
from ts.service import Service
from ts.utils.util import PredictionException

from foveal.archives import load_model
from foveal.archives.entries import KINDS, PACKED, read_entry
from foveal.archives.mar import archive_sha256
from foveal.errors import UsageError
from foveal.samples import decode_image
from foveal_handlers.handler import SampleHandler
from foveal_handlers.vision import VisionHandler

ENTRIES = [
    path.name
    for path in importlib.resources.files("foveal_handlers.mar").iterdir()
    if path.name.endswith(".py") and path.name not in ("__init__.py", "onnx.py", "wrapped.py")
]


def response_bytes(context, answers):
    """Encode answers as the worker sends them, without the headers."""
    context.request_processor = [type(p)({}) for p in context.request_processor]
    return bytes(create_predict_response(answers, context.request_ids, "", 200, context))


# A segmentation archive needs a network of its own kind; its tests load it.
@pytest.mark.parametrize("entry", [entry for entry in ENTRIES if not entry.endswith("segmentation.py")])
def test_torchserve_loads_every_entry_file(entry, unpacked, monkeypatch):
    folder = unpacked()
    file = folder / next(name for source, name in KINDS.values() if source == entry)
    file.write_bytes(read_entry(entry))
    monkeypatch.syspath_prepend(str(folder))
    service = TsModelLoader().load("small", str(folder), file.name, None, 1)
    assert isinstance(service, Service)
    assert isinstance(service._entry_point.__self__, SampleHandler)
    assert service._entry_point.__self__.initialized
    sys.modules.pop(file.stem)


def test_there_is_an_entry_file_for_every_kind():
    assert {entry for entry, _ in PACKED} == {*ENTRIES, "onnx.py"} != {"onnx.py"}


HEAVY = ("mlflow", "pyarrow", "captum", "pandas", "scipy", "pydantic")


def test_an_entry_file_brings_nothing_heavy():
    """In a fresh process: beyond what TorchServe and torch import, only Foveal, numpy and Pillow."""
    code = """
        import json, sys
        import ts.context, ts.torch_handler.base_handler, ts.service, torch, numpy
        before = {name.partition(".")[0] for name in sys.modules}
        import foveal_handlers.mar.vision
        import foveal.archives.eager
        print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules} - before)))
    """
    run = subprocess.run([sys.executable, "-c", dedent(code)], capture_output=True, text=True, check=True)
    added = set(json.loads(run.stdout.splitlines()[-1]))
    assert added.isdisjoint(HEAVY)
    assert {name for name in added if name not in sys.stdlib_module_names} <= {
        "foveal",
        "foveal_handlers",
        "PIL",
        "__mp_main__",
        "_cffi_backend",
        "defusedxml",
    }


@pytest.mark.parametrize("count", [1, 4])
def test_predictions_are_those_of_the_plain_model(serve, spooled, count, png, plain_answers):
    images = [png(seed) for seed in range(count)]
    audited, plain = serve(), serve(spool=False)
    ours, theirs = audited.ask(images), plain.ask(images)
    assert ours == theirs == plain_answers(images)
    assert [list(answer) for answer in ours] == [list(answer) for answer in plain_answers(images)]
    assert audited.handler.auditor is not None
    assert plain.handler.auditor is None
    assert len(spooled()) == count
    assert response_bytes(audited.context, ours) == response_bytes(plain.context, theirs)


def test_what_is_written_down_of_a_request(serve, spooled, png, labels):
    served = serve()
    image = png(5)
    (answer,) = served.ask([image], ids=["b7c1"])
    (observation,) = spooled()
    sample = observation.sample
    assert (sample.sample, sample.row, sample.source, sample.label) == ("b7c1", 0, "production", None)
    assert sample.model_sha256 == archive_sha256(served.folder) == load_model(str(served.folder)).sha256
    assert sample.shape == (20, 24, 3)
    assert sample.origin is None
    assert labels[sample.predicted] == next(iter(answer))
    assert sample.activations.keys() == {"fc1"}
    assert sample.metadata == {}
    assert sample.time.endswith("+00:00")
    assert served.record(0) == "b7c1"
    assert observation.entries
    assert {entry.sample for entry in observation.entries} == {"b7c1"}
    for entry in observation.entries:
        crop = decode_image(entry.crop, "")
        y0, x0, y1, x1 = entry.window
        assert (crop == decode_image(image, "")[y0:y1, x0:x1]).all()


def test_a_bad_row_gets_its_own_error_and_the_others_their_answers(serve, spooled, png, plain_answers):
    served = serve()
    good = [png(1), png(2)]
    answers = served.ask([good[0], png(None), good[1], b"", {"data": "%%%"}])
    assert [answers[0], answers[2]] == plain_answers(good)
    assert [served.status(index) for index in range(5)] == [200, 400, 200, 400, 400]
    assert answers[1] == {
        "code": 400,
        "type": "PredictionException",
        "message": "Sample 'id-1' cannot be read as an image: unknown or damaged format. Give a whole file "
        "of one of these formats: PNG, JPEG, BMP, TIFF, WEBP, GIF, PPM, npy, DICOM.",
    }
    assert answers[3]["message"] == (
        "The request holds no image. Send an image's bytes, or its base64 text under 'data'."
    )
    assert (
        answers[4]["message"]
        == "The request's text is not base64. Send an image's bytes, or its base64 text."
    )
    assert [observation.sample.sample for observation in spooled()] == ["id-0", "id-2"]
    assert [served.record(index) for index in range(5)] == ["id-0", None, "id-2", None, None]


def test_a_single_bad_image_is_refused_by_torchserves_own_error(serve, spooled, png):
    served = serve()
    with pytest.raises(PredictionException) as caught:
        served.ask([png(None)])
    assert caught.value.error_code == 400
    assert caught.value.message.startswith("Sample 'id-0' cannot be read as an image")
    assert spooled() == []


def test_channels_that_do_not_fit_are_refused(serve, png, plain_answers):
    served = serve()
    answers = served.ask([png(1, channels=4), png(2)])
    assert served.status(0) == 400
    assert "has 4 channels, the model takes 3" in answers[0]["message"]
    assert [answers[1]] == plain_answers([png(2)])


def test_images_of_different_sizes_in_one_batch(serve, png):
    served = serve(size=None)
    images = [png(1, (16, 16)), png(2, (20, 24)), png(3, (16, 16)), png(4, (2, 2))]
    answers = served.ask(images)
    alone = [served.ask([image])[0] for image in images[:3]]
    assert [list(answer) for answer in answers[:3]] == [list(answer) for answer in alone]
    assert [served.status(index) for index in (0,)] == [200]
    answers = served.ask(images)
    assert served.status(3) == 400
    assert "size 2x2 does not fit the model" in answers[3]["message"]
    assert answers[0].keys() == alone[0].keys()


@pytest.mark.parametrize(
    "wrap",
    [
        lambda image: {"data": bytes(image)},
        lambda image: {"data": base64.b64encode(image).decode()},
        lambda image: {"body": "data:image/png;base64," + base64.b64encode(image).decode()},
        lambda image: {"body": {"data": base64.b64encode(image).decode()}},
    ],
)
def test_images_in_every_form(serve, wrap, png, plain_answers):
    image = png(8)
    assert serve().ask([wrap(image)]) == plain_answers([image])


def test_a_mixed_batch_of_predictions_and_explanations(serve, spooled, png, plain_answers):
    served = serve()
    explain = {"explain": "True", "x-foveal-map": "npy"}
    answers = served.ask([png(1), png(2), png(3)], headers=[explain, {}, {"explain": "True"}])
    assert [answers[1]] == plain_answers([png(2)])
    assert answers[0]["class"] == next(iter(plain_answers([png(1)])[0]))
    map_ = np.load(io.BytesIO(base64.b64decode(answers[0]["map"]["data"])), allow_pickle=False)
    assert list(map_.shape) == answers[0]["map"]["shape"]
    assert answers[2]["map"]["form"] == "png"
    assert len(json.dumps(answers)) < 20_000
    assert [served.status(row) for row in range(3)] == [200, 200, 200]
    assert [seen.sample.sample for seen in spooled()] == ["id-1"]


def test_an_explanation_that_fails_costs_no_prediction(serve, png, plain_answers, monkeypatch):
    served = serve()
    monkeypatch.setattr("foveal_handlers.handler.explain_rows", lambda *_: 1 / 0)
    answers = served.ask([png(1), png(2)], headers=[{"explain": "True"}, {}])
    assert (served.status(0), answers[0]["message"]) == (503, "The explanation failed.")
    assert [answers[1]] == plain_answers([png(2)])


def test_explanations_are_given_where_nothing_is_written_down(serve, png):
    served = serve(spool=False)
    (answer,) = served.ask([png(1)], headers=[{"explain": "True"}])
    assert 0 < answer["score"] <= 1
    assert answer["boxes"]


def test_a_form_that_there_is_not_is_refused(serve, png, plain_answers):
    served = serve()
    headers = [{"explain": "True", "X-Foveal-Map": "pnk"}, {}]
    answers = served.ask([png(1), png(2)], headers=headers)
    assert answers[0]["message"] == "Header X-Foveal-Map is 'pnk'. Did you mean 'png'."
    assert served.status(0) == 400
    assert [answers[1]] == plain_answers([png(2)])


def test_behind_an_envelope_the_rows_of_one_request_are_told_apart(serve, spooled, png, plain_answers):
    served = serve()
    images = [png(seed) for seed in range(3)]
    assert served.ask(images, requests=1) == plain_answers(images)
    assert [(seen.sample.sample, seen.sample.row) for seen in spooled()] == [
        ("id-0", 0),
        ("id-0", 1),
        ("id-0", 2),
    ]
    entries = [entry.id for seen in spooled() for entry in seen.entries]
    assert len(set(entries)) == len(entries)


def test_rows_that_belong_to_nobody_known_are_answered_and_not_noted(serve, spooled, png, plain_answers):
    served = serve()
    images = [png(1), png(2), png(3)]
    assert served.ask(images, requests=2) == plain_answers(images)
    assert spooled() == []


def test_only_allowed_metadata_is_kept(serve, spooled, png):
    keep = {"metadata": ["site", "scanner"], "headers": ["X-Trace", "Authorization"]}
    served = serve(config={"foveal": {"keep": keep}})
    headers = {
        "x-foveal-site": "north",
        "Scanner": "A2",
        "x-trace": "t1",
        "Authorization": "Bearer secret",
        "age": "70",
    }
    served.ask([png(1)], headers=[headers])
    (seen,) = spooled()
    assert seen.sample.metadata == {"site": "north", "scanner": "A2", "x-trace": "t1"}
    assert {json.dumps(entry.metadata, sort_keys=True) for entry in seen.entries} == {
        json.dumps(seen.sample.metadata, sort_keys=True)
    }


def test_allowed_texts_beside_the_image_are_kept(serve, spooled, png):
    served = serve(config={"foveal": {"keep": {"metadata": ["site", "case"]}}})
    form = {"data": png(1), "site": b"south", "case": "4711", "name": "nobody's business", "dose": 3}
    served.ask([form], headers=[{"X-Foveal-Site": "north"}])
    (seen,) = spooled()
    assert seen.sample.metadata == {"site": "north", "case": "4711"}


def test_a_share_of_the_requests_is_observed_always_the_same(serve, spooled, png, plain_answers):
    served = serve(config={"foveal": {"sample_rate": 0.3}})
    ids = [f"request-{number}" for number in range(60)]
    images = [png(seed % 5) for seed in range(60)]
    assert served.ask(images, ids=ids) == plain_answers(images)
    first = [seen.sample.sample for seen in spooled()]
    assert 8 <= len(first) <= 30
    assert [name for name in ids if served.context.get_response_headers(ids.index(name))] == first
    served.ask(images, ids=ids)
    assert [seen.sample.sample for seen in spooled()] == first * 2


def test_nothing_is_observed_at_rate_zero(serve, spooled, png, plain_answers):
    served = serve(config={"foveal": {"sample_rate": 0}})
    assert served.ask([png(1)]) == plain_answers([png(1)])
    assert served.handler.auditor is None
    assert spooled() == []


def test_without_a_spool_nothing_is_observed_and_that_is_said(serve, warnings, png, plain_answers):
    served = serve(spool=False)
    assert served.ask([png(1)]) == plain_answers([png(1)])
    assert [record.message for record in warnings()] == [
        "Foveal observes nothing in this worker: no spool folder is set, or the sample rate is 0"
    ]


def test_more_classes_than_five_or_fewer(serve, tmp_path, png):
    assert [len(answer) for answer in serve().ask([png(1)])] == [5]
    handler = VisionHandler()
    handler.mapping = None
    assert handler.postprocess([torch.tensor([[2.0, 1.0]])])[0].keys() == {"0", "1"}


def test_settings_beside_the_manifest_serve_an_archive_without_a_model_config(
    unpacked, monkeypatch, png, plain_answers, new_context, request_batch
):
    folder = unpacked()
    manifest = json.loads((folder / "MAR-INF/MANIFEST.json").read_text())["model"]
    del manifest["configFile"]
    settings = {"preprocess": {"size": [16, 16], "channels": 3, "mean": [0.5], "std": [0.25]}}
    (folder / "MAR-INF/FOVEAL.json").write_text(json.dumps(settings))
    context, handler = new_context(folder, manifest), VisionHandler()
    handler.initialize(context)
    assert handler.handle(request_batch(context, [png(3)]), context) == plain_answers([png(3)])


# Faults of ours: whatever breaks, the answer is that of the plain model, byte for byte.


def breaking(*_args, **_options):
    raise RuntimeError("injected fault")


FAULTS = {
    "forward": "foveal.observer.Observer.forward",
    "record": "foveal.observer.Observer.record",
    "append": "foveal.spool.Spool.append",
    "metadata": "foveal_handlers.handler.kept_metadata",
    "header": "ts.context.Context.set_response_header",
}


@pytest.mark.parametrize("part", FAULTS)
def test_a_fault_of_ours_never_changes_the_answer(serve, monkeypatch, warnings, part, png, plain_answers):
    audited, plain = serve(), serve(spool=False)
    monkeypatch.setattr(FAULTS[part], breaking)
    batch = [png(1), png(None), png(2)]
    before = len(warnings())
    for _ in range(40):
        ours, theirs = audited.ask(batch), plain.ask(batch)
        assert [ours[0], ours[2]] == [theirs[0], theirs[2]] == plain_answers([png(1), png(2)])
        assert [audited.status(index) for index in range(3)] == [200, 400, 200]
    logged = [record for record in warnings()[before:] if "injected fault" in str(record.exc_info)]
    assert len(logged) == 1


@pytest.mark.parametrize(
    "broken",
    [
        "foveal_handlers.auditing.Observer",
        "foveal.recording.Spool",
        "foveal_handlers.handler.archive_sha256",
        "foveal_handlers.handler.Auditor",
    ],
)
def test_auditing_that_cannot_even_begin(serve, monkeypatch, warnings, broken, png, plain_answers):
    monkeypatch.setattr(broken, breaking)
    served = serve()
    for _ in range(3):
        assert served.ask([png(1)]) == plain_answers([png(1)])
    assert any("injected fault" in str(record.exc_info) for record in warnings())


@pytest.mark.parametrize("name", ["FOVEAL_LAYER", "FOVEAL_RULE", "FOVEAL_SAMPLE_RATE"])
def test_wrong_settings_of_the_watch_do_not_stop_the_service(
    serve, monkeypatch, warnings, name, png, plain_answers
):
    monkeypatch.setenv(name, "no such thing")
    served = serve()
    assert served.ask([png(1)]) == plain_answers([png(1)])
    assert any("no such thing" in str(record.exc_info) for record in warnings())


def test_wrong_preprocessing_stops_the_service(unpacked, new_context):
    folder = unpacked()
    text = (folder / "model-config.yaml").read_text().replace("size:", "siez:")
    (folder / "model-config.yaml").write_text(text)
    with pytest.raises(UsageError) as caught:
        VisionHandler().initialize(new_context(folder))
    assert str(caught.value) == "Unknown key 'preprocess.siez'. Did you mean 'size'."


def test_a_spool_that_cannot_be_written_is_counted_and_not_felt(serve, tmp_path, spooled, png, plain_answers):
    (tmp_path / "spool").write_text("a file where a folder should be")
    served = serve()
    assert served.ask([png(1)]) == plain_answers([png(1)])
    assert served.record(0) is None


def test_the_network_is_left_as_it_was(serve, png):
    served = serve()
    model = served.handler.model
    before = {name: value.clone() for name, value in model.state_dict().items()}
    served.ask([png(1), png(2)])
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not model.training
    assert all(parameter.requires_grad and parameter.grad is None for parameter in model.parameters())
    served.handler.auditor.close()
    assert not any(module._forward_hooks for module in model.modules())
