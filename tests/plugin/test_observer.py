"""The observer: predictions untouched, entries that can be recomputed by hand, and the rules at work."""

from __future__ import annotations

import dataclasses
import hashlib
import threading

import numpy as np
import pytest
import torch
from small_nets import Blobs, FlatResidualNet, PatentNet, ResidualNet, SharedNet, seeded

from foveal.capture import ClassTarget, Contribution, NodeTarget, Tap
from foveal.config import FovealConfig
from foveal.crops import find_windows
from foveal.errors import UsageError
from foveal.observer import MAX_FEATURES, Observer, Seen
from foveal.records import entry_id
from foveal.samples import ImageTransform, decode_image

SIDE = ImageTransform(size=(16, 16), channels=1)


def seen(number, shape=(16, 16, 1), **fields):
    pixels = np.random.default_rng(number).integers(0, 255, shape, dtype=np.uint8)
    return Seen(
        sample=f"{number}.png",
        row=fields.pop("row", 0),
        values=pixels,
        source="production",
        time="2026-03-01T12:00:00Z",
        key=f"key-{number}",
        **fields,
    )


def observer(model=None, example=(1, 1, 16, 16), transform=SIDE, **config):
    settings = FovealConfig.from_mapping(config, environ={})
    return Observer(model or seeded(SharedNet), transform, settings, "m" * 64, torch.zeros(example))


def batch(inputs, transform=SIDE):
    return torch.stack([transform(one.values, one.sample) for one in inputs])


def test_the_prediction_is_the_models_own():
    for model, transform in (
        (seeded(PatentNet, True), ImageTransform((96, 96), 1)),
        (seeded(ResidualNet), ImageTransform((32, 32), 3)),
    ):
        inputs = [seen(number, (40, 30, 3)) for number in range(5)]
        x = batch(inputs, transform)
        with observer(model, x[:1].shape, transform, rule="nonzero") as watch, torch.inference_mode():
            output, observations = watch.observe(inputs, x)
            assert torch.equal(output, model(x))
        assert len(observations) == 5


def test_sample_records():
    inputs = [
        seen(0, (20, 30, 1), row=3, label="a", metadata={"site": "A"}, origin="/data/0.png", sha256="f" * 64),
        seen(1),
    ]
    with observer() as watch:
        output, observations = watch.observe(inputs, batch(inputs))
        forward = watch.forward(batch(inputs))
    first, second = (observation.sample for observation in observations)
    assert (first.sample, first.row, first.source, first.label) == ("0.png", 3, "production", "a")
    assert (first.metadata, first.origin, first.time) == (
        {"site": "A"},
        "/data/0.png",
        "2026-03-01T12:00:00Z",
    )
    assert (first.shape, first.model_sha256, first.config_sha256) == (
        (20, 30, 1),
        "m" * 64,
        watch.config.sha256,
    )
    assert first.predicted == int(output[0].argmax())
    assert first.scores == tuple(output[0].tolist())
    assert list(first.activations) == ["fc1"]
    assert first.activations["fc1"] == tuple(forward.nodes["fc1"][0].tolist())
    assert first.sample_sha256 == "f" * 64
    raw = repr((16, 16, 1)).encode() + inputs[1].values.tobytes()
    assert second.sample_sha256 == hashlib.sha256(raw).hexdigest()


@pytest.mark.parametrize("method", ["gradcam", "hirescam"])
def test_entries_can_be_recomputed_from_a_tap_of_their_own(method):
    model, inputs = seeded(SharedNet), [seen(number, (24, 40, 1)) for number in range(6)]
    x = batch(inputs)
    with observer(model, rule="nonzero", features=["fc1", "class:1"], method=method, window=[8, 10]) as watch:
        output, observations = watch.observe(inputs, x)
    with Tap(model, "conv2", ["fc1"]) as tap:
        forward = tap.forward(x)
        contribution = forward.gradients([Contribution()])[:, 0] * forward.activations
        nodes = forward.attribute([NodeTarget("fc1", node) for node in range(7)], method)
        logits = forward.attribute([ClassTarget(1)], method)[:, 0]
    for row, (one, observation) in enumerate(zip(inputs, observations, strict=True)):
        values = {f"fc1:{node}": float(forward.nodes["fc1"][row, node]) for node in range(7)}
        values["class:1"] = float(output[row, 1])
        maps = {f"fc1:{node}": nodes[row, node] for node in range(7)} | {"class:1": logits[row]}
        present = {feature for feature, value in values.items() if value > 0}
        assert {entry.feature for entry in observation.entries} - {"contribution"} <= present
        for feature in [*sorted(present), "contribution"]:
            map_ = (contribution[row].sum(0) if feature == "contribution" else maps[feature]).numpy()
            expected = find_windows(map_, (24, 40), (8, 10))
            ours = [entry for entry in observation.entries if entry.feature == feature]
            assert [entry.window for entry in ours] == [found.window for found in expected]
            for number, (entry, found) in enumerate(zip(ours, expected, strict=True)):
                y0, x0, y1, x1 = entry.window
                assert np.array_equal(decode_image(entry.crop, "crop"), one.values[y0:y1, x0:x1])
                np.testing.assert_allclose(entry.map, map_[found.cells], rtol=1e-4, atol=1e-6)
                assert entry.share == pytest.approx(found.score, rel=1e-4)
                assert entry.id == entry_id(one.key, 0, feature, number, "m" * 64)
                assert (entry.layer, entry.predicted) == ("conv2", int(output[row].argmax()))
                if feature == "contribution":
                    product = contribution[row].numpy()[(slice(None), *found.cells)]
                    np.testing.assert_allclose(entry.vector, product.sum((1, 2)), rtol=1e-4, atol=1e-6)
                    assert entry.activation == pytest.approx(float(map_[found.cells].clip(0).sum()), rel=1e-4)
                    assert (entry.method, entry.threshold) == ("hirescam", 0.0)
                else:
                    assert entry.activation == pytest.approx(values[feature], rel=1e-5)
                    assert (entry.method, entry.threshold, entry.vector.shape) == (method, 0.0, (0,))


def test_a_batch_gives_what_single_samples_give():
    inputs = [seen(number) for number in range(7)]
    x = batch(inputs)
    with observer(rule="nonzero") as watch:
        _, together = watch.observe(inputs, x)
        alone = [watch.observe([one], x[row : row + 1])[1][0] for row, one in enumerate(inputs)]
    for one, other in zip(together, alone, strict=True):
        assert [entry.id for entry in one.entries] == [entry.id for entry in other.entries]
        for ours, theirs in zip(one.entries, other.entries, strict=True):
            assert ours.window == theirs.window
            np.testing.assert_allclose(ours.map, theirs.map, rtol=1e-3, atol=1e-6)


def test_the_evidence_lies_where_the_blobs_are():
    y, x = np.mgrid[:64, :96]
    pixels = np.full((64, 96), 70.0)
    for row, column in ((16, 20), (44, 70)):
        pixels += 170 * np.exp(-((y - row) ** 2 + (x - column) ** 2) / 60)
    one = dataclasses.replace(seen(0), values=pixels.clip(0, 255).astype(np.uint8)[..., None])
    transform = ImageTransform((64, 64), 1)
    with observer(seeded(Blobs), (1, 1, 64, 64), transform, features=["class:1"], rule="nonzero") as watch:
        _, (observation,) = watch.observe([one], transform(one.values)[None])
    for feature in ("class:1", "contribution"):
        windows = [entry.window for entry in observation.entries if entry.feature == feature]
        middles = sorted(((y0 + y1) / 2, (x0 + x1) / 2) for y0, x0, y1, x1 in windows)
        assert np.abs(np.array(middles) - [(16, 20), (44, 70)]).max() <= 4


def test_layers_are_chosen_once_and_can_be_named():
    with observer() as watch:
        assert (watch.layer, watch.node_layers) == ("conv2", ["fc1"])
        assert [str(feature) for feature in watch.features] == [f"fc1:{node}" for node in range(7)]
    with observer(layer="conv1", features=["fc1:2", "conv3:1", "class:*", "contribution"]) as watch:
        assert (watch.layer, watch.node_layers) == ("conv1", ["fc1", "conv3"])
        assert [str(f) for f in watch.features] == ["fc1:2", "conv3:1", "class:0", "class:1", "class:2"]
    with observer(features=["class:*"]) as watch:
        assert watch.node_layers == ["fc1"]


def test_primed_thresholds_are_written_into_the_entries():
    inputs = [seen(number) for number in range(40)]
    x = batch(inputs)
    with observer() as watch:
        nodes = watch.forward(x).nodes["fc1"].numpy()
        watch.rules.prime({"fc1": nodes})
        _, observations = watch.observe(inputs, x)
    limits = np.maximum(np.percentile(nodes, 90, axis=0), 0)
    written = {
        (row, int(entry.feature.split(":")[1])): entry.threshold
        for row, observation in enumerate(observations)
        for entry in observation.entries
        if entry.feature != "contribution"
    }
    assert set(written) <= set(zip(*np.nonzero(nodes > limits), strict=True))
    assert written
    assert all(limit == pytest.approx(limits[node], rel=1e-5) for (_, node), limit in written.items())


def test_wide_layers_are_cut_to_the_strongest_features():
    model, transform = seeded(ResidualNet), ImageTransform((32, 32), 3)
    model.layer3[0].conv2 = torch.nn.Conv2d(16, 60, 3, 2, 1)
    model.layer3[0].shortcut = torch.nn.Conv2d(12, 60, 1, 2)
    model.fc = torch.nn.Linear(60, 3)
    one = seen(0, (32, 32, 3))
    with observer(model.eval(), (1, 3, 32, 32), transform, rule="nonzero") as watch:
        _, (observation,) = watch.observe([one], transform(one.values)[None])
    assert sum(value > 0 for value in observation.sample.activations["layer3"]) > MAX_FEATURES
    assert len({entry.feature for entry in observation.entries} - {"contribution"}) <= MAX_FEATURES


def test_closing_gives_the_model_back():
    model = seeded(SharedNet)
    watch = observer(model)
    assert any(module._forward_hooks for module in model.modules())
    watch.close()
    assert not any(module._forward_hooks for module in model.modules())


def test_threads_share_an_observer():
    inputs = [seen(number) for number in range(8)]
    x = batch(inputs)
    results = {}
    with observer(rule="nonzero") as watch:
        alone = [watch.observe([one], x[row : row + 1]) for row, one in enumerate(inputs)]

        def work(own):
            for row in own:
                results[row] = watch.observe([inputs[row]], x[row : row + 1])

        threads = [threading.Thread(target=work, args=(range(first, 8, 2),)) for first in (0, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for row, (output, (observation,)) in enumerate(alone):
        assert torch.equal(results[row][0], output)
        others = results[row][1][0].entries
        assert [entry.id for entry in others] == [entry.id for entry in observation.entries]
        assert all(np.array_equal(a.map, b.map) for a, b in zip(others, observation.entries, strict=True))


def test_a_sample_that_does_not_fit_is_named():
    transform, one = ImageTransform(), seen(0, (32, 48, 1))
    with observer(transform=transform) as watch, pytest.raises(UsageError) as caught:
        watch.observe([one], transform(one.values)[None])
    assert str(caught.value) == (
        "Sample '0.png' of size 32x48 does not fit the model: "
        "mat1 and mat2 shapes cannot be multiplied (1x144 and 24x7). "
        "Pass the size that the model takes as --size H,W to `foveal pack`."
    )


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"layer": "conv9"}, "Unknown layer 'conv9'. Did you mean 'conv3' or 'conv2' or 'conv1'."),
        ({"features": ["fc3:1"]}, "Unknown layer 'fc3'. Did you mean 'fc2' or 'fc1' or 'conv3'."),
        (
            {"features": ["fc1:7"]},
            "Feature 'fc1:7' is out of range: layer 'fc1' has 7 nodes. Give an index from 0 to 6.",
        ),
        (
            {"layer": "fc1"},
            "Layer 'fc1' has no spatial grid, its output is of shape (1, 7). Name a convolutional layer.",
        ),
    ],
)
def test_what_cannot_be_watched_is_named_and_leaves_no_hooks(config, message):
    model = seeded(SharedNet)
    with pytest.raises(UsageError) as caught:
        observer(model, **config)
    assert str(caught.value) == message
    assert not any(module._forward_hooks for module in model.modules())


def test_channels_are_mapped_on_their_own_grid_unless_a_layer_is_named():
    transform, one = ImageTransform((32, 32), 3), seen(0, (32, 32, 3))
    for layer, expected in {"auto": {"layer2", "layer3"}, "layer2": {"layer2"}}.items():
        with observer(
            seeded(FlatResidualNet), (1, 3, 32, 32), transform, rule="nonzero", layer=layer
        ) as watch:
            _, (observation,) = watch.observe([one], transform(one.values)[None])
        assert {entry.layer for entry in observation.entries} == expected
        assert {entry.layer for entry in observation.entries if entry.feature == "contribution"} == {"layer2"}
