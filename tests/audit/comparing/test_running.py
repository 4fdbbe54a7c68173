"""Methods against a planted truth: who points where, who is refused, and that chance is chance."""

import numpy as np
import planted
import pytest
import torch
from torch import nn

from foveal.errors import UsageError
from foveal_audit.comparing.cases import Case, batches
from foveal_audit.comparing.layers import layers_by_depth
from foveal_audit.comparing.results import sum_up
from foveal_audit.comparing.running import (
    BASELINE,
    MEASURES,
    Contender,
    Question,
    choose_methods,
    compare,
    contenders,
)


def cases(number=12, label=1):
    """Dark pictures with a bright square in the corner, at which TriggerNet looks."""
    rng = np.random.default_rng(0)
    mask = np.zeros((24, 24), bool)
    mask[4:10, 4:10] = True
    made = []
    for n in range(number):
        x = 0.1 * rng.random((1, 24, 24), dtype=np.float32)
        x[0, mask] = 0.9
        made.append(Case(f"{n}.png", torch.from_numpy(x), mask, label))
    return made


@pytest.fixture
def net():
    return planted.TriggerNet().eval()


def found(scores):
    return {(one.method, one.layer): one.measures for one in sum_up(scores)}


def test_what_the_network_was_built_to_use_is_found(net):
    listed = contenders(net, cases(1)[0].x[None], choose_methods(["hirescam", "layercam", "gradient"]))
    measures = found(compare(net, cases(), listed, Question(target="class:1")))
    assert list(measures)[-2:] == [("random map", BASELINE), ("centre", BASELINE)]
    for method in ("hirescam", "layercam"):
        best = measures[method, "relu"]
        for name in ("sensitivity", "specificity", "auc", "pointing", "mass"):
            assert best[name].mean == pytest.approx(1), name
        assert best["deletion"].mean < measures["random map", BASELINE]["deletion"].mean
        assert best["insertion"].mean > measures["random map", BASELINE]["insertion"].mean
        assert best["pointing"].count == 12
    assert measures["gradient", "input"]["auc"].mean == pytest.approx(1)
    assert measures["random map", BASELINE]["auc"].mean == pytest.approx(0.5, abs=0.1)


def test_a_label_is_explained_for_each_sample_of_its_own(net):
    listed = [Contender("hirescam", "relu")]
    both = compare(net, [*cases(2, label=1), *cases(2, label=0)], listed, Question("label", faithful=False))
    assert both[0].values["mass"] == pytest.approx([1, 1, 0, 0])  # class 0 rests on a constant


def test_the_seed_and_nothing_else_decides(net):
    listed = [Contender("random map", BASELINE), Contender("layercam", "conv")]
    first, again, other = (compare(net, cases(), listed, Question(seed=seed)) for seed in (0, 0, 1))
    assert [one.values for one in first] == [one.values for one in again]
    assert first[0].values["auc"] != other[0].values["auc"]
    assert first[1].values["pointing"] == other[1].values["pointing"]


def test_a_method_that_the_model_cannot_have_is_reported_with_the_reason(net):
    refused, heard = compare(
        net,
        cases(3),
        [Contender("layercam", "relu9"), Contender("layercam", "relu")],
        Question(faithful=False),
    )
    assert refused.refused == "Unknown layer 'relu9'. Did you mean 'relu'."
    assert sum_up([refused])[0].measures == {}
    assert not heard.refused
    assert set(sum_up([heard])[0].measures) == {*MEASURES} - {"insertion", "deletion"}


def test_a_target_that_does_not_exist_is_an_error(net):
    with pytest.raises(UsageError):
        compare(net, cases(1), [Contender("layercam", "relu")], Question(target="class:7"))


def test_samples_of_several_shapes(net):
    small, large = cases(2), cases(1)
    large = [Case("wide", torch.zeros(1, 24, 30), np.eye(24, 30, dtype=bool))]
    groups = list(batches([*small, *large, *small], 16))
    assert [len(group) for group in groups] == [2, 1, 2]
    scores = compare(net, [*small, *large], [Contender("layercam", "relu")], Question(faithful=False))
    assert len(scores[0].values["auc"]) == 3


class Signal(nn.Module):
    """Class 1 for a bright stretch anywhere; the grid has any number of axes."""

    def __init__(self, axes):
        super().__init__()
        kind = {1: nn.Conv1d, 3: nn.Conv3d}[axes]
        self.conv = kind(1, 1, 1)
        self.relu = nn.ReLU()
        nn.init.ones_(self.conv.weight)
        nn.init.constant_(self.conv.bias, -0.5)

    def forward(self, x):
        seen = self.relu(self.conv(x)).flatten(2).mean(2)
        return torch.cat([0 * seen, seen], 1)


@pytest.mark.parametrize("shape", [(40,), (6, 8, 10)])
def test_signals_and_volumes(shape):
    mask = np.zeros(shape, bool)
    mask[tuple(slice(2, 4) for _ in shape)] = True
    case = Case("s", torch.from_numpy(mask[None].astype(np.float32)), mask)
    (score,) = compare(
        Signal(len(shape)).eval(), [case], [Contender("layercam", "relu")], Question("class:1")
    )
    assert {
        name: values[0] for name, values in score.values.items() if name in ("auc", "pointing", "mass")
    } == {
        "auc": 1,
        "pointing": 1,
        "mass": 1,
    }


class Deep(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.ReLU())
        self.pool = nn.MaxPool2d(2)
        self.b = nn.Sequential(nn.Conv2d(2, 2, 3, padding=1), nn.ReLU())
        self.last = nn.MaxPool2d(2)
        self.fc = nn.Linear(8, 2)

    def forward(self, x):
        return self.fc(self.last(self.b(self.pool(self.a(x)))).flatten(1))


def test_layers_come_shallow_to_deep_one_per_resolution():
    net = Deep().eval()
    assert layers_by_depth(net, torch.rand(1, 1, 8, 8)) == ["a", "b"]
    assert all(not module._forward_hooks for module in net.modules())


def test_methods_are_chosen_by_cost_and_compared_where_they_map():
    net, x = Deep().eval(), torch.rand(1, 1, 8, 8)
    cheap = {method.name for method in choose_methods()}
    assert {"gradcam", "gradient"} <= cheap
    assert "rise" not in cheap
    assert {method.name for method in choose_methods(["all"])} > cheap
    chosen = choose_methods(["gradient", "gradcam", "gradcam"])
    assert [(one.method, one.layer) for one in contenders(net, x, chosen)[:-2]] == [
        ("gradient", "input"),
        ("gradcam", "a"),
        ("gradcam", "b"),
    ]
    assert [(one.method, one.layer) for one in contenders(net, x, chosen, ["b"])[:-2]] == [
        ("gradient", "input"),
        ("gradient", "b"),
        ("gradcam", "b"),
    ]
