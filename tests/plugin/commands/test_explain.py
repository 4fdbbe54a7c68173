"""`foveal explain` end to end on a network whose maps are known."""

from __future__ import annotations

import io
import json
import sys

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import foveal
from foveal.archives.model import load_model
from foveal.attribution import METHODS, all_methods, get_method, layer_method
from foveal.cli import build_app
from foveal.errors import nearest
from foveal.samples import read_image

MODEL = """
from small_nets import Blobs, seeded

from foveal.archives.model import AuditedModel
from foveal.config import FovealConfig
from foveal.samples import ImageTransform


def blobs(module=None):
    return AuditedModel(
        name="blobs",
        module=module or seeded(Blobs),
        transform=ImageTransform((64, 64), 1),
        labels=("dark", "bright"),
        config=FovealConfig(layer="relu1"),
        sha256="b" * 64,
        source="python:blob_model:blobs",
    )


def training():
    return blobs(Blobs().train())


def any_size():
    from small_nets import SharedNet

    model = seeded(SharedNet)
    return model
"""

BLOBS = ((20, 24), (44, 90))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with a model and a sample of two bright blobs, 64 x 128."""
    (tmp_path / "blob_model.py").write_text(MODEL)
    y, x = np.mgrid[:64, :128]
    pixels = np.random.default_rng(0).normal(70, 10, (64, 128))
    for row, column in BLOBS:
        pixels += 170 * np.exp(-((y - row) ** 2 + (x - column) ** 2) / 60)
    for name in ("scan.png", "again/scan.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("blob_model", None)


def explain(*args, model="python:blob_model:blobs"):
    return CliRunner().invoke(build_app(), ["explain", model, *map(str, args)])


def test_three_files_per_sample(folder):
    result = explain("scan.png", "-o", "out", "--target", "class:1", "--method", "hirescam")
    assert result.exit_code == 0, result.output
    assert result.stdout == "scan.png: bright (0.66), 2 objects -> out/scan.png\n"
    assert sorted(path.name for path in (folder / "out").iterdir()) == ["scan.json", "scan.npy", "scan.png"]

    map_ = np.load(folder / "out/scan.npy")
    assert (map_.shape, map_.dtype) == ((64, 64), np.float32)
    report = json.loads((folder / "out/scan.json").read_text())
    assert report["prediction"]["label"] == "bright"
    assert report["prediction"]["class"] == 1
    assert report["prediction"]["probability"] == pytest.approx(
        1 / (1 + np.exp(report["prediction"]["scores"][0] - report["prediction"]["scores"][1]))
    )
    assert (report["method"], report["layer"], report["target"]) == ("hirescam", "relu1", "class:1")
    assert (report["model"], report["model_sha256"], report["shape"]) == ("blobs", "b" * 64, [64, 128, 1])
    assert report["map"] == {"grid": [64, 64], "min": float(map_.min()), "max": float(map_.max())}
    assert set(report["timings_ms"]) == {"decode", "predict", "attribute"}
    assert all(value > 0 for value in report["timings_ms"].values())


def test_boxes_lie_round_the_blobs_in_the_samples_own_pixels(folder):
    assert explain("scan.png", "-o", "out", "--target", "class:1", "--method", "hirescam").exit_code == 0
    boxes = json.loads((folder / "out/scan.json").read_text())["boxes"]
    assert [box["number"] for box in boxes] == [1, 2]
    assert boxes[0]["score"] >= boxes[1]["score"] > 0.1
    middles = sorted(((y0 + y1) / 2, (x0 + x1) / 2) for y0, x0, y1, x1 in (box["window"] for box in boxes))
    assert np.abs(np.array(middles) - BLOBS).max() <= 3
    for y0, x0, y1, x1 in (box["window"] for box in boxes):
        assert 4 <= y1 - y0 <= 16
        assert 4 <= x1 - x0 <= 20


def test_the_picture_shows_the_sample_the_map_and_the_boxes(folder):
    assert explain("scan.png", "-o", "out", "--target", "class:1").exit_code == 0
    picture = np.asarray(Image.open(folder / "out/scan.png").convert("RGB")).astype(int)
    sample = np.asarray(Image.open(folder / "scan.png")).astype(int)
    zoom = 7
    assert picture.shape[1] == 128 * zoom
    colour = np.ptp(picture[: 64 * zoom : zoom, ::zoom], axis=2)
    for row, column in BLOBS:
        assert colour[row, column] > 40
    assert colour[50:, :40].max() == 0
    assert np.array_equal(picture[50 * zoom : 64 * zoom : zoom, : 40 * zoom : zoom, 0], sample[50:, :40])
    for box in json.loads((folder / "out/scan.json").read_text())["boxes"]:
        _, x0, y1, x1 = box["window"]
        assert (picture[y1 * zoom + 1, (x0 + x1) // 2 * zoom] == 255).all()


def test_samples_of_one_stem_do_not_overwrite_each_other(folder):
    result = explain("scan.png", "again/scan.png", "-o", "out", "--json")
    assert result.exit_code == 0, result.output
    reports = json.loads(result.stdout)
    assert [report["sample"] for report in reports] == ["scan.png", "again/scan.png"]
    assert [report["files"]["json"] for report in reports] == ["out/scan.json", "out/scan-2.json"]
    for report in reports:
        assert json.loads((folder / report["files"]["json"]).read_text()) == report
    assert len(list((folder / "out").iterdir())) == 6


def test_the_same_call_gives_the_same_map_and_picture(folder):
    for out in ("one", "two"):
        assert explain("scan.png", "-o", out, "--target", "fc1:1").exit_code == 0
    for kind in ("npy", "png"):
        assert (folder / f"one/scan.{kind}").read_bytes() == (folder / f"two/scan.{kind}").read_bytes()


def test_the_map_is_the_nodes_when_a_node_is_asked_for(folder):
    for target in ("fc1:0", "fc1:1"):
        assert explain("scan.png", "-o", target, "--target", target).exit_code == 0
    dark, bright = (np.load(folder / target / "scan.npy") for target in ("fc1:0", "fc1:1"))
    for row, column in BLOBS:
        assert bright[row, column // 2] > 0
        assert dark[row, column // 2] == 0


def test_the_public_call_gives_the_same_map(folder):
    assert explain("scan.png", "-o", "out").exit_code == 0
    model = load_model("python:blob_model:blobs")
    x = model.transform(read_image(folder / "scan.png"))[None]
    assert np.array_equal(
        foveal.explain(model.module, x, layer="relu1").maps[0, 0].numpy(), np.load(folder / "out/scan.npy")
    )


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["none.png"], "Sample 'none.png' cannot be read: No such file or directory. Check the path."),
        (["again"], "Sample 'again' cannot be read: Is a directory. Check the path."),
        (
            ["blob_model.py"],
            (
                "Sample 'blob_model.py' cannot be read as an image: unknown or damaged format. "
                "Give a whole file of one of these formats: PNG, JPEG, BMP, TIFF, WEBP, GIF, PPM, npy, DICOM."
            ),
        ),
        (["scan.png", "--layer", "conv"], "Unknown layer 'conv'. Did you mean 'conv2' or 'conv1'."),
        (
            ["scan.png", "--layer", "fc1"],
            "Layer 'fc1' has no spatial grid, its output is of shape (1, 2). Name a convolutional layer.",
        ),
        (
            ["scan.png", "--method", "grad"],
            f"Unknown method 'grad'. {nearest('grad', all_methods())}.",
        ),
        (
            ["scan.png", "--compare", "gradcam,grad"],
            f"Unknown method 'grad'. {nearest('grad', all_methods())}.",
        ),
        (["scan.png", "--option", "samples"], "Option 'samples' has no value. Write --option name=value."),
        (
            ["scan.png", "--option", "samples=9"],
            "Method 'hirescam' has no option 'samples'. Leave it out, the method has no options.",
        ),
        (
            ["scan.png", "--method", "rise", "--option", "samples=many"],
            (
                "Option 'samples' of method 'rise' is 'many', not a whole number. "
                f"Write --option samples={get_method('rise').options['samples']}."
            ),
        ),
        (
            ["scan.png", "--training", "none"],
            "Data 'none' does not exist. Give a folder of images or a CSV manifest.",
        ),
        (["scan.png", "--target", "fc1"], "Target 'fc1' is not one unit. Write top, class:K or LAYER:INDEX."),
        (["scan.png", "--target", "fc9:1"], "Unknown layer 'fc9'. Did you mean 'fc2' or 'fc1'."),
        (
            ["scan.png", "--target", "fc1:2"],
            "Feature 'fc1:2' is out of range: layer 'fc1' has 2 nodes. Give an index from 0 to 1.",
        ),
        (
            ["scan.png", "--target", "class:2"],
            "Feature 'class:2' is out of range: the model has 2 classes. Give an index from 0 to 1.",
        ),
        (["transparent.png"], None),
    ],
)
def test_bad_input_is_one_line_and_2(folder, args, message):
    Image.new("RGBA", (64, 64), (1, 2, 3, 4)).save("transparent.png")
    message = message or (
        "Sample 'transparent.png' has 4 channels, the model takes 1. "
        "Convert the sample, or pass the model's own --channels to `foveal pack`."
    )
    result = explain(*args, "-o", "out")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"foveal: error: {message}\n"
    assert not (folder / "out").exists()


def test_a_model_in_training_mode_is_refused(folder):
    result = explain("scan.png", "-o", "out", model="python:blob_model:training")
    assert (result.exit_code, result.stderr) == (
        2,
        "foveal: error: The model is in training mode. Call model.eval() first.\n",
    )


def test_a_sample_of_the_wrong_size_is_named_with_the_mend(folder):
    result = explain("scan.png", "-o", "out", model="python:blob_model:any_size")
    assert result.exit_code == 2
    start, end = result.stderr.split("mat1 and mat2 shapes cannot be multiplied")
    assert start == "foveal: error: Sample 'scan.png' of size 64x128 does not fit the model: "
    assert end.endswith(
        "x768 and 24x7). Pass the size that the model takes as --size H,W to `foveal pack`.\n"
    )


def test_a_folder_that_cannot_be_written_is_3(folder):
    (folder / "out").write_text("a file")
    result = explain("scan.png", "-o", "out")
    assert result.exit_code == 3
    assert (
        result.stderr
        == "foveal: error: Folder 'out' cannot be written: File exists. Choose another with -o.\n"
    )


def test_the_files_can_be_read_by_others(folder):
    assert explain("scan.png", "-o", "out").exit_code == 0
    probe = folder / "probe"
    probe.write_text("")
    for path in (folder / "out").iterdir():
        assert path.stat().st_mode == probe.stat().st_mode


def test_sixteen_bit_and_colour_samples(folder):
    wide = (np.asarray(Image.open("scan.png")).astype(np.uint16)) * 257
    Image.fromarray(wide).save("wide.png")
    Image.open("scan.png").convert("RGB").save("colour.png")
    result = explain("scan.png", "wide.png", "colour.png", "-o", "out", "--json")
    assert result.exit_code == 0, result.output
    maps = [
        np.load(io.BytesIO((folder / f"out/{stem}.npy").read_bytes())) for stem in ("scan", "wide", "colour")
    ]
    np.testing.assert_allclose(maps[1], maps[0], rtol=1e-4, atol=1e-9)
    assert np.array_equal(maps[2], maps[0])


def report(folder, name="scan"):
    return json.loads((folder / f"out/{name}.json").read_text())


def test_several_targets_in_one_call(folder):
    result = explain(
        "scan.png", "-o", "out", "--target", "fc1:1", "--target", "class:1", "--target", "class:0"
    )
    assert result.exit_code == 0, result.output
    maps = np.load(folder / "out/scan.npy")
    assert (maps.shape, maps.dtype) == ((3, 64, 64), np.float32)
    for number, target in enumerate(("fc1:1", "class:1", "class:0")):
        assert explain("scan.png", "-o", "one", "--target", target).exit_code == 0
        np.testing.assert_allclose(maps[number], np.load(folder / "one/scan.npy"), rtol=1e-5, atol=1e-9)
    told = report(folder)
    assert told["targets"] == ["fc1:1", "class:1", "class:0"]
    assert [one["target"] for one in told["maps"]] == told["targets"]
    assert "target" not in told
    assert [(box["target"], box["number"]) for box in told["boxes"]][:4] == [
        ("fc1:1", 1),
        ("fc1:1", 2),
        ("class:1", 1),
        ("class:1", 2),
    ]
    single = Image.open(folder / "one/scan.png")
    assert Image.open(folder / "out/scan.png").width == 3 * single.width + 20


def test_an_input_method_with_options(folder):
    args = ("scan.png", "--method", "rise", "--target", "class:1", "--option", "samples=40")
    assert explain(*args, "-o", "out", "--seed", "3").exit_code == 0
    told = report(folder)
    assert (told["method"], told["layer"], told["seed"]) == ("rise", "input", 3)
    assert told["options"]["samples"] == 40
    assert set(told["options"]) == set(get_method("rise").options)
    map_ = np.load(folder / "out/scan.npy")
    model = load_model("python:blob_model:blobs")
    x = model.transform(read_image(folder / "scan.png"))[None]
    public = foveal.explain(
        model.module, x, method="rise", targets="class:1", options={"samples": 40}, seed=3
    )
    assert np.array_equal(public.maps[0, 0].numpy(), map_)
    assert explain(*args, "-o", "again", "--seed", "4").exit_code == 0
    assert not np.array_equal(np.load(folder / "again/scan.npy"), map_)


def test_noisy_maps_are_drawn_and_searched_smoothed_and_kept_raw(folder):
    assert explain("scan.png", "-o", "out", "--method", "gradient", "--target", "class:1").exit_code == 0
    told, map_ = report(folder), np.load(folder / "out/scan.npy")
    assert told["smoothing"] == {"sigma_cells": 1.28, "of": ["png", "boxes"], "raw": ["npy"]}
    assert told["map"] == {"grid": [64, 64], "min": float(map_.min()), "max": float(map_.max())}
    assert explain("scan.png", "-o", "out", "--target", "class:1").exit_code == 0
    assert report(folder)["smoothing"]["sigma_cells"] == 1.28
    assert explain("scan.png", "-o", "out", "--layer", "relu2", "--target", "class:1").exit_code == 0
    assert report(folder)["smoothing"] is None


@pytest.fixture
def doubtful():
    """A method that fails the check of its sanity."""

    @layer_method("doubtful", formula="M = A", source="none", sanity="fails")
    def combine(activations, gradients):
        """Show the activations, whatever is asked."""
        return activations.sum(1)

    yield "doubtful"
    METHODS.pop("doubtful")


def test_a_method_that_fails_is_stamped(folder, doubtful):
    assert explain("scan.png", "-o", "plain", "--target", "class:1").exit_code == 0
    result = explain("scan.png", "-o", "out", "--method", doubtful, "--compare", f"gradcam,{doubtful}")
    assert result.exit_code == 0, result.output
    told = report(folder)
    assert (told["sanity"], told["for_viewing_only"]) == ("fails", True)
    picture = np.asarray(Image.open(folder / "out/scan.png"))
    assert (picture[0] == 20).all()
    assert [one["for_viewing_only"] for one in report(folder, "scan.compare")["methods"]] == [False, True]


def test_a_contact_sheet_with_faithfulness(folder):
    result = explain(
        "scan.png", "-o", "out", "--target", "class:1", "--compare", "gradcam,hirescam,rise,cam",
        "--option", "samples=40", "--json",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)[0]["compare"]
    assert told == report(folder, "scan.compare")
    assert [one["method"] for one in told["methods"]] == ["gradcam", "hirescam", "rise", "cam"]
    chance = told["random"]["faithfulness"][0]
    for one in told["methods"][:3]:
        (measured,) = one["faithfulness"]
        assert measured["insertion_auc"] > chance["insertion_auc"] + 0.05
        assert measured["deletion_auc"] < chance["deletion_auc"] - 0.05
        assert measured["deletion"][0] == pytest.approx(told["values"][0], rel=1e-5)
        assert measured["insertion"][-1] == pytest.approx(told["values"][0], rel=1e-5)
        assert len(measured["deletion"]) == len(told["fractions"])
        assert one["milliseconds"] > 0
    assert told["methods"][3]["fault"].startswith("Method 'cam' explains classes behind an average")
    maps = np.load(folder / "out/scan.compare.npz")
    assert sorted(maps.files) == ["gradcam", "hirescam", "rise"]
    assert np.array_equal(maps["hirescam"][0], np.load(folder / "out/scan.npy"))
    assert Image.open(folder / "out/scan.compare.png").width > 600
    assert sorted(path.name for path in (folder / "out").iterdir()) == [
        "scan.compare.json", "scan.compare.npz", "scan.compare.png", "scan.json", "scan.npy", "scan.png",
    ]  # fmt: skip


def test_a_comparison_of_several_targets(folder):
    result = explain(
        "scan.png", "-o", "out", "--target", "class:1", "--target", "fc1:1", "--compare", "gradcam", "--json"
    )
    assert result.exit_code == 0, result.output
    (only,) = json.loads(result.stdout)[0]["compare"]["methods"]
    assert [one["target"] for one in only["faithfulness"]] == ["class:1", "fc1:1"]
    assert len(only["boxes"]) == 2


def test_training_samples_reach_the_methods_that_need_them(folder):
    result = explain(
        "scan.png", "-o", "out", "--method", "prediction-difference", "--target", "class:1",
        "--training", "again", "--option", "samples=2",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert report(folder)["training_samples"] == 1
