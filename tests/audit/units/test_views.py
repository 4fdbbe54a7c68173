"""Two embeddings, and what a facet is told of them."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic_library import make_windows, noise_crop

from foveal_audit.units.formation import Formation, formations
from foveal_audit.units.views import by_embedding, described, narrowed


def test_windows_without_anything_of_the_network_have_looks_alone():
    windows = make_windows([noise_crop(np.random.default_rng(n)) for n in range(5)])
    assert list(described(windows, None)) == ["shape", "tone"]
    assert list(described(windows, np.zeros((5, 0), np.float32))) == ["shape", "tone"]
    assert list(described(windows, np.zeros((5, 3), np.float32))) == ["network", "shape", "tone"]


def test_views_are_narrowed_and_nothing_stays_nothing():
    rng = np.random.default_rng(0)
    narrow = narrowed(
        {"network": rng.normal(size=(40, 50)), "shape": np.ones((40, 9)), "tone": np.zeros((40, 0))}, seed=0
    )
    assert {name: points.shape for name, points in narrow.items()} == {
        "network": (40, 16),
        "shape": (40, 1),
        "tone": (40, 1),
    }
    assert not narrow["shape"].any()


def test_looks_are_the_better_of_shape_and_tone():
    assert by_embedding({"network": 1.0, "shape": 2.0, "tone": 5.0}) == {"network": 1.0, "looks": 5.0}
    assert by_embedding({"shape": 2.0, "tone": 1.0}) == {"looks": 2.0}
    assert by_embedding({}) == {}


def test_a_facet_says_where_it_separates():
    formation = Formation(0.5, {"network": 3.0, "looks": 2.7})
    assert formation.separates == ("network",)
    assert formation.is_doubtful
    assert not Formation(0.6).is_doubtful
    assert not Formation().is_doubtful
    assert formation.signals() == {"stability": 0.5, "separation:network": 3.0, "separation:looks": 2.7}
    assert Formation().signals() == {}


def test_formations_are_measured_in_all_views():
    """Means 0 and 8 with deviation 1 in tone, the same everywhere else."""
    spread = np.tile([[-1.0], [1.0]], (10, 1))
    labels = np.repeat([0, 1], 20)
    views = {
        "network": np.tile(spread, (2, 1)),
        "shape": np.zeros((40, 1)),
        "tone": np.concatenate([spread, spread + 8]),
    }
    one, other = formations(labels, views, [1.0, 0.4])
    assert one.separation == other.separation == pytest.approx({"network": 0, "looks": 8})
    assert (one.stability, other.stability) == (1.0, 0.4)
    assert one.separates == ("looks",)
