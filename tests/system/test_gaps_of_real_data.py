"""A gap among real pictures: those of another camera. Speakers have tests of their own, on their sounds.

The CIFAR pictures that are at hand are JPEGs all of them, the PNGs that the network learned from are not. So
the gap is made as it arises: part of production is compressed much harder than the rest. That slight
compression is harmless is asserted on the same pictures.
"""

from __future__ import annotations

import csv
import io
import runpy

import numpy as np
import pytest
import torch
from PIL import Image
from synthetic_library import make_samples, make_windows

from foveal.archives import AuditedModel
from foveal.config import FovealConfig
from foveal.samples import encode_png, read_image
from foveal.samples.transform import ImageTransform
from foveal_audit.gaps.finding import find_gaps
from foveal_audit.reproducible import one_thread

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def deployed(module, side, channels, mean=(0.5,), std=(0.25,)):
    transform = ImageTransform((side, side), channels, mean, std)
    config = FovealConfig.from_mapping({}, environ={})
    return AuditedModel("real", module.eval(), transform, ("a", "b"), config, "f" * 64, "python:real:model")


def found_in(folder, pictures, sources, model, **metadata):
    """Look for gaps among whole pictures, with the middle of each as its window."""
    side = pictures[0].shape[0]
    low, high = side // 4, side - side // 4
    paths = [folder / f"{number:04}.png" for number in range(len(pictures))]
    for path, picture in zip(paths, pictures, strict=True):
        path.write_bytes(encode_png(picture))
    samples = make_samples(sources, origins=list(map(str, paths)), shape=pictures[0].shape, **metadata)
    boxes = np.tile([low, low, high, high], (len(pictures), 1))
    windows = make_windows([np.ascontiguousarray(one[low:high, low:high]) for one in pictures], boxes=boxes)
    with one_thread():
        return find_gaps(windows, samples, model, 0).found


def overlap(gaps, planted):
    """Give the largest intersection over union of a group with what was planted."""
    return max((len(set(one.members) & planted) / len(set(one.members) | planted) for one in gaps), default=0)


@pytest.fixture(scope="module")
def resnet(models, data):
    network = runpy.run_path(str(models / "resnet20.py"))["ResNet20"]()
    weights = torch.load(data / "cifar10" / "resnet20.th", map_location="cpu", weights_only=True)[
        "state_dict"
    ]
    network.load_state_dict({name.removeprefix("module."): value for name, value in weights.items()})
    return deployed(network, 32, 3, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def compressed(picture, quality):
    with io.BytesIO() as stream:
        Image.fromarray(picture).save(stream, "JPEG", quality=quality)
        return np.asarray(Image.open(stream))


@pytest.mark.parametrize(("quality", "is_gap"), [(15, True), pytest.param(92, False, marks=pytest.mark.full)])
def test_hard_compression_of_real_pictures_is_a_gap_and_slight_compression_is_none(
    tmp_path, data, resnet, quality, is_gap
):
    rows = list(csv.DictReader((data / "cifar10" / "manifest.csv").open()))[::3]
    pictures = [read_image(data / "cifar10" / row["path"]) for row in rows]
    order = np.random.default_rng(0).permutation(len(pictures))
    pictures = [pictures[row] for row in order]
    sources = ["training"] * 220 + ["production"] * 114
    planted = set(range(220, 250))
    pictures[220:250] = [compressed(one, quality) for one in pictures[220:250]]
    found = found_in(tmp_path, pictures, sources, resnet)
    if not is_gap:
        assert found == []
        return
    assert overlap(found, planted) >= 0.5
    assert {one.kind for one in found} <= {"uncovered_group", "under_represented"}
