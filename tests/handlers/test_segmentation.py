"""The handler of segmentation networks: the plain network's masks, and what decided is noted."""

from __future__ import annotations

import json
import subprocess
import sys
from textwrap import dedent
from zipfile import ZipFile

import numpy as np
import pytest
import torch
from segmentation_archives import LABELS, network, packed
from ts.model_loader import TsModelLoader

from foveal.archives import load_model
from foveal.archives.entries import KINDS
from foveal.developing import develop
from foveal.errors import UsageError
from foveal.samples import decode_image
from foveal.segmenting.masks import mask_of
from foveal.segmenting.network import Segmenter
from foveal.spool import read_segment
from foveal_handlers.segmentation import SegmentationHandler


@pytest.fixture
def served(tmp_path, monkeypatch, new_context, request_batch):
    """Start the handler of a packed network; `spool=False` starts a plain one."""
    started = []

    def start(spool=True, **settings):
        if spool:
            monkeypatch.setenv("FOVEAL_SPOOL_DIR", str(tmp_path / "spool"))
        else:
            monkeypatch.delenv("FOVEAL_SPOOL_DIR", raising=False)
        archive = packed(tmp_path / "packing", **settings)
        folder = tmp_path / "models" / str(len(started))
        with ZipFile(archive) as content:
            content.extractall(folder)
        handler, context = SegmentationHandler(), new_context(folder)
        handler.initialize(context)
        started.append(handler)
        return lambda images, **how: handler.handle(request_batch(context, images, **how), context), handler

    yield start
    for handler in started:
        if handler.auditor is not None:
            handler.auditor.close()


def noted(tmp_path):
    folder = tmp_path / "spool" / "small"
    folders = [folder] if folder.is_dir() else list((tmp_path / "spool").iterdir())
    paths = [path for one in folders for path in one.glob("*") if path.suffix in {".open", ".seg"}]
    return [develop(one) for path in paths for one in read_segment(path)]


def masks_by_hand(archive, image):
    transform = load_model(str(archive)).transform
    with torch.inference_mode():
        return network()(transform(decode_image(image, ""))[None]).argmax(1)[0].numpy()


def test_masks_and_shares_are_the_plain_networks(served, tmp_path, png):
    answer, _ = served()
    images = [png(seed, (40, 48), 1) for seed in range(3)]
    for image, found in zip(images, answer(images), strict=True):
        by_hand = masks_by_hand(tmp_path / "packing" / "spots.mar", image)
        assert found["shape"] == [32, 32]
        assert set(found["classes"]) == {LABELS[index] for index in np.unique(by_hand)}
        for name, one in found["classes"].items():
            inside = by_hand == LABELS.index(name)
            assert one["share"] == inside.mean()
            if name != "nothing":
                assert np.array_equal(mask_of(one["runs"], found["shape"]), inside)
        assert "runs" not in found["classes"].get("nothing", {})


def test_bodies_are_the_same_audited_and_not(served, tmp_path, png):
    images = [png(seed, (32, 32), 1) for seed in range(4)]
    audited, plain = served()[0](images), served(spool=False)[0](images)
    assert json.dumps(audited) == json.dumps(plain)
    assert len(noted(tmp_path)) == 4


def test_what_decided_is_noted_with_the_fields_of_nodes(served, tmp_path, png):
    answer, handler = served(config={"foveal": {"rule": "nonzero"}})
    answer([png(seed, (64, 96), 1) for seed in range(2)])
    model = load_model(str(tmp_path / "packing" / "spots.mar"))
    with model.observer(model.example()) as observer:
        fields = observer._fields.of("dec", model.example())
    for one in noted(tmp_path):
        features = [entry for entry in one.entries if entry.feature.startswith("dec:")]
        assert features
        for entry in features:
            y0, x0, y1, x1 = entry.window
            # Ten steps of the network, fewer at borders; twice and three times as many pixels.
            assert (y1 - y0) // 2 in range(5, 11)
            assert (x1 - x0) // 3 in range(5, 11)
        assert any(entry.feature == "contribution" for entry in one.entries)
        assert len(one.sample.scores) == 3
        assert one.sample.scores[0] == 0.0
    assert fields.share == 10 / 32
    assert handler.auditor is not None


def test_the_explanation_names_what_was_found_most_of(served, png):
    answer, _ = served()
    (found,) = answer([png(1, (32, 32), 1)], headers=[{"explain": "True"}])
    assert found["class"] in LABELS
    assert found["map"]["layer"] == "dec"
    assert all(len(box["window"]) == 4 for box in found["boxes"])


def test_what_is_no_picture_is_refused_alone(served, png):
    answer, _ = served()
    bad, good = answer([png(None), png(2, (32, 32), 1)])
    assert bad["code"] == 400
    assert good["shape"] == [32, 32]


def test_one_channel_and_another_background(served, png, tmp_path):
    answer, handler = served(
        net=network(1), labels=("vessel", "none"), model={"segmentation": {"background": 1}}
    )
    (found,) = answer([png(1, (32, 32), 1)])
    assert set(found["classes"]) <= {"vessel", "none"}
    assert "runs" not in found["classes"].get("none", {})
    assert handler.model.background == 1


def test_torchserve_loads_the_entry_file(tmp_path, monkeypatch):
    folder = tmp_path / "models"
    with ZipFile(packed(tmp_path)) as content:
        content.extractall(folder)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delenv("FOVEAL_SPOOL_DIR", raising=False)
    service = TsModelLoader().load("spots", str(folder), KINDS["segmentation"][1], None, 1)
    handler = service._entry_point.__self__
    assert isinstance(handler, SegmentationHandler)
    assert handler.initialized
    sys.modules.pop(type(handler).__module__)


def test_an_archive_whose_settings_do_not_say_that_it_segments(tmp_path, new_context):
    folder = tmp_path / "models"
    with ZipFile(packed(tmp_path)) as content:
        content.extractall(folder)
    context = new_context(folder)
    del context.model_yaml_config["model"]["segmentation"]
    with pytest.raises(UsageError) as fault:
        SegmentationHandler().initialize(context)
    assert fault.value.fault == "The archive's settings do not say that its network segments"
    assert fault.value.mend == "Build it with foveal pack --kind segmentation"


def test_archives_of_the_kind_load_as_segmenters(tmp_path):
    model = load_model(str(packed(tmp_path)))
    assert isinstance(model.module, Segmenter)
    assert model.module.background == 0
    assert model.labels == LABELS


def test_a_classifier_cannot_be_packed_as_a_segmentation_network(tmp_path):
    from foveal.archives.pack import pack  # noqa: PLC0415 - only here

    file = tmp_path / "flat.py"
    file.write_text(
        dedent(
            """
            from torch import nn

            class Flat(nn.Sequential):
                def __init__(self):
                    super().__init__(nn.Flatten(), nn.Linear(64, 2))
            """
        )
    )
    with pytest.raises(UsageError) as fault:
        pack("segmentation", file, None, tmp_path / "flat.mar", size=(8, 8), channels=1)
    assert "The network's output is (1, 2), without positions" in fault.value.fault


def test_wrong_settings_are_refused_before_the_archive_is_written(tmp_path):
    with pytest.raises(UsageError) as fault:
        packed(tmp_path, model={"segmentation": {"background": 7}})
    assert "Class 7 is to be the background of 3 classes" in fault.value.fault
    assert not (tmp_path / "spots.mar").exists()


def test_the_worker_stays_light():
    code = "import sys, foveal_handlers.segmentation\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"mlflow", "pyarrow", "captum", "pandas", "scipy", "pydantic"}
    assert not heavy & set(done.stdout.split())
