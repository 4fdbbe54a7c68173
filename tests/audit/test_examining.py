"""What is examined, and what is said about the rest."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic_library import make_samples, make_windows, noise_crop, stripes_crop

from foveal_audit.examining import examine, node_rows, surroundings
from foveal_audit.settings import AuditSettings
from foveal_audit.windows import Evidence


def evidence(training=60, production=10, nodes=(), small=5):
    """Two units of contribution, one of them small, and nodes with as many entries as told."""
    rng = np.random.default_rng(0)
    number = training + production
    crops = [stripes_crop(rng, True) for _ in range(number - small)] + [noise_crop(rng) for _ in range(small)]
    vectors = np.zeros((number, 3), np.float32)
    vectors[: number - small, 0] = vectors[number - small :, 2] = 1
    sources = np.array(["training"] * training + ["production"] * production)
    sources[[0, -1]] = sources[[-1, 0]]
    samples = make_samples(sources, predicted=np.arange(number) % 2)
    found = {
        f"fc1:{n}": make_windows(
            [stripes_crop(rng, True) for _ in range(size)], owner=np.arange(size) % number, layer="fc1"
        )
        for n, size in enumerate(nodes)
    }
    activations = {"fc1": np.linspace(-1, 1, number)[:, None] * np.array([[1.0, 0.0, 2.0]], np.float32)}
    return Evidence(samples, make_windows(crops, vectors=vectors), found, activations)


def test_contribution_units_come_first_then_the_nodes_with_most_entries():
    examined = examine(evidence(nodes=(30, 50, 40)), AuditSettings(nodes=2))
    assert [facet.unit.name for facet in examined.facets] == ["contribution:0", "fc1:1", "fc1:2"]
    unit, node = examined.facets[0].unit, examined.facets[1].unit
    assert (unit.layer, unit.channels, unit.local) == ("conv", (0,), True)
    assert (node.layer, node.channels, node.local) == ("fc1", (1,), False)
    assert examined.left_out == [
        "1 contribution units with fewer than 20 training entries",
        "1 nodes with fewer entries (fc1:0)",
    ]


def test_facets_of_nodes_with_too_few_training_entries_are_said():
    examined = examine(evidence(nodes=(12,)), AuditSettings(nodes=2))
    assert [facet.unit.name for facet in examined.facets] == ["contribution:0"]
    assert examined.left_out[-1] == "1 facets of fc1:0 with fewer than 20 training entries"


def test_production_entries_do_not_make_a_unit_large():
    assert examine(evidence(training=19, production=60, small=0), AuditSettings()).facets == []


def test_every_window_gets_its_unit_even_in_small_ones():
    held = evidence()
    examined = examine(held, AuditSettings())
    assert list(examined.units) == held.contribution.ids.tolist()
    assert set(examined.units.values()) == {"contribution:0", "contribution:1"}
    own = [one for one, unit in examined.units.items() if unit == "contribution:0"]
    assert examined.facets[0].windows.ids.tolist() == own


def test_a_library_without_contribution_windows_says_so():
    held = evidence()
    empty = Evidence(held.samples, held.contribution.take(np.zeros(70, bool)), {}, {})
    examined = examine(empty, AuditSettings())
    assert (examined.facets, examined.units) == ([], {})
    assert examined.left_out == ["Contribution units: the library holds no contribution windows"]


def test_surroundings_are_training_windows():
    held = evidence(training=50, production=20)
    around = surroundings(held, AuditSettings(pairs=7))
    assert len(around.pool_centres) == 50
    assert around.pool_match.shape == (50, 50)
    assert around.training.sum() == 50
    assert around.pairs == 7
    assert around.taken[3] == ((8, 8, 24, 24),)
    again = surroundings(held, AuditSettings(pairs=7))
    np.testing.assert_array_equal(around.pool_match, again.pool_match)


def test_the_literal_pipeline_lists_every_node():
    held = evidence(training=60, production=10, nodes=(35,))
    rows = node_rows(held, ("a", "b"))
    assert [row.feature for row in rows] == ["fc1:0", "fc1:1", "fc1:2"]
    first, dead, unused = rows
    assert (first.n_entries, first.share, first.top_class) == (35, 0.5, "a")
    assert first.threshold == pytest.approx(-1)
    assert first.note == ""
    assert (dead.n_entries, dead.note) == (0, "dead: never above zero")
    assert unused.note == "no entries: never present by the rule"
    assert (
        node_rows(evidence(nodes=(40,)), ())[0].note
        == "over-firing: present in more than half of the samples"
    )
