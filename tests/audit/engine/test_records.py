"""What was measured comes back without a difference."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from synthetic_library import make_windows, noise_crop

from foveal_audit.bundle.evidence import FacetEvidence
from foveal_audit.engine.records import (
    FILES,
    read_drawn,
    read_gaps,
    read_judged,
    read_properties,
    write_gaps,
    write_generated,
    write_judged,
    write_properties,
)
from foveal_audit.gaps.finding import Gap, Gaps
from foveal_audit.judgement.facet import Facet, Judged
from foveal_audit.judgement.pairs import Effect
from foveal_audit.judgement.signals import Signal
from foveal_audit.units.unit import Unit


def facet():
    windows = make_windows([noise_crop(np.random.default_rng(0))])
    return Facet(Unit("fc1:0", "fc1", (0,), local=False), 0, windows)


def test_judged(tmp_path):
    own = facet()
    effect = Effect(0.1 + 0.2, -1.0, np.float64(1 / 3), 0.0, 1e-12, 7)
    judged = Judged(own, 2, {"position_lock": Signal(1 / 7, None)}, effect, None, replace(effect, p=1.0))
    write_judged(judged, tmp_path)
    assert read_judged(tmp_path, own) == judged


def test_properties(tmp_path):
    windows = make_windows([noise_crop(np.random.default_rng(0)), noise_crop(np.random.default_rng(1))])
    effect = Effect(0.25, 0.1, 0.5, 0.0, 1e-12, 7)
    unit = Unit("class:1", "class", (1,), local=False)
    judged = [
        Judged(Facet(unit, number, windows), 1, {"property_ubiquity": Signal(0.5, None)}, None, effect, None)
        for number in (1000, 1001)
    ]
    write_properties(judged, tmp_path)
    read = read_properties(tmp_path)
    for one, other in zip(read, judged, strict=True):
        assert replace(one, facet=other.facet) == other
        assert (one.facet.unit, one.facet.number) == (unit, other.facet.number)
        assert one.facet.windows.ids.tolist() == windows.ids.tolist()
        np.testing.assert_array_equal(one.facet.windows.crop(1), windows.crop(1))
    (tmp_path / "none").mkdir()
    write_properties([], tmp_path / "none")
    assert read_properties(tmp_path / "none") == []


def test_gaps(tmp_path):
    rows = np.array([4, 1])
    gap = Gap(rows, rows + 1, rows[:1], "network", "uncovered_group", 0.1, 3, 1e-9, {"site": "A"})
    gaps = Gaps([gap], np.array([0.1, 1 / 3]), ("ruler", "hair"))
    write_gaps(gaps, tmp_path)
    read = read_gaps(tmp_path)
    assert read.not_shown == gaps.not_shown
    np.testing.assert_array_equal(read.p_values, gaps.p_values)
    for name, value in vars(gap).items():
        np.testing.assert_array_equal(vars(read.found[0])[name], value)
    write_gaps(Gaps([], np.zeros(0)), tmp_path)
    assert read_gaps(tmp_path).found == []


def test_generated_pictures_and_files(tmp_path, result):
    plain = result.facets[0]
    signals = {"generator_slope:2": Signal(1 / 7, 1e-12), "generator_rank:2": Signal(-1.0, None)}
    write_generated(plain, signals, tmp_path)
    (tmp_path / FILES).mkdir()
    (tmp_path / FILES / "weights").write_bytes(b"\0\1")
    read = read_drawn(tmp_path, 3)
    assert (read.facet, read.signals) == (3, signals)
    bare = FacetEvidence(plain.assessment, plain.crops, plain.maps, plain.refs)
    for name, value in vars(replace(bare, **read.fields)).items():
        for one, other in zip(np.atleast_1d(value), np.atleast_1d(getattr(plain, name)), strict=True):
            np.testing.assert_array_equal(one, other)
    read.write(tmp_path / "bundle")
    assert (tmp_path / "bundle" / "weights").read_bytes() == b"\0\1"


def test_too_few_crops_are_no_generator(tmp_path):
    assert read_drawn(tmp_path, 0) is None
