"""The audited model asked about its samples, and about its samples with a unit held still."""

from __future__ import annotations

import hashlib
import wave

import numpy as np
import pytest
import torch
from planted import CORNER, ShapesNet, TriggerNet, audited, picture
from small_nets import SharedNet, seeded
from synthetic_library import make_samples
from torch import nn

from foveal.archives import AuditedModel
from foveal.config import FovealConfig
from foveal.samples import encode_png
from foveal.samples.kinds import read_any
from foveal.samples.traces.transform import AudioTransform
from foveal_audit.bench import (
    ModelBench,
    Spaced,
    is_unchanged,
    reader_of,
    spacing_of,
    span_of_samples,
    usual_spacing,
)
from foveal_audit.judgement.filling import fill_from, fill_smoothly
from foveal_audit.judgement.mediating import mediation
from foveal_audit.judgement.places import Placed
from foveal_audit.judgement.profile import scrambled
from foveal_audit.judgement.removal import remove
from foveal_audit.judgement.transfer import transfer
from foveal_audit.units.unit import Unit

BRIGHT, DARK = range(12), list(range(12, 30))
BRIGHT_BOX = (0, 0, 14, 14)


@pytest.fixture
def samples(tmp_path):
    """Thirty files: the first twelve with a bright corner, the last one gone."""
    rng = np.random.default_rng(0)
    origins = []
    for number in range(30):
        pixels = rng.integers(60, 90, (24, 24, 1), dtype=np.uint8)
        if number in BRIGHT:
            pixels[:14, :14] = 255
        origins.append(str(tmp_path / f"{number}.png"))
        (tmp_path / f"{number}.png").write_bytes(encode_png(pixels))
    return make_samples(
        ["training"] * 32,
        origins=[*origins, None, str(tmp_path / "gone.png")],
        shape=(24, 24, 1),
    )


def hooks(module):
    return sum(len(part._forward_hooks) + len(part._forward_pre_hooks) for part in module.modules())


def test_only_files_that_are_there_are_readable(samples):
    bench = ModelBench(audited(TriggerNet()), samples)
    assert bench.readable.tolist() == [True] * 30 + [False, False]
    assert bench.pixels(3).shape == (24, 24, 1)


def test_a_sample_of_several_files_is_unchanged_while_they_all_are(tmp_path):
    (tmp_path / "made.hea").write_text("made 1 360 4\nmade.dat 16 200 16 0 0 0 0 I\n")
    (tmp_path / "made.dat").write_bytes(bytes(8))
    header, folder = tmp_path / "made.hea", tmp_path / "series"
    folder.mkdir()
    (folder / "1.dcm").write_bytes(b"one slice")
    for origin, part in ((header, tmp_path / "made.dat"), (folder, folder / "1.dcm")):
        sha256 = hashlib.sha256(read_any(origin)).hexdigest()
        assert is_unchanged(str(origin), sha256)
        part.write_bytes(part.read_bytes()[:-1])
        assert not is_unchanged(str(origin), sha256)
    (tmp_path / "made.dat").unlink()
    assert not is_unchanged(str(header), sha256)


def test_probabilities_are_the_models_own_in_every_batch(samples):
    model = audited(ShapesNet())
    bench = ModelBench(model, samples)
    pictures = [bench.pixels(number % 30) for number in range(130)]
    with torch.no_grad():
        single = [model.module(model.transform(one)[None]).softmax(1)[0].numpy() for one in pictures]
    np.testing.assert_allclose(bench.probabilities(pictures), single, atol=1e-6)


def test_logits_are_taken_about_their_mean(samples):
    model = audited(ShapesNet())
    bench = ModelBench(model, samples)
    pictures = [bench.pixels(number) for number in range(30)]
    with torch.no_grad():
        outputs = torch.cat([model.module(model.transform(one)[None]) for one in pictures]).double().numpy()
    centred = outputs - outputs.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(bench.logits(pictures), centred, atol=1e-4)
    np.testing.assert_allclose(bench.spread(range(30)), centred.std(axis=0), atol=1e-4)


def test_the_spread_of_equal_samples_is_asked_once(samples):
    bench = ModelBench(audited(ShapesNet()), samples)
    first = bench.spread(range(10))
    assert bench.spread(list(range(10))) is first
    assert bench.spread(range(11)) is not first


def test_one_output_is_the_odds_of_class_1(samples):
    model = audited(nn.Sequential(nn.Flatten(), nn.Linear(24 * 24, 1)))
    answers = ModelBench(model, samples).probabilities([picture(np.random.default_rng(0), 1)])
    with torch.no_grad():
        logit = model.module(model.transform(picture(np.random.default_rng(0), 1))[None])
    odds = torch.sigmoid(logit.double()).item()
    np.testing.assert_allclose(answers, [[1 - odds, odds]], rtol=1e-5)  # a single-precision answer


PLACED = [Placed(number, BRIGHT_BOX, (BRIGHT_BOX,)) for number in BRIGHT]


def effects(bench, channel, local=True):
    """Measure the bright corner on a network that looks at nothing else."""
    rng = np.random.default_rng(0)
    pasted = transfer(bench, PLACED, DARK, 1, rng, 40)
    unit = Unit("contribution:0", "relu", (channel,), local)
    return (
        remove(bench, PLACED, DARK, rng, 40).effect(),
        pasted.effect(1),
        mediation(bench, pasted, 1, unit, rng),
    )


@pytest.mark.parametrize("local", [True, False])
def test_what_the_network_looks_at_is_necessary_sufficient_and_mediated_by_its_channel(samples, local):
    removal, paste, mediated = effects(ModelBench(audited(TriggerNet()), samples), 0, local)
    assert removal.low > 0.7
    assert paste.low > 0.7
    assert abs(paste.controls) < 0.05
    assert mediated.estimate == pytest.approx(1, abs=1e-6)


def test_nothing_is_mediated_by_the_channel_that_does_not_see_it(samples):
    assert effects(ModelBench(audited(TriggerNet()), samples), 1)[2].estimate == pytest.approx(0, abs=1e-6)


def test_a_network_that_ignores_the_corner_shows_no_effect(samples):
    removal, paste, _ = effects(ModelBench(audited(TriggerNet(weight=0.0)), samples), 0)
    assert removal.estimate == paste.estimate == 0


def test_a_unit_is_held_inside_its_window_only(samples):
    """Held elsewhere, the pasted corner keeps all of its effect."""
    bench = ModelBench(audited(TriggerNet()), samples)
    clean, changed = [bench.pixels(20)], [bench.pixels(0)]
    unit = Unit("contribution:0", "relu", (0,), local=True)
    there = bench.logits_held(changed, clean, [BRIGHT_BOX], unit)
    elsewhere = bench.logits_held(changed, clean, [(14, 14, 22, 22)], unit)
    np.testing.assert_allclose(there, bench.logits(clean), atol=1e-6)
    np.testing.assert_allclose(elsewhere, bench.logits(changed), atol=1e-6)


def test_a_node_without_a_grid_is_held_whole(samples):
    model = audited(ShapesNet())
    bench = ModelBench(model, samples)
    clean, changed = picture(np.random.default_rng(1), 1), picture(np.random.default_rng(2), 0)
    windows = [CORNER] * 70
    everything = Unit("fc1", "fc1", (0, 1, 2), local=False)
    held = bench.logits_held([changed] * 70, [clean] * 70, windows, everything)
    np.testing.assert_allclose(held, np.repeat(bench.logits([clean]), 70, axis=0), atol=1e-6)
    nothing = Unit("fc1", "fc1", (), local=False)
    np.testing.assert_allclose(
        bench.logits_held([changed], [clean], windows[:1], nothing),
        bench.logits([changed]),
        atol=1e-6,
    )


def test_the_model_is_left_as_it_was(samples):
    model = audited(TriggerNet())
    before = {name: value.clone() for name, value in model.module.state_dict().items()}
    effects(ModelBench(model, samples), 0)
    assert hooks(model.module) == 0
    assert all(torch.equal(before[name], value) for name, value in model.module.state_dict().items())
    assert all(parameter.grad is None for parameter in model.module.parameters())


def test_hooks_go_even_when_the_model_fails(samples):
    model = audited(TriggerNet())
    bench = ModelBench(model, samples)
    unit = Unit("contribution:0", "relu", (5,), local=True)  # no such channel
    with pytest.raises(IndexError):
        bench.logits_held([bench.pixels(0)], [bench.pixels(1)], [(0, 0, 8, 8)], unit)
    assert hooks(model.module) == 0


def test_in_place_layers_do_not_spoil_what_is_held(samples):
    """An in-place ReLU after the held layer writes into its output."""
    model = audited(seeded(SharedNet, True))
    bench = ModelBench(model, samples)
    clean, changed = [picture(np.random.default_rng(3), 1)[:16, :16]], [picture(np.random.default_rng(4), 0)]
    object.__setattr__(bench._transform, "size", (16, 16))
    unit = Unit("contribution:0", "conv3", tuple(range(6)), local=False)
    held = bench.logits_held(changed, clean, [(0, 0, 8, 8)], unit)
    np.testing.assert_allclose(held, bench.logits(clean), atol=1e-6)


def traces(folder, kind="wav", rate=200.0):
    """Write ten sounds and give their samples and a model that takes them at 100 steps per second."""
    rng = np.random.default_rng(0)
    origins = []
    for number in range(10):
        origins.append(str(folder / f"{number}.{kind}"))
        sound = (rng.normal(size=400) * 3000).astype(np.int16)
        with wave.open(origins[-1], "wb") as stream:
            stream.setnchannels(1)
            stream.setsampwidth(2)
            stream.setframerate(int(rate))
            stream.writeframes(sound.tobytes())
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv1d(1, 2, 9), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten())
    transform = AudioTransform(rate=100.0, channels=1)
    config = FovealConfig.from_mapping({}, environ={})
    model = AuditedModel("sounds", net.eval(), transform, (), config, "0" * 64, "python:toy:model")
    return make_samples(["training"] * 10, origins=origins, shape=(400, 1)), model


def test_a_changed_sound_is_resampled_like_the_one_it_was_made_of(tmp_path):
    samples, model = traces(tmp_path)
    bench = ModelBench(model, samples)
    sound = bench.pixels(3)
    assert spacing_of(sound) == (1 / 200,)
    assert usual_spacing(reader_of(model), samples, bench.readable) == (1 / 200,)
    changed = fill_from(sound, (100, 200), np.asarray(bench.pixels(4))[100:200])
    smooth = fill_smoothly(sound, (100, 200), np.random.default_rng(0))
    for one in (changed, smooth, scrambled(sound, np.random.default_rng(0))):
        assert spacing_of(one) == (1 / 200,)
        assert [batch.shape for _, batch in bench.inputs([one])] == [(1, 1, 200)]
    plain = np.array(sound)
    assert spacing_of(plain) == ()
    assert [batch.shape for _, batch in bench.inputs([plain])] == [(1, 1, 400)]


def test_values_without_spacing_stay_plain():
    values = np.zeros((4, 4, 1), np.uint8)
    assert Spaced.of(values, ()) is values


def test_the_span_of_samples_is_that_of_some_of_them(tmp_path):
    samples, model = traces(tmp_path)
    bench = ModelBench(model, samples)
    span = span_of_samples(bench, np.arange(10))
    shares = np.concatenate([span.shares(bench.pixels(row)) for row in range(10)])
    assert 0 <= shares.min() < 0.1
    assert 0.9 < shares.max() <= 1
