"""What is written down, what is not, and where the latter is counted."""

from __future__ import annotations

import io
import json
import sys
import threading

import numpy as np
import pytest
from PIL import Image

from foveal.observer import Observer
from foveal.samples.arrays import decode_sample
from foveal_handlers.wrapped.scope import Scope, current_scope, under_way

NO_IMAGE = (
    "Foveal cannot observe predictions of ts.torch_handler.vision_handler:VisionHandler. The network's input "
    "of shape (3, 16, 16) is no sample. Only images, traces and volumes are observed so far."
)
NO_MODEL = (
    "Foveal cannot observe predictions of named_handler:NamedHandler. No torch.nn.Module was found in the "
    "handler. Name the attribute that keeps it as foveal.classifier (FOVEAL_CLASSIFIER), such as "
    "'service.net'; ONNX sessions and compiled libraries have no layers."
)


def wide(number):
    """Draw a smooth picture of 80 x 40 pixels."""
    y, x = np.mgrid[0:40, 0:80]
    waves = [np.sin(x / (5 + number) + y / 9 + part) for part in range(3)]
    out = io.BytesIO()
    Image.fromarray(((np.stack(waves, 2) + 1) * 127).astype(np.uint8)).save(out, "PNG")
    return out.getvalue()


def said(caplog):
    return [one.message for one in caplog.records if one.message.startswith("Foveal")]


def test_sampling_is_by_request_and_the_same_for_a_repeated_one(both, images, spooled):
    _, wrapped = both("class_handler", section={"sample_rate": 0.5})
    for number in range(40):
        wrapped.ask(images(1), ids=[f"id-{number % 20}"])
    kept = [one.sample.sample for one in spooled()]
    assert 2 <= len(kept) // 2 <= 18
    assert sorted(kept[: len(kept) // 2]) == sorted(kept[len(kept) // 2 :])


def test_only_allowed_headers_are_kept(both, images, spooled):
    _, wrapped = both("class_handler", section={"keep": {"metadata": ["site"], "headers": ["x-trace"]}})
    headers = {"X-Foveal-Site": "north", "X-Trace": "t1", "Authorization": "Bearer secret", "X-Other": "no"}
    wrapped.ask(images(1), [headers])
    assert spooled()[0].sample.metadata == {"site": "north", "x-trace": "t1"}


def test_only_allowed_texts_beside_the_image_are_kept(both, images, spooled):
    keep = {"metadata": ["case", "site"], "headers": ["authorization"]}
    bare, wrapped = both("class_handler", section={"keep": keep})
    rows = [{"data": image, "case": b"A-17", "site": b"sent", "Authorization": b"s"} for image in images(2)]
    headers = [{"X-Foveal-Site": "north"}, {"case": {"content-type": ""}}]  # TorchServe's note on the field
    assert wrapped.ask(rows, headers) == bare.ask(rows, headers)
    kept = {one.sample.sample: one.sample.metadata for one in spooled()}
    assert kept == {"id-0": {"case": "A-17", "site": "north"}, "id-1": {"case": "A-17", "site": "sent"}}


def test_numbers_are_drawn_as_the_network_was_given_them(both, spooled, lost):
    bare, wrapped = both("vision_handler")
    ramp = np.linspace(0, 1, 3 * 16 * 16).reshape(3, 16, 16)
    rows = [{"data": ramp.tolist()}, {"data": (ramp * 90 - 30).tolist()}]
    assert wrapped.ask(rows) == bare.ask(rows)
    drawn = [decode_sample(one.negative.encoded, "") for one in spooled()]
    assert lost() == {}
    for pixels in drawn:
        assert (pixels == np.rint(ramp * 255).transpose(1, 2, 0)).all()


def test_what_is_no_image_at_all_is_counted(both, spooled, lost, caplog):
    bare, wrapped = both("vision_handler")
    rows = [{"data": [[[0.5] * 16] * 16] * 3}, {"data": [[[float("nan")] * 16] * 16] * 3}]
    assert json.dumps(wrapped.ask(rows)) == json.dumps(bare.ask(rows))
    assert [one.sample.sample for one in spooled()] == ["id-0"]
    assert lost() == {"no_image": 1}
    assert said(caplog) == [NO_IMAGE]


def test_the_frame_that_the_network_saw(both, spooled, images, eager_network):
    bare, wrapped = both("cropping_handler")
    smooth = [wide(number) for number in range(3)]
    assert wrapped.ask(smooth) == bare.ask(smooth)
    for one in spooled():
        assert one.sample.shape == (40, 80, 3)
        assert np.abs(np.subtract(one.negative.frame, (4, 24, 36, 56))).max() <= 1


def test_a_fault_of_ours_is_counted_and_the_answer_the_same(both, images, spooled, lost, monkeypatch):
    bare, wrapped = both("class_handler")
    expected = bare.ask(images(2))
    monkeypatch.setattr("foveal.observer.Observer.record", lambda *_: 1 / 0)
    assert wrapped.ask(images(2)) == expected
    assert wrapped.record(0) is None
    assert wrapped.ask(images(2)) == expected  # the pause
    monkeypatch.undo()
    assert wrapped.ask(images(2)) == expected
    assert lost() == {"fault_record": 2, "paused": 2}
    assert len(spooled()) == 2


def test_a_fault_within_the_forward(both, images, lost, monkeypatch):
    bare, wrapped = both("class_handler")
    monkeypatch.setattr("foveal.capture.tap.Tap.check_reached", lambda *_: 1 / 0)
    assert wrapped.ask(images(2)) == bare.ask(images(2))
    assert lost() == {"fault_observe": 2}


def test_a_thread_without_a_scope_takes_the_only_one_under_way():
    found = []

    def look():
        thread = threading.Thread(target=lambda: found.append(current_scope()))
        thread.start()
        thread.join()

    one, other = (Scope(None, (), (), (), ()) for _ in range(2))
    look()
    with under_way(one):
        look()
        with under_way(other):
            look()
            assert current_scope() is other
        assert current_scope() is one
    look()
    assert found == [None, one, None, None]


def test_the_first_request_does_not_wait_for_the_choice_of_layers(
    model_folder, wrap, start, images, spooled, lost
):
    wrapped = start(wrap(model_folder("class_handler")))
    wrapped.ask(images(2))
    assert wrapped.record(0) is None
    wrapped.runtime.watch.attachment.starting.join()
    wrapped.ask(images(3))
    assert wrapped.record(2) == "id-2"
    assert (len(spooled()), lost()) == (3, {"starting": 2})


WHERE = {
    "late_handler": "a network that is loaded at the first request",
    "deep_handler": "a network one step further",
    "global_handler": "a network in the module",
}


@pytest.mark.parametrize("handler", WHERE)
def test_the_network_is_found(both, images, spooled, handler):
    bare, wrapped = both(handler)
    for _ in range(4):
        assert wrapped.ask(images(2)) == bare.ask(images(2))
    assert len(spooled()) >= 4


def test_the_network_that_the_settings_name(both, images, spooled):
    bare, wrapped = both("named_handler", section={"classifier": "nets.second.0"})
    assert wrapped.ask(images(2)) == bare.ask(images(2))
    assert len(spooled()) == 2


def test_no_network_at_all(both, images, lost, caplog):
    bare, wrapped = both("named_handler")
    for _ in range(3):
        assert wrapped.ask(images(2)) == bare.ask(images(2))
    assert lost() == {"no_model": 6}
    assert said(caplog) == [NO_MODEL]


def test_without_foveal_the_original_is_served(model_folder, wrap, start, images, monkeypatch, caplog):
    bare = start(model_folder("class_handler", name="bare"))
    expected = bare.ask(images(2))
    for module in ("foveal_handlers.wrapped", "foveal_handlers.wrapped.runtime"):
        monkeypatch.setitem(sys.modules, module, None)
    wrapped = start(wrap(model_folder("class_handler")))
    assert wrapped.ask(images(2)) == expected
    assert wrapped.context.manifest["model"]["handler"] == "class_handler"
    (line,) = said(caplog)
    assert line.startswith(
        "Foveal observes nothing in this worker; predictions are served (ModuleNotFoundError"
    )


@pytest.mark.parametrize("section", [{"sample_rat": 1}, {"layer": "nowhere"}, {"sample_rate": 0}])
def test_settings_that_are_wrong_or_off_serve_all_the_same(both, images, section, spooled):
    bare, wrapped = both("class_handler", section=section)
    assert wrapped.ask(images(2)) == bare.ask(images(2))
    assert spooled() == []


def test_a_handler_that_cannot_be_loaded_fails_as_it_does_bare(model_folder, wrap, start):
    faults = []
    for folder in (model_folder("missing", name="bare"), wrap(model_folder("missing"))):
        with pytest.raises(ModuleNotFoundError) as caught:
            start(folder)
        faults.append(str(caught.value))
    assert faults == ["No module named 'ts.torch_handler.missing'"] * 2


def test_a_file_of_two_classes_is_refused_as_it_is_bare(model_folder, wrap, start):
    for folder in (model_folder("two_classes", name="bare"), wrap(model_folder("two_classes"))):
        with pytest.raises(ValueError, match="Expected only one class in custom service code"):
            start(folder)


def test_the_settings_travel_in_the_archive_or_in_the_models_own(model_folder, wrap, start, images, spooled):
    yaml = json.dumps({"foveal": {"features": ["fc1:2"], "rule": "nonzero"}, "minWorkers": 1})
    folder = wrap(model_folder("class_handler", yaml=yaml))
    path = folder / "MAR-INF" / "FOVEAL.json"
    settings = json.loads(path.read_text())
    del settings["foveal"]
    path.write_text(json.dumps(settings))
    start(folder).ask(images(6))
    features = {entry.feature for one in spooled() for entry in one.entries} - {"contribution"}
    assert features <= {"fc1:2"}


def test_a_network_that_takes_the_others_place_is_watched_alone(
    both, images, spooled, at_work, eager_network
):
    _, wrapped = both("class_handler")
    wrapped.ask(images(1))
    wrapped.runtime._original.instance.model = eager_network
    for _ in range(4):
        wrapped.ask(images(1))
    assert len(spooled()) >= 3
    assert at_work().count("foveal-thresholds") == 1


def test_an_observer_that_comes_too_late_begins_nothing(
    model_folder, wrap, start, images, monkeypatch, at_work
):
    go_on, made = threading.Event(), []

    def slow(*args):
        go_on.wait(60)
        made.append(Observer(*args))
        return made[-1]

    monkeypatch.setattr("foveal_handlers.wrapped.attaching.Observer", slow)
    wrapped = start(wrap(model_folder("class_handler")))
    wrapped.ask(images(1))
    attachment = wrapped.runtime.watch.attachment
    attachment.close()
    go_on.set()
    attachment.starting.join()
    assert len(made) == 1
    assert attachment.observer is None
    assert at_work() == []
