from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from foveal.samples.transform import ImageTransform
from foveal_audit.bench import Spaced
from foveal_audit.generators import CopyGuard, fit_generator, fresh_crops
from foveal_audit.generators.memorisation import find_copies
from foveal_audit.generators.pasting import Pasting, coldest
from foveal_audit.generators.unit_value import unit_measure
from foveal_audit.judgement.filling import fill_from
from foveal_audit.spans import Span
from foveal_audit.units.unit import Unit


def brightness(samples):
    return np.array([float(sample.mean()) for sample in samples])


def test_crops_go_into_hosts_and_places_in_turn():
    hosts = [np.full((40, 60, 1), level, np.uint8) for level in (10, 20, 30)]
    seen = []
    pasting = Pasting(lambda samples: seen.extend(samples) or brightness(samples), hosts, [(0.5, 0.5, 1, 1)])
    crops = np.ones((4, 1, 20, 30), np.float32)
    values = pasting(crops)
    patch = np.full((20, 30, 1), 255, np.uint8)
    expected = [fill_from(host, (20, 30, 40, 60), patch) for host in (*hosts, hosts[0])]
    np.testing.assert_array_equal(np.stack(seen), np.stack(expected))
    np.testing.assert_allclose(values, brightness(expected))
    assert seen[0][0, 0, 0] == 10
    assert seen[0][30, 45, 0] == 255


@pytest.mark.parametrize(("kind", "top"), [(np.uint8, 255), (np.uint16, 65535)])
def test_crops_take_the_size_and_bits_of_the_place(kind, top):
    seen = []
    pasting = Pasting(
        lambda samples: seen.extend(samples) or np.zeros(len(samples)),
        [np.zeros((64, 64, 3), kind)],
        [(0, 0, 0.25, 0.5)],
    )
    pasting(np.full((1, 3, 8, 8), 0.5, np.float32))
    assert seen[0].dtype == kind
    assert seen[0][8, 16].tolist() == [round(top / 2)] * 3
    assert not seen[0][16:].any()


def test_the_coldest_hosts_are_chosen():
    samples = [np.full((2, 2, 1), level, np.uint8) for level in (5, 1, 9, 3)]
    assert [int(one[0, 0, 0]) for one in coldest(brightness, samples, 2)] == [1, 3]
    assert coldest(brightness, [], 2) == []


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 1, bias=False)
        self.conv.weight.data = torch.tensor([1.0, -1.0]).reshape(2, 1, 1, 1)
        self.fc = nn.Linear(2, 3, bias=False)
        self.fc.weight.data = torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]])

    def forward(self, x):
        return self.fc(self.conv(x).mean((2, 3)))


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        (None, 0.4),  # logits .4, 0, -.4: the first minus their mean
        (Unit("contribution:0", "conv", (0, 1), local=True), 0.4),
        (Unit("fc:2", "fc", (2,), local=False), -0.4),
        (Unit("class:2", "class", (2,), local=False), -0.4),
        (Unit("conv:0", "conv", (0,), local=False), 1.0),  # the largest of its places
    ],
)
def test_the_value_of_a_unit_is_its_own_or_that_of_the_class_it_speaks_for(unit, expected):
    sample = np.zeros((5, 2, 1), np.uint8)
    sample[:4, 0] = 255
    model = SimpleNamespace(module=Net().eval(), transform=ImageTransform())
    values = unit_measure(model, 0, unit)([sample, sample])
    np.testing.assert_allclose(values, [expected] * 2, atol=1e-6)
    assert not model.module.fc._forward_hooks
    assert not model.module.conv._forward_hooks


def test_no_copy_is_served(library):
    generator = fit_generator(library, kind="pca-gmm")
    made = generator.sample(10, 0)
    guard = CopyGuard(np.concatenate([library, made[:4]]), 1e-4)
    assert guard.flags(made).tolist() == [True] * 4 + [False] * 6
    served = fresh_crops(generator, 10, 0, guard)
    assert len(served) == 10
    assert not guard.flags(served).any()
    np.testing.assert_array_equal(served[:6], made[4:])


def test_where_all_are_copies_none_is_served(library):
    generator = fit_generator(library, kind="pca-gmm")
    assert len(fresh_crops(generator, 5, 0, CopyGuard(library, 10.0))) == 0


def test_the_guard_measures_by_how_near_real_crops_are_to_each_other(library):
    rng = np.random.default_rng(0)
    guard = CopyGuard.of(library)
    near = (library[:5] + rng.normal(0, 0.004, library[:5].shape)).clip(0, 1).astype(np.float32)
    assert guard.flags(near).all()
    assert not guard.flags(fit_generator(library[:60], kind="pca-gmm").sample(20, 0)).any()


def test_a_look_that_five_other_samples_share_is_no_copy(library):
    stamps = np.repeat(library[:1], 12, axis=0)
    crops = np.concatenate([stamps, library[50:]])
    made = np.concatenate([library[:1], library[60:61]])
    alone = list(range(len(crops)))
    assert CopyGuard.of(crops, alone).flags(made).tolist() == [False, True]
    assert CopyGuard.of(crops).flags(made).tolist() == [True, True]
    one_sample = [0] * 12 + alone[12:]
    assert CopyGuard.of(crops, one_sample).flags(made).tolist() == [True, True]
    assert find_copies(made, crops, library[:0], alone)["copies"] == 0.5
    assert find_copies(made, crops, library[:0])["copies"] == 1


@pytest.mark.parametrize("sides", [(90,), (20, 24, 28)])
def test_crops_go_into_traces_and_volumes_in_their_own_unit(sides):
    host = np.zeros((*sides, 2), np.float32)
    host[..., 1] = 40
    seen = []
    place = (*[0.25] * len(sides), *[0.75] * len(sides))
    span = Span((-1.0, 0.0), (3.0, 80.0))
    pasting = Pasting(lambda samples: seen.extend(samples) or np.zeros(len(samples)), [host], [place], span)
    pasting(np.ones((1, 2, *[16] * len(sides)), np.float32))
    middle, corner = tuple(side // 2 for side in sides), (0,) * len(sides)
    assert seen[0].dtype == np.float32
    np.testing.assert_allclose(seen[0][middle], [3, 80], atol=1e-4)
    np.testing.assert_allclose(seen[0][corner], [0, 40])
    changed = (seen[0] != host).any(-1)
    assert changed.sum() <= np.prod([round(0.75 * side) - round(0.25 * side) for side in sides])


def test_a_node_of_a_network_on_traces_is_asked_with_the_spacing_of_each():
    heard = []

    def transform(values, name="", spacing=()):
        heard.append(spacing)
        return torch.from_numpy(np.ascontiguousarray(values.T))

    model = SimpleNamespace(module=nn.Sequential(nn.Conv1d(1, 2, 3), nn.Flatten()), transform=transform)
    trace = np.zeros((8, 1), np.float32)
    measure = unit_measure(model, 0, Unit("conv:1", "0", (1,), local=False))
    values = measure([Spaced.of(trace, (0.002,)), trace])
    assert heard == [(0.002,), ()]
    np.testing.assert_allclose(values, model.module[0].bias[1].item(), rtol=1e-5)
