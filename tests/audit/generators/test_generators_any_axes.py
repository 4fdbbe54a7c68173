"""Traces and volumes: the same generators on one axis and on three, against naive twins and by hand."""

import json
from dataclasses import replace
from itertools import product

import numpy as np
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from foveal.errors import UsageError
from foveal_audit.generators import (
    KINDS,
    export_generator,
    fit_generator,
    learn_generator,
    load_generator,
    register_crops,
)
from foveal_audit.generators.crops import as_crops
from foveal_audit.generators.export import FILES
from foveal_audit.generators.layers import shuffled
from foveal_audit.generators.losses import laplacian_bands
from foveal_audit.generators.onnx_graph import IR_VERSION, OPSET, GraphWriter, onnx_model
from foveal_audit.generators.registration import correlations, shift_crops
from foveal_audit.generators.storage import weights_bytes
from foveal_audit.generators.texture import Texture
from foveal_audit.spans import Span

SHAPES = [(1, 64), (3, 21), (1, 16, 16, 16), (2, 9, 8, 11)]


def naive_shuffle(x):
    """Every value by hand: which of the 2**axes parts of the channels lies where."""
    axes = x.ndim - 2
    channels = x.shape[1] // 2**axes
    out = np.empty((len(x), channels, *(2 * side for side in x.shape[2:])), x.dtype)
    for row, channel, *places in np.ndindex(*out.shape):
        halves = [place % 2 for place in places]
        part = int("".join(map(str, halves)), 2)
        out[(row, channel, *places)] = x[(row, channel * 2**axes + part, *(place // 2 for place in places))]
    return out


@pytest.mark.parametrize("sides", [(5,), (3, 4), (2, 3, 2)])
def test_shuffling_equals_a_naive_twin_in_torch_and_in_onnx(sides):
    shape = (2 * 2 ** len(sides), *sides)
    x = np.random.default_rng(0).random((2, *shape), np.float32)
    expected = naive_shuffle(x)
    np.testing.assert_array_equal(shuffled(torch.from_numpy(x)).numpy(), expected)
    graph = GraphWriter()
    graph.node("Identity", [graph.shuffle("x", shape)], output="y")
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in "xy"]
    body = helper.make_graph(graph.nodes, "g", ends[:1], ends[1:], graph.constants)
    opset = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(body, opset_imports=opset, ir_version=IR_VERSION).SerializeToString()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    np.testing.assert_array_equal(session.run(["y"], {"x": x})[0], expected)


def naive_correlation(crop, template, reach):
    """Tapered, per channel centred correlation at every shift along every axis, by the definition."""
    sides = template.shape[1:]
    windows = [np.hanning(side + 2)[1:-1] + 0.05 for side in sides]
    taper = np.ones(sides)
    for axis, window in enumerate(windows):
        taper = taper * window.reshape([-1 if axis == other else 1 for other in range(len(sides))])
    taper = taper / taper.sum()
    padded = np.pad(crop, ((0, 0), *[(reach, reach)] * len(sides)), mode="reflect")
    scores = np.zeros([2 * reach + 1] * len(sides))
    for place in np.ndindex(*scores.shape):
        joint = own = energy = 0.0
        for channel, plane in enumerate(padded):
            patch = plane[tuple(slice(start, start + side) for start, side in zip(place, sides, strict=True))]
            a = patch - (taper * patch).sum()
            b = template[channel] - (taper * template[channel]).sum()
            joint += (taper * a * b).sum()
            energy += (taper * a * a).sum()
            own += (taper * b * b).sum()
        scores[place] = joint / np.sqrt(energy * own)
    return scores


@pytest.mark.parametrize("shape", [(2, 17), (1, 9, 14), (2, 8, 9, 10)])
def test_correlations_equal_a_naive_twin(shape):
    rng = np.random.default_rng(0)
    crops, template = rng.random((2, *shape), np.float32), rng.random(shape, np.float32)
    fast = correlations(torch.from_numpy(crops), torch.from_numpy(template), 2).numpy()
    slow = np.stack([naive_correlation(crop.astype(float), template.astype(float), 2) for crop in crops])
    np.testing.assert_allclose(fast, slow, atol=2e-5)


def test_beats_that_came_early_and_late_are_brought_together(beats):
    still, moved = beats(60), np.empty((60, 1, 64), np.float32)
    offsets = np.random.default_rng(1).integers(-7, 8, 60)
    for row, offset in enumerate(offsets):
        moved[row] = np.roll(still[row], offset, axis=1)
    aligned, shifts, _ = register_crops(moved, max_shift=12)
    error = shifts[:, 0] - offsets
    assert (np.abs(error - np.median(error)) <= 1).mean() >= 0.97
    assert aligned.std(0).mean() < 0.6 * moved.std(0).mean()


def test_blobs_that_lie_aside_are_brought_together(blobs):
    crops = blobs(30, jitter=2)
    aligned, shifts, template = register_crops(crops)
    assert shifts.shape == (30, 3)
    assert template.shape == (1, 16, 16, 16)
    assert aligned[:, 0].std(0).mean() < 0.9 * crops[:, 0].std(0).mean()


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=3))
@settings(max_examples=30, deadline=None)
def test_a_shift_moves_every_axis_by_its_own_number(shift):
    crop = np.random.default_rng(0).random((1, 1, *[9] * len(shift)), np.float32)
    moved = shift_crops(crop, np.array([shift]))
    for place in product(range(3, 6), repeat=len(shift)):
        source = tuple(a + b for a, b in zip(place, shift, strict=True))
        assert moved[(0, 0, *place)] == crop[(0, 0, *source)]


@pytest.mark.parametrize("sides", [(16,), (16, 16), (16, 16, 16)])
def test_bands_of_a_pyramid_add_up_to_the_crop(sides):
    crop = torch.rand(1, 2, *sides)
    fine, coarse = laplacian_bands(crop)
    again = fine + torch.nn.functional.interpolate(coarse, scale_factor=2.0, mode="nearest")
    torch.testing.assert_close(again, crop)
    first = tuple(slice(2) for _ in sides)
    assert coarse[(0, 0, *[0] * len(sides))] == pytest.approx(float(crop[0, 0][first].mean()))


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("shape", SHAPES)
def test_every_kind_of_generator_learns_every_shape_and_comes_out_of_onnx(of_shape, kind, shape):
    generator = fit_generator(of_shape(100, shape), kind=kind, steps=2)
    assert (generator.kind, generator.shape) == (kind, shape)
    z = generator.draw(3, 0)
    model = onnx_model(generator).SerializeToString()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    (found,) = session.run(["crops"], {"z": z})
    assert found.shape == (3, *shape)
    np.testing.assert_allclose(found, generator.decode(z), atol=1e-4)


@pytest.mark.parametrize("shape", SHAPES)
def test_grain_comes_out_of_onnx_for_the_same_noise(of_shape, shape):
    crops = of_shape(40, shape)
    plain = fit_generator(crops, kind="pca-gmm")
    grained = replace(plain, texture=Texture.fit(crops - plain.decode(plain.encode(crops))))
    z, noise = grained.draw(3, 0), grained.texture.draw(3, 0)
    session = onnxruntime.InferenceSession(
        onnx_model(grained).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (found,) = session.run(["crops"], {"z": z, "noise": noise})
    np.testing.assert_allclose(found, grained.sample(3, 0), atol=1e-4)
    assert np.abs(found - plain.decode(z)).max() > 1e-3


def test_grain_of_a_trace_has_its_hum():
    """A hum of a period of 8 steps is what reconstructions leave out: so is what is drawn."""
    rng = np.random.default_rng(0)
    phases = rng.uniform(0, 2 * np.pi, (200, 1, 1))
    rest = 0.1 * np.sin(np.arange(64) / 8 * 2 * np.pi + phases) + rng.normal(0, 0.01, (200, 1, 64))
    texture = Texture.fit(rest)
    grain = texture.grain(texture.draw(200, 0))
    power = (np.abs(np.fft.rfft(grain[:, 0])) ** 2).mean(0)
    assert power.argmax() == 8
    assert grain.std() == pytest.approx(rest.std(), rel=0.1)


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("shape", [(3, 21), (2, 9, 8, 11)])
def test_a_generator_comes_back_whole_with_its_unit(of_shape, tmp_path, kind, shape):
    generator = fit_generator(of_shape(100, shape), kind=kind, seed=4, steps=2)
    generator = replace(generator, span=Span((-1.5,) * shape[0], (2.25,) * shape[0]))
    (tmp_path / "weights.safetensors").write_bytes(weights_bytes(generator))
    again = load_generator(tmp_path)
    assert (type(again), again.shape, again.span) == (type(generator), shape, generator.span)
    np.testing.assert_array_equal(again.sample(5, 1), generator.sample(5, 1))
    assert weights_bytes(again) == weights_bytes(generator)


@pytest.mark.parametrize("shape", [(5,), (2, 5), (0, 1, 64), (4, 1, 7), (4, 1, 8, 8, 8, 8)])
def test_what_is_no_library_of_crops_is_refused(shape):
    if min(shape) == 0:
        assert as_crops(np.zeros(shape)).shape == shape
        return
    with pytest.raises(ValueError, match=r"crops (must be \(n, channels, one to three|need sides of at)"):
        as_crops(np.zeros(shape))


def test_a_file_with_an_upside_down_unit_is_refused(beats, tmp_path):
    generator = replace(fit_generator(beats(20), kind="pca-gmm"), span=Span((1.0,), (1.0,)))
    (tmp_path / "weights.safetensors").write_bytes(weights_bytes(generator))
    with pytest.raises(UsageError, match="is no span"):
        load_generator(tmp_path)


@pytest.mark.parametrize("made", ["beats", "blobs"])
def test_a_learned_trace_or_volume_is_measured_and_written_like_a_picture(request, made, tmp_path):
    crops = request.getfixturevalue(made)(160, jitter=2)
    own = Span((-1.0,), (2.0,))
    groups = [row // 2 for row in range(len(crops))]
    learned = learn_generator(crops, groups=groups, kind="pca-gmm", seed=0, span=own)
    card = learned.card
    assert card["appearance"]["c2st"] < 0.85
    assert card["coverage"] > 0.8
    assert card["span"] == {"low": [-1.0], "high": [2.0]}
    assert not card["memorised"]
    files = [
        export_generator(
            learned.generator,
            tmp_path / name,
            card,
            seed=0,
            crops=learned.crops,
            originals=learned.originals,
            guard=learned.guard,
        )
        for name in ("one", "other")
    ]
    assert [path.name for path in files[0]] == list(FILES)
    assert [path.read_bytes() for path in files[0]] == [path.read_bytes() for path in files[1]]
    assert json.loads(files[0][FILES.index("card.json")].read_text())["shape"] == list(crops.shape[1:])


def test_a_vae_of_beats_draws_narrow_and_broad_ones_as_often_as_there_are(beats):
    learned = learn_generator(beats(240, jitter=4), kind="pca-vae", seed=0)
    made = learned.generator.sample(300, 5)[:, 0]
    width = (made > made.min(1, keepdims=True) + 0.5 * np.ptp(made, axis=1)[:, None]).sum(1)
    assert 0.3 < (width > 4).mean() < 0.7
    assert learned.card["c2st"] < 0.72
    assert learned.card["axes"][0]["words"] != "no plain word for it"
