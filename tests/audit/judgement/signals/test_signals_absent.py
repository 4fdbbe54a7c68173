"""Signals that cannot be asked are absent, never nought."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from synthetic_library import make_samples

from foveal_audit.judgement.signals.registry import KINDS, measure


def needing(need):
    return {name for name, kind in KINDS.items() if kind.needs == need}


def names(found):
    return {name.partition(":")[0] for name in found}


@pytest.fixture
def changed(world):
    """Ask about the stamp in a library that lacks something."""

    def ask(samples=None, **around):
        asked = world.ask(world.stamp_rows)
        samples = samples or world.samples
        return replace(asked, around=replace(asked.around, samples=samples, kept={}, **around))

    return ask


def test_without_labels(changed, world):
    samples = replace(world.samples, labels=np.array([""] * len(world.samples)))
    assert {"false_positive_lift", "recall_gain"} <= names(measure(changed()))
    assert not needing("labels") & names(measure(changed(samples)))


def test_without_metadata(changed, world):
    assert "runs" in names(measure(changed()))
    assert not needing("metadata") & names(measure(changed(replace(world.samples, metadata={}))))


def test_without_files(world):
    asked = world.ask(world.stamp_rows)
    unread = make_samples(["training"] * len(world.samples), origins=None)
    bench = type(world.bench)(world.model, unread)
    found = measure(replace(asked, bench=bench, around=replace(asked.around, kept={})))
    assert not needing("pictures") & names(found)
    assert "position_lock" in found


def test_without_other_windows(changed):
    found = measure(changed(windows=None))
    assert {"position_lock", "prevalence", "purity"} <= set(found)
    assert not {"border", "unusual_place", "evidence_elsewhere", "drawn_flatness"} & set(found)


def test_where_all_pictures_are_of_one_class_nothing_is_compared(changed, world):
    samples = replace(world.samples, predicted=np.ones(len(world.samples), dtype=np.int64))
    found = measure(changed(samples))
    assert all(np.isfinite(signal.value) for signal in found.values())
    assert not {"border", "unusual_place", "near_duplicates", "recognised_without"} & set(found)
