"""Every row of the demo's table: made the same twice, planted as it says, read back, packed as it is fed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from foveal.archives import load_model
from foveal.archives.entries import SAMPLES
from foveal.samples.kinds import get_kind
from foveal.samples.listing import list_samples
from foveal_audit.demo.kinds import DEFAULT, KINDS
from foveal_audit.demo.learning import as_served
from foveal_audit.demo.making import write_study
from foveal_audit.demo.running import _folder, archive_of, pack_demo

PLANTED = [name for name in KINDS if name != DEFAULT]


def made(name, study="standard", number=150, seed=0, production=False):
    row = KINDS[name]
    return [row.planted(one) for one in row.make(study, seed, number, production=production)]


def same(some, others):
    return all(
        one.values.shape == other.values.shape and (one.values == other.values).all()
        for one, other in zip(some, others, strict=True)
    )


@pytest.mark.parametrize("name", KINDS)
def test_the_same_seed_makes_the_same_study(name):
    first = made(name, number=12)
    assert same(first, made(name, number=12))
    assert not same(first, made(name, number=12, seed=1))
    assert not same(first, made(name, number=12, production=True))


@pytest.mark.parametrize("name", PLANTED)
def test_the_mark_goes_with_one_label_at_one_site(name):
    samples = made(name, number=800)
    marked = {
        key: np.mean([one.mark is not None for one in samples if (one.site, one.label) == key])
        for key in (("A", 0), ("A", 1), ("B", 0), ("B", 1))
    }
    assert marked["A", 0] == marked["A", 1] == 0
    assert marked["B", 0] == pytest.approx(0.1, abs=0.06)
    assert marked["B", 1] == pytest.approx(0.9, abs=0.06)
    nothing = made(name, "null", number=800)
    for label in (0, 1):
        shares = [one.mark is not None for one in nothing if (one.site, one.label) == ("B", label)]
        assert np.mean(shares) == pytest.approx(0.5, abs=0.12)


@pytest.mark.parametrize("name", KINDS)
def test_only_production_holds_what_training_lacks(name):
    assert not any(one.unknown for one in made(name))
    unknown = [one for one in made(name, production=True) if one.unknown]
    assert 8 <= len(unknown) <= 50
    assert {one.label for one in unknown} == {1}


@pytest.mark.parametrize("name", KINDS)
def test_files_read_back(name, tmp_path):
    row = KINDS[name]
    files = write_study(tmp_path, row, "standard", replace(row.quick, training=5, production=4), 0)
    kind = get_kind(SAMPLES[row.packing.kind])
    for source, manifest in (("training", files.training), ("production", files.production)):
        listed, truth = list_samples(manifest, kind), files.truth(source)
        assert [one.name for one in listed] == list(truth)
        for one, planted in zip(listed, map(row.planted, truth.values()), strict=True):
            assert one.label == row.labels[planted.label]
            assert one.metadata == {row.column: planted.site}
            values = kind.decode(kind.read(one.path), one.name).values
            np.testing.assert_allclose(values, planted.values, atol=1 if values.dtype == np.int16 else 1e-5)


@pytest.mark.parametrize("name", PLANTED)
def test_a_network_is_fed_in_training_as_it_will_be_when_served(name, tmp_path):
    row = KINDS[name]
    weights = tmp_path / "weights.pt"
    (network,) = [one for one in vars(row.network).values() if _is_network(one, row.network)]
    torch.manual_seed(0)
    torch.save(network().state_dict(), weights)
    archive = pack_demo(tmp_path, row, weights)
    assert archive == archive_of(tmp_path, row)
    model, samples = load_model(str(archive)), made(name, number=3)
    assert model.labels == row.labels
    served = np.stack([model.transform(one.values).numpy() for one in samples])
    np.testing.assert_array_equal(as_served(samples, row.packing), served)
    assert model.module(torch.from_numpy(served)).shape == (3, len(row.labels))
    assert "headers" in str(model.config.to_mapping())


def _is_network(one, module):
    return isinstance(one, type) and issubclass(one, torch.nn.Module) and one.__module__ == module.__name__


def test_every_study_has_a_folder_and_a_name_of_its_own(tmp_path):
    rows = list(KINDS.values())
    assert len({one.name for one in rows}) == len(rows)
    folders = {_folder(tmp_path / "out", one.prefix, one.quick, "standard", 0) for one in rows}
    assert len(folders) == len(rows)


@pytest.mark.parametrize("name", KINDS)
def test_the_quick_demo_is_the_smaller_one(name):
    full, quick = KINDS[name].full, KINDS[name].quick
    assert quick.training < full.training
    assert quick.production < full.production
    assert quick.audit.generators < full.audit.generators
