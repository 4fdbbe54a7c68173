"""What opponents look at, against the network asked step by step."""

from __future__ import annotations

import gc
from dataclasses import replace
from pathlib import Path

import numpy as np
import planted
import pytest
import torch
from torch.nn.functional import adaptive_avg_pool2d, avg_pool2d

from foveal.samples import read_image
from foveal_audit.opponents import seen as room
from foveal_audit.opponents.seen import look


@pytest.fixture(scope="module")
def batch(evidence, model):
    return torch.stack([model.transform(read_image(Path(origin))) for origin in evidence.samples.origins])


def test_logits_and_activations_are_those_of_the_deployed_network(evidence, model, batch):
    net, seen = model.module, look(evidence, model)
    with torch.no_grad():
        x = avg_pool2d(net.relu1(net.conv1(batch)), 2)
        x = avg_pool2d(net.relu2(net.conv2(x)), 2)
        deep = torch.relu(net.fc1(x.mean((2, 3))))
    np.testing.assert_array_equal(seen.rows, np.arange(len(evidence.samples)))
    np.testing.assert_allclose(seen.features, deep, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(seen.logits, net(batch).detach(), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(seen.logits.argmax(1), evidence.samples.predicted)


def test_maps_are_gradient_times_activation_of_the_windows_layer(evidence, model, batch):
    net, seen = model.module, look(evidence, model)
    kept = []
    handle = net.get_submodule(evidence.contribution.layer).register_forward_hook(
        lambda _module, _inputs, output: kept.append(output) or output.retain_grad()
    )
    logits = net(batch.requires_grad_())
    (logits.max(1).values - logits.mean(1)).sum().backward()
    handle.remove()
    naive = (kept[0] * kept[0].grad).sum(1, keepdim=True).detach()
    np.testing.assert_allclose(seen.maps, adaptive_avg_pool2d(naive, 16)[:, 0], rtol=1e-4, atol=1e-6)
    assert np.abs(seen.maps).max() > 0.01


def test_it_is_seen_once_and_forgotten_with_the_library(evidence, model):
    own = replace(evidence, left_out=7)
    first = look(own, model)
    assert look(own, model) is first
    assert look(own, planted.model()) is not first
    key = (id(own), id(model))
    assert key in room._KEPT
    del own, first
    gc.collect()
    assert key not in room._KEPT


def test_a_file_that_changed_is_not_looked_at(evidence, model):
    samples = evidence.samples
    changed = replace(evidence, samples=replace(samples, sha256=("", *samples.sha256[1:])))
    seen = look(changed, model)
    np.testing.assert_array_equal(seen.rows, np.arange(1, len(samples)))
    np.testing.assert_array_equal(seen.maps, look(evidence, model).maps[1:])


def test_nothing_to_look_at(evidence, model):
    blind = replace(evidence, samples=replace(evidence.samples, sha256=("",) * len(evidence.samples)))
    seen = look(blind, model)
    assert [len(values) for name, values in vars(seen).items() if name != "samples"] == [0] * 6
    assert list(seen.classes(evidence.samples.predicted, 1)) == []


def test_without_a_linear_the_channels_are_averaged(evidence, batch):
    model = planted.audited(planted.TriggerNet())
    seen = look(replace(evidence, contribution=replace(evidence.contribution, layer="relu")), model)
    with torch.no_grad():
        naive = model.module.relu(model.module.conv(batch)).mean((2, 3))
    np.testing.assert_allclose(seen.features, naive, rtol=1e-5)


def test_classes_are_those_of_readable_training_samples(make_seen):
    seen = make_seen(["training", "production", "training", "training"], [1, 1, 0, 1])
    assert [own.tolist() for own in seen.classes(seen.samples.predicted, 1)] == [[2], [0, 3]]
    assert [own.tolist() for own in seen.classes(seen.samples.predicted, 2)] == [[0, 3]]
