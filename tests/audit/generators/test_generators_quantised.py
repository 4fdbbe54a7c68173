"""The quantised copy of a generator: the same network in fewer bits, and how far its frames are off."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from foveal_audit.generators import KINDS, fit_generator
from foveal_audit.generators.onnx_graph import onnx_model
from foveal_audit.generators.quantised import deviation, quantised
from foveal_audit.generators.texture import Texture


def bytes_of(model):
    return model.SerializeToString(deterministic=True)


def drawn(model, feeds):
    session = onnxruntime.InferenceSession(bytes_of(model), providers=["CPUExecutionProvider"])
    return session.run(["crops"], feeds)[0]


def restored(model):
    """Undo the storage by hand: the constants of the full network, by their names."""
    stored = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
    found = {name: value for name, value in stored.items() if "." not in name}
    for name, value in stored.items():
        plain, _, kind = name.partition(".")
        if kind == "int8":
            found[plain] = value.astype(np.float32) * stored[f"{plain}.scale"]
        if kind == "half":
            found[plain] = value.astype(np.float32)
    return found


@pytest.mark.parametrize(
    ("kind", "shape"),
    [*((kind, (3, 9, 13)) for kind in KINDS), ("pca-vae", (2, 40)), ("pca-vae", (1, 16, 16, 16))],
)
def test_frames_are_near_those_of_the_full_file(of_shape, kind, shape):
    generator = fit_generator(of_shape(100, shape), kind=kind, steps=2)
    full = onnx_model(generator)
    before = bytes_of(full)
    small = quantised(full)
    assert bytes_of(full) == before
    off = deviation(generator, before, bytes_of(small), 0)
    assert 0 < off["mean"] <= off["worst"] < 0.02
    assert len(bytes_of(small)) < len(before)
    z = generator.draw(off["draws"], 0)
    apart = np.abs(drawn(small, {"z": z}) - generator.decode(z))
    assert apart.max() == pytest.approx(off["worst"], abs=1e-4)
    assert apart.mean() == pytest.approx(off["mean"], abs=1e-5)


def test_grain_is_quantised_with_the_rest(spiky):
    crops = spiky(40, (3, 32, 20))
    plain = fit_generator(crops, kind="pca-gmm")
    generator = replace(plain, texture=Texture.fit(crops - plain.decode(plain.encode(crops))))
    full = onnx_model(generator)
    small = quantised(full)
    off = deviation(generator, bytes_of(full), bytes_of(small), 4)
    assert off["full_bytes"] / off["bytes"] > 2.5
    z, noise = generator.draw(3, 4), generator.texture.draw(3, 4)
    assert np.abs(drawn(small, {"z": z, "noise": noise}) - generator.sample(3, 4)).max() < 0.02


def test_every_weight_is_within_half_a_step(vae):
    full, small = onnx_model(vae), quantised(onnx_model(vae))
    theirs = {one.name: numpy_helper.to_array(one) for one in full.graph.initializer}
    ours = restored(small)
    assert ours.keys() == theirs.keys()
    stored = {one.name: numpy_helper.to_array(one) for one in small.graph.initializer}
    assert sum(name.endswith(".int8") for name in stored) >= 5
    for name, value in theirs.items():
        if f"{name}.int8" in stored:
            assert np.abs(stored[f"{name}.int8"]).max() <= 127
            assert (np.abs(ours[name] - value) <= 0.5001 * stored[f"{name}.scale"]).all()
        elif f"{name}.half" in stored:
            np.testing.assert_allclose(ours[name], value, rtol=1e-3, atol=1e-7)
        else:
            np.testing.assert_array_equal(ours[name], value)


def test_names_and_shapes_stay(vae):
    full, small = onnx_model(vae), quantised(onnx_model(vae))
    assert list(small.graph.input) == list(full.graph.input)
    assert list(small.graph.output) == list(full.graph.output)
    onnx.checker.check_model(small, full_check=True)
    assert bytes_of(small) == bytes_of(quantised(full))
