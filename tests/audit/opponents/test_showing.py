"""Samples shown as windows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from synthetic_library import make_samples, make_windows, noise_crop

from foveal_audit.opponents.showing import strongest, whole
from foveal_audit.windows import Evidence


def library():
    rng = np.random.default_rng(0)
    windows = make_windows([noise_crop(rng)] * 5, owner=[0, 0, 1, 3, 3])
    shared = replace(windows, share=np.array([0.2, 0.7, 0.4, 0.5, 0.5]))
    return Evidence(make_samples(["training"] * 4, shape=(48, 64, 1)), shared, {}, {})


def test_whole_pictures():
    shown = whole(library(), np.array([1, 3]))
    assert shown.owner.tolist() == [1, 3]
    assert shown.boxes.tolist() == [[0, 0, 48, 64]] * 2
    assert shown.ids.tolist() == ["s0001", "s0003"]
    assert len(whole(library(), np.zeros(0, int))) == 0


def test_the_strongest_window_of_each_sample():
    shown = strongest(library(), np.array([0, 2, 3]))
    assert shown.ids.tolist() == ["e0001", "e0003"]  # sample 2 has none; of equal ones the first
