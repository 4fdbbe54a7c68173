"""The sliding window against loops, with numpy's interpolation between centres."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate
from toy_subject import ToySubject

from foveal.attribution import get_method

sliding_window = get_method("sliding-window").attribute
_MODES = {1: "linear", 2: "bilinear", 3: "trilinear"}


def _resize(crop, x):
    return interpolate(crop[None], x.shape[1:], mode=_MODES[x.ndim - 1], align_corners=False)[0]


def _crop(crop, _x):
    return crop


def _twin(score, x, window, stride, content):
    """Score every window of one sample and interpolate axis by axis."""
    starts = [sorted({*range(0, side - window + 1, stride), side - window}) for side in x.shape[1:]]
    H = np.zeros([len(axis) for axis in starts])
    for place in product(*(range(len(axis)) for axis in starts)):
        box = [slice(axis[one], axis[one] + window) for axis, one in zip(starts, place, strict=True)]
        H[place] = score(content(x[(slice(None), *box)], x))
    for number, (axis, side) in enumerate(zip(starts, x.shape[1:], strict=True)):
        centres = [start + (window - 1) / 2 for start in axis]
        H = np.apply_along_axis(lambda row, c=centres, n=side: np.interp(np.arange(n), c, row), number, H)
    return H


@pytest.mark.parametrize("content", ["resize", "crop"])
@pytest.mark.parametrize(("sides", "window", "stride"), [((11,), 4, 3), ((8, 7), 3, 2), ((5, 4, 6), 2, 2)])
def test_equals_loops(sides, window, stride, content):
    random = torch.Generator().manual_seed(0)
    x = torch.randn(2, 3, *sides, generator=random, dtype=torch.float64)

    def model(rows):
        """Depends on where things lie, and takes any size."""
        ramp = torch.linspace(0, 1, rows.shape[-1], dtype=rows.dtype)
        return torch.stack([(rows * ramp).flatten(2).mean(2)[:, 0], rows.flatten(1).std(1)], 1)

    subject = ToySubject(model, x)
    maps = sliding_window(subject, window=window, stride=stride, content=content)
    given = {"resize": _resize, "crop": _crop}[content]
    for sample, unit in product(range(2), range(2)):
        twin = _twin(
            lambda crop, u=unit: float(subject.probabilities(crop[None])[0, u]),
            x[sample],
            window,
            stride,
            given,
        )
        torch.testing.assert_close(maps[sample, unit], torch.from_numpy(twin).float())


def test_a_window_in_its_place_has_nothing_around_it():
    x = torch.arange(16.0).reshape(1, 1, 4, 4)
    subject = ToySubject(lambda rows: rows.flatten(1), x, classes=False)
    maps = sliding_window(subject, window=2, stride=2, content="keep", baseline="zero")
    # Unit 5 is the pixel (1, 1): its value where the window holds it, else zero; centres at 0.5 and 2.5.
    outer = torch.tensor([1.0, 0.75, 0.25, 0.0])
    torch.testing.assert_close(maps[0, 5], 5 * outer[:, None] * outer[None, :])


def test_windows_are_no_larger_than_a_thin_volume():
    subject = ToySubject(
        lambda rows: rows.flatten(1).mean(1, keepdim=True), torch.ones(1, 1, 2, 9, 9), classes=False
    )
    assert sliding_window(subject, window=4).tolist() == torch.ones(1, 1, 2, 9, 9).tolist()


def test_finds_an_object_smaller_than_the_sample():
    x = torch.zeros(1, 1, 32, 32)
    x[..., 20:28, 4:12] = 1
    subject = ToySubject(lambda rows: 9 * torch.stack([rows.mean((1, 2, 3)), 1 - rows.mean((1, 2, 3))], 1), x)
    best = int(sliding_window(subject)[0, 0].flatten().argmax())
    assert 20 <= best // 32 < 28
    assert 4 <= best % 32 < 12
