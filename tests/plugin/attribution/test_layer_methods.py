"""Every method against its formula written out with loops, on any number of axes."""

from __future__ import annotations

import pytest
import torch

from foveal.attribution import METHODS, LayerMethod, get_method, layer_method
from foveal.errors import UsageError


def _gradcam(A, g):
    return sum(g[k].mean() * A[k] for k in range(len(A)))


def _hirescam(A, g):
    return sum(g[k] * A[k] for k in range(len(A)))


def _layercam(A, g):
    return sum(g[k].clamp(min=0) * A[k] for k in range(len(A)))


def _cam(A, g):
    return A[0].numel() * _gradcam(A, g)


def _gradcamplusplus(A, g):
    total = torch.zeros_like(A[0])
    for k in range(len(A)):
        weight = 0.0
        for slope in g[k].flatten().tolist():
            below = 2 * slope**2 + float(A[k].sum()) * slope**3
            weight += (slope**2 / below if below else 0.0) * max(slope, 0.0)
        total += weight * A[k]
    return total


TWINS = {
    "cam": _cam,
    "gradcam": _gradcam,
    "gradcam++": _gradcamplusplus,
    "hirescam": _hirescam,
    "gradxact": _hirescam,
    "layercam": _layercam,
}


def test_every_method_has_a_twin():
    assert {name for name, method in METHODS.items() if isinstance(method, LayerMethod)} == set(TWINS)


@pytest.mark.parametrize("name", TWINS)
@pytest.mark.parametrize("grid", [(5,), (4, 6), (2, 3, 4)])
def test_equals_its_formula(name, grid):
    random = torch.Generator().manual_seed(0)
    A = torch.randn(2, 3, *grid, generator=random, dtype=torch.float64)
    g = torch.randn(2, 3, *grid, generator=random, dtype=torch.float64)
    g[0, 1] = 0
    g[1, :, 0] = 0
    maps = get_method(name).combine(A, g)
    assert maps.shape == (2, *grid)
    for sample in range(2):
        torch.testing.assert_close(maps[sample], TWINS[name](A[sample], g[sample]))


@pytest.mark.parametrize("name", TWINS)
def test_nothing_in_nothing_out(name):
    zeros = torch.zeros(1, 2, 3, 3)
    assert get_method(name).combine(torch.rand(1, 2, 3, 3), zeros).tolist() == zeros[:, 0].tolist()


def test_unknown_names_and_taken_names():
    with pytest.raises(UsageError) as caught:
        get_method("hirescamm")
    assert str(caught.value).startswith("Unknown method 'hirescamm'. Did you mean 'hirescam' or '")
    with pytest.raises(ValueError, match="method 'gradcam' is registered already"):
        layer_method("gradcam", formula="M", source="another", sanity="not measured")(_gradcam)


def test_every_method_says_where_it_comes_from():
    for name, method in METHODS.items():
        assert method.name == name
        assert all((method.summary, method.formula, method.source))
