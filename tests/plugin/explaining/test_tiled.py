"""Large images by tiles: the whole's own map where the network is local, and windows in its own pixels."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import skimage
import tifffile
import torch
from torch import nn
from typer.testing import CliRunner

from foveal.archives.model import AuditedModel
from foveal.cli import build_app
from foveal.config import FovealConfig
from foveal.errors import UsageError
from foveal.explaining.explanation import explain
from foveal.explaining.tiled import explain_tiled
from foveal.samples.large import OpenImage
from foveal.samples.transform import ImageTransform

RANDOM = np.random.default_rng(0)


class Bright(nn.Module):
    """Class 1 for bright places; every cell of its map sees 4 x 4 pixels and nothing else."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 4, stride=4)
        self.relu = nn.ReLU()
        self.fc = nn.Linear(2, 2)
        with torch.no_grad():
            self.conv.weight.fill_(1 / 48)
            self.conv.bias.copy_(torch.tensor([-0.5, 0.0]))
            self.fc.weight.copy_(torch.tensor([[0.0, 0.1], [30.0, 0.0]]))
            self.fc.bias.copy_(torch.tensor([0.5, 0.0]))

    def forward(self, x):
        return self.fc(self.relu(self.conv(x)).mean((2, 3)))


def model(size=(64, 64), **config):
    settings = FovealConfig.from_mapping({"window": 40, **config}, environ={})
    transform = ImageTransform(size=size, channels=3)
    return AuditedModel(
        "bright", Bright().eval(), transform, ("dark", "bright"), settings, "a" * 64, "python:x:y"
    )


def factory():
    return Bright().eval()


@pytest.fixture
def slide(tmp_path):
    """A dark slide with one bright spot of 40 x 40 pixels."""
    values = RANDOM.integers(0, 60, (512, 768, 3), dtype=np.uint8)
    values[300:340, 500:540] = 240
    path = tmp_path / "slide.tif"
    tifffile.imwrite(path, values, tile=(128, 128), photometric="rgb", compression="zlib")
    return path, values


def test_the_spot_is_found_in_the_slides_own_pixels(slide):
    with OpenImage(slide[0]) as image:
        found = explain_tiled(model(), image, target=1)
    assert found.windows[0].window == (300, 500, 340, 540)
    assert found.windows[0].score > 0.95
    (window, best) = max(found.tiles, key=lambda one: one[1])
    assert window[0] < 320 < window[2]
    assert window[1] < 520 < window[3]
    assert best > 0.5


def test_the_stitched_map_is_the_wholes_where_the_network_is_local(slide):
    path, values = slide
    with OpenImage(path) as image:
        found = explain_tiled(model(), image, target=1, overlap=0)
    whole = explain(
        Bright().eval(), ImageTransform(channels=3)(values)[None], targets="class:1", layer="relu"
    ).maps
    assert found.map.shape == whole.shape[2:]
    scale = found.map.sum() / whole.sum().item()  # a tile's mean is over fewer cells
    np.testing.assert_allclose(found.map, scale * whole[0, 0].numpy(), atol=1e-4 * found.map.max())


def test_the_target_is_the_most_probable_of_all_tiles(slide):
    with OpenImage(slide[0]) as image:
        found = explain_tiled(model(), image)
    assert found.target == int(found.probabilities.argmax()) == 0
    assert found.probabilities.sum() == pytest.approx(1)


def test_a_larger_tile_is_shown_smaller(slide):
    with OpenImage(slide[0]) as image:
        found = explain_tiled(model(), image, tile=128, target=1)
    assert {window[2] - window[0] for window, _ in found.tiles} == {128}
    (first, *_) = found.windows
    assert abs(first.window[0] - 300) <= 8
    assert abs(first.window[1] - 500) <= 8


def test_a_model_of_free_size_needs_a_tile(slide):
    with OpenImage(slide[0]) as image:
        with pytest.raises(UsageError) as refused:
            explain_tiled(model(size=None), image)
        assert (
            str(refused.value) == "Model 'bright' takes images of any size. Name the side of a tile: --tile."
        )
        assert explain_tiled(model(size=None), image, tile=64, target=1).windows[0].score > 0.9


def test_a_real_pathology_picture():
    path = Path(skimage.__file__).parent / "data" / "ihc.png"
    with OpenImage(path) as image:
        found = explain_tiled(model(), image, target=1)
        assert image.shape == (512, 512, 3)
    assert found.map.shape == (128, 128)
    assert np.isfinite(found.map).all()
    assert found.map.max() > 0
    for one in found.windows:
        y0, x0, y1, x1 = one.window
        assert (y1 - y0, x1 - x0) == (40, 40)
        assert min(y0, x0) >= 0
        assert max(y1, x1) <= 512


def test_by_command(slide, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "bright_model.py").write_text(
        "import importlib.util\n"
        f"spec = importlib.util.spec_from_file_location('tiled_test', {__file__!r})\n"
        "module = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(module)\n"
        "factory = module.factory\n"
    )
    out = tmp_path / "out"
    words = [
        "tiles",
        "python:bright_model:factory",
        str(slide[0]),
        "-o",
        str(out),
        "--tile",
        "64",
        "--target",
        "1",
    ]
    ran = CliRunner().invoke(build_app(), words)
    assert ran.exit_code == 0, ran.output
    report = json.loads((out / "slide.json").read_text())
    assert report["shape"] == [512, 768, 3]
    y0, x0, y1, x1 = report["windows"][0]["window"]
    assert y0 <= 320 < y1
    assert x0 <= 520 < x1
    assert np.load(out / "slide.npy").shape == (128, 192)
    assert (out / "slide.png").stat().st_size > 1000
    assert f"{len(report['tiles'])} tiles" in ran.output


class BrightOrNot(Bright):
    """The same with one logit: how far class 1 is above class 0."""

    def forward(self, x):
        scores = super().forward(x)
        return scores[:, 1:] - scores[:, :1]


@pytest.mark.parametrize("target", [None, 0])
def test_one_logit_speaks_for_the_second_of_two_classes(slide, target):
    single = replace(model(), module=BrightOrNot().eval())
    with OpenImage(slide[0]) as image:
        found, twin = (
            explain_tiled(single, image, target=target),
            explain_tiled(model(), image, target=target),
        )
    assert found.target == twin.target == 0
    np.testing.assert_allclose(found.probabilities, twin.probabilities, atol=1e-6)
    np.testing.assert_allclose(
        [score for _, score in found.tiles], [score for _, score in twin.tiles], atol=1e-6
    )
