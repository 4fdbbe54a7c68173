"""What is examined, and what is said about the rest."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest
from synthetic_library import make_samples, make_windows, noise_crop, stripes_crop

from foveal.errors import UsageError
from foveal_audit.examining import (
    Split,
    chosen_features,
    examine,
    facet_of,
    gather,
    node_rows,
    rank_nodes,
    require_recorded,
    split_node,
)
from foveal_audit.judgement.surroundings import surroundings
from foveal_audit.settings import AuditSettings
from foveal_audit.units.formation import Formation
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


def test_contribution_units_come_first_then_nodes():
    examined = examine(evidence(nodes=(30, 50, 22)), AuditSettings(nodes=2))
    assert [facet.unit.name for facet in examined.facets] == ["contribution:0", "fc1:1", "fc1:2"]
    unit, node = examined.facets[0].unit, examined.facets[1].unit
    assert (unit.layer, unit.channels, unit.local) == ("conv", (0,), True)
    assert (node.layer, node.channels, node.local) == ("fc1", (1,), False)
    assert examined.left_out == [
        "1 contribution unit with fewer than 20 training entries",
        "1 nodes with fewer entries, or like those examined (fc1:0)",
    ]


def test_without_libraries_to_compare_the_nodes_with_most_entries_are_chosen():
    counts = {"contribution": 9, "fc1:0": 5, "class:1": 7, "conv:3": 7}
    chosen, left = chosen_features(counts, AuditSettings(nodes=2))
    assert (chosen, left) == (["contribution", "class:1", "conv:3"], ["fc1:0"])
    assert chosen_features({"fc1:0": 1}, AuditSettings()) == (["fc1:0"], [])


@pytest.mark.parametrize(
    ("only", "nodes"),
    [
        (("fc1",), ["fc1:0", "fc1:2"]),
        (("fc1:*",), ["fc1:0", "fc1:2"]),
        (("fc1:2", "class:*"), ["fc1:2", "class:1"]),
        (("conv:3", "conv:9"), ["conv:3"]),
        ((), ["class:1", "conv:3", "fc1:0", "fc1:2"]),
    ],
)
def test_layers_nodes_channels_and_classes_can_be_chosen(only, nodes):
    counts = {"contribution": 9, "fc1:0": 5, "fc1:2": 4, "class:1": 7, "conv:3": 6}
    chosen, left = chosen_features(counts, AuditSettings(features=only))
    assert chosen == ["contribution", *nodes]
    assert set(left) == counts.keys() - {"contribution"} - set(nodes)


def test_nodes_that_are_named_one_by_one_are_all_examined():
    counts = {"fc1:0": 9, "fc1:1": 8, "fc1:2": 4}
    for nodes in (0, 1):
        settings = AuditSettings(nodes=nodes, features=("fc1:2", "fc1:1"))
        assert chosen_features(counts, settings) == (["fc1:2", "fc1:1"], ["fc1:0"])
    assert chosen_features(counts, AuditSettings(nodes=2, features=("fc1", "fc1:2")))[0] == ["fc1:2", "fc1:0"]


def test_what_was_not_asked_for_and_what_was_and_is_not_there_are_said():
    held = evidence(nodes=(30, 50, 22))
    examined = examine(held, AuditSettings(features=("fc1:0", "fc1:2", "fc1:8", "contribution")))
    assert [facet.unit.name for facet in examined.facets] == ["contribution:0", "fc1:0", "fc1:2"]
    assert examined.left_out[1:] == [
        "1 nodes that were not asked for (fc1:1)",
        "fc1:8: the library holds no entry of it",
    ]


def test_layers_that_were_not_recorded_and_nodes_that_there_are_not_are_refused():
    held = evidence(nodes=(30,))
    require_recorded(("fc1:2", "fc1", "contribution:3", "class:1"), {"class:0": 3}, held.activations)
    with pytest.raises(UsageError) as caught:
        require_recorded(("fc2:*",), held.counts, held.activations)
    assert caught.value.fault == (
        "Feature 'fc2' cannot be audited: the library holds nothing of 'fc2', only of contribution, fc1"
    )
    assert caught.value.mend == (
        "Name one of these, or collect again with 'fc2' among the features of the model's configuration"
    )
    with pytest.raises(UsageError) as caught:
        require_recorded(("fc1:3",), held.counts, held.activations)
    assert caught.value.fault == "Feature 'fc1:3' is out of range: layer 'fc1' has 3 nodes"


def test_an_order_comes_before_the_number_of_entries():
    counts = {"fc1:0": 5, "fc1:1": 9, "fc1:2": 4}
    chosen, left = chosen_features(counts, AuditSettings(nodes=2), order=["fc1:2", "fc1:7"])
    assert (chosen, left) == (["fc1:2", "fc1:1"], ["fc1:0"])


def test_nodes_that_see_the_same_are_not_chosen_twice():
    """fc1:1 sees all but two of the samples of fc1:0, fc1:2 and fc1:3 have samples of their own."""
    rng = np.random.default_rng(1)
    seen = [range(60), range(2, 60), range(60, 90), range(90, 112), range(112, 130)]
    nodes = {
        f"fc1:{n}": make_windows([noise_crop(rng)] * len(own), owner=list(own)) for n, own in enumerate(seen)
    }
    samples = make_samples(["training"] * 130)
    assert rank_nodes(nodes, samples, 3) == ["fc1:0", "fc1:2", "fc1:3"]
    assert rank_nodes(nodes, samples, 9) == ["fc1:0", "fc1:2", "fc1:3", "fc1:1"]  # fc1:4 has too few
    assert rank_nodes(nodes, samples, 0) == rank_nodes({}, samples, 4) == []


def test_classes_and_channels_are_examined_like_nodes():
    rng = np.random.default_rng(2)
    held = evidence()
    found = {
        name: make_windows([noise_crop(rng) for _ in range(30)], owner=np.arange(30), layer="conv")
        for name in ("class:1", "features.conv:4")
    }
    examined = examine(Evidence(held.samples, held.contribution, found, {}), AuditSettings())
    units = {facet.unit.name: facet.unit for facet in examined.facets if not facet.unit.local}
    assert (units["class:1"].layer, units["class:1"].channels) == ("class", (1,))
    assert (units["features.conv:4"].layer, units["features.conv:4"].channels) == ("features.conv", (4,))


def test_the_networks_view_splits_what_looks_alike():
    rng = np.random.default_rng(3)
    windows = make_windows([noise_crop(rng) for _ in range(60)])
    own = np.where(np.arange(60)[:, None] < 35, [[5.0, 0, 0]], [[0, 5.0, 0]]) + rng.normal(0, 0.1, (60, 3))
    assert not split_node(windows, 0).labels.any()
    split = split_node(windows, 0, own.astype(np.float32))
    assert split.labels.tolist() == [0] * 35 + [1] * 25
    assert [one.separates for one in split.formations] == [("network",)] * 2


def test_a_split_survives_being_written():
    rng = np.random.default_rng(4)
    windows = make_windows([stripes_crop(rng, n < 40) for n in range(70)])
    split = split_node(windows, 0)
    again = Split.of(json.loads(json.dumps(asdict(split) | {"labels": split.labels.tolist()})))
    np.testing.assert_array_equal(again.labels, split.labels)
    assert again.formations == split.formations
    assert len(split.formations) == 2
    assert facet_of("fc1:3", windows, again, 1).unit.formation == split.formations[1]
    assert Split.of({"labels": [0], "channels": [[1, 2]]}).formation(0) == Formation()


def test_units_that_do_not_come_back_are_said():
    held = evidence(nodes=(30,))
    splits = {
        "contribution": Split(np.zeros(70, np.int64), ((0,),), (Formation(0.4),)),
        "fc1:0": Split(np.zeros(30, np.int64), (), (Formation(0.59),)),
    }
    assert gather(held, splits).left_out == [
        (
            "contribution:0, facet 0 of fc1:0: examined, but not stable: another part of the library would "
            "be sorted otherwise"
        )
    ]


def test_facets_of_nodes_with_too_few_training_entries_are_said():
    examined = examine(evidence(nodes=(12,)), AuditSettings(nodes=2))
    assert [facet.unit.name for facet in examined.facets] == ["contribution:0"]
    assert examined.left_out[-1] == "1 facet of fc1:0 with fewer than 20 training entries"


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
    assert unused.note == "no entries: never present by the rule; says the same as fc1:0"
    assert (
        node_rows(evidence(nodes=(40,)), ())[0].note
        == "over-firing: present in more than half of the samples"
    )


def test_channels_classes_and_useless_nodes_have_their_rows():
    held = evidence(training=60, production=10)
    rng = np.random.default_rng(5)
    share = np.linspace(0, 1, 70)
    channels = np.stack([share, 1 + 0.1 * share, np.r_[np.zeros(69), 1], share**2], axis=1)
    found = {
        "conv:0": make_windows([noise_crop(rng)] * 7, owner=np.arange(63, 70)),
        "class:10": make_windows([noise_crop(rng)] * 2, owner=[0, 3], activation=[2.5, 1.5]),
        "class:9": make_windows([noise_crop(rng)] * 40, owner=np.arange(40)),
    }
    activations = {"conv": channels.astype(np.float32)}
    seen = node_rows(Evidence(held.samples, held.contribution, found, activations), ())
    rows = {row.feature: row for row in seen}
    assert list(rows) == ["conv:0", "conv:1", "conv:2", "conv:3", "class:9", "class:10"]
    assert rows["conv:0"].note == ""
    assert rows["conv:1"].note == (
        "over-firing: above half of its highest value in half of the samples; says the same as conv:0"
    )
    assert rows["conv:3"].note == "no entries: never present by the rule"
    assert (rows["class:10"].threshold, rows["class:10"].n_entries) == (1.5, 2)
    assert rows["class:9"].note == "over-firing: present in more than half of the samples"
