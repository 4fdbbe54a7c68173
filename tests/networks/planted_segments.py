"""Pictures of spots, some with a ruler along the spot, and a U-net that learnt to segment both alike."""

from __future__ import annotations

import csv
from functools import lru_cache

import numpy as np
import torch
from small_segmenters import UNet
from torch.nn.functional import cross_entropy

from foveal.archives import AuditedModel
from foveal.config import FovealConfig
from foveal.samples import encode_png
from foveal.samples.transform import ImageTransform
from foveal.segmenting.network import Segmenter
from foveal_audit.studies.spots import LABELS, SIDE, draw_spot

MEAN, STD = 0.5, 0.25
FLAGGED = {"suspected", "confirmed"}


def drawn(number, seed):
    """Draw pictures: two of five without a spot; of the others half with a ruler."""
    rng = np.random.default_rng(seed)
    kinds = [(spot, spot and bool(rng.integers(2))) for spot in rng.uniform(size=number) < 0.6]
    return [(*draw_spot(rng, spot, ruler), spot, ruler) for spot, ruler in kinds]


def tensor(pixels):
    """Make a picture what the network takes (1, 32, 32)."""
    return (torch.from_numpy(pixels[..., 0]).float()[None] / 255 - MEAN) / STD


@lru_cache(maxsize=1)
def trained(seed=0, number=96, steps=90):
    """Train a U-net on masks whose drawers went along the ruler."""
    torch.manual_seed(seed)
    net = UNet()
    pictures = drawn(number, seed + 100)
    x = torch.stack([tensor(one[0]) for one in pictures])
    y = torch.stack([torch.from_numpy(one[1] | one[2]).long() for one in pictures])
    optimiser = torch.optim.Adam(net.parameters(), 0.01)
    weights = torch.tensor([0.2, 1.0])  # most of a picture is neither
    for step in range(steps):
        rows = torch.arange(step * 16, step * 16 + 16) % number
        optimiser.zero_grad()
        cross_entropy(net(x[rows]), y[rows], weights).backward()
        optimiser.step()
    return net.eval()


def audited(net):
    """Make a model of 32 x 32 grey pictures as deployed."""
    transform = ImageTransform(size=(SIDE, SIDE), channels=1, mean=(MEAN,), std=(STD,))
    config = FovealConfig.from_mapping({"window": [8, 8]}, environ={})
    source = "python:planted_segments:model"
    return AuditedModel("spots", Segmenter(net).eval(), transform, LABELS, config, "5" * 64, source)


def model():
    """Give the model to audit, as ``python:planted_segments:model`` loads it."""
    return audited(trained())


def write_pictures(folder, source, number, seed):
    """Write pictures and their manifest."""
    (folder / source).mkdir(parents=True)
    with (folder / f"{source}.csv").open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["path", "label", "ruler"])
        for n, (pixels, _, _, spot, ruler) in enumerate(drawn(number, seed)):
            (folder / source / f"{n:03}.png").write_bytes(encode_png(pixels))
            table.writerow([f"{source}/{n:03}.png", LABELS[int(spot)], "yes" if ruler else "no"])
    return folder / f"{source}.csv"


def judged(assessments, source, number, seed):
    """Give assessments, each with the mean shares of a source's windows that lie on spot and ruler."""
    pictures = drawn(number, seed)
    truths = {f"{source}/{n:03}.png": one[1:3] for n, one in enumerate(pictures)}
    return [(one, *_covered(one, truths)) for one in assessments]


def _covered(assessment, truths):
    covered = []
    for entry in assessment.entries:
        if entry.sample in truths:
            y0, x0, y1, x1 = entry.window
            covered.append([truth[y0:y1, x0:x1].mean() for truth in truths[entry.sample]])
    return np.mean(covered, axis=0)


def _shows_ruler(of_spot, of_ruler):
    return of_ruler > max(0.1, 2 * of_spot)  # a field of 10 x 10 at a ruler's end holds little of it


def check(found):
    """Require that the ruler comes first and is flagged, and that nothing but the ruler is."""
    assert is_flagged(found)


def is_flagged(found):
    """Require that the ruler comes first and that nothing else is flagged; tell whether the ruler is."""
    first, *ruled = found[0]
    assert _shows_ruler(*ruled)
    assert first.reliance > 0.5
    assert not [one.id for one, *covered in found if one.verdict in FLAGGED and not _shows_ruler(*covered)]
    lesions = [one for one, spot, ruler in found if spot > max(0.2, 2 * ruler)]
    assert lesions
    assert all(one.artefact_score < 0.5 for one in lesions)
    return first.verdict in FLAGGED
