"""Statistics of whole pictures, each read once and measured among others of its shape."""

from __future__ import annotations

import numpy as np
import pytest

from foveal_audit.properties import measuring
from foveal_audit.properties.measuring import measure

SHAPES = ((40, 40, 3), (30, 50, 3), (40, 40, 3), (10, 10, 3), (64, 30, 3), (30, 50, 3), (40, 40, 3))


class Drawn:
    """Pictures of noise that count how often they are read."""

    def __init__(self, shapes=SHAPES):
        rng = np.random.default_rng(0)
        self.drawn = [rng.integers(0, 256, shape, dtype=np.uint8) for shape in shapes]
        self.read = []

    def pixels(self, sample):
        self.read.append(sample)
        return self.drawn[sample]


# Two pictures at a time, or a new part with each: what is measured together does not matter.
@pytest.mark.parametrize(("values", "held"), [(1 << 21, 1 << 26), (9600, 1 << 26), (1 << 21, 1)])
def test_pictures_of_many_shapes_are_measured_as_one_by_one_and_read_once(monkeypatch, values, held):
    monkeypatch.setattr(measuring, "_VALUES", values)
    monkeypatch.setattr(measuring, "_HELD", held)
    bench, asked = Drawn(), [6, 0, 1, 3, 2, 5, 4]
    rows, found = measure(bench, asked)
    assert bench.read == asked
    assert rows.tolist() == [0, 1, 2, 4, 5, 6]  # the fourth is too small to be measured
    for place, row in enumerate(rows):
        _, alone = measure(Drawn(), [asked[row]])
        assert alone.keys() == found.keys()
        for name, values_alone in alone.items():
            np.testing.assert_allclose(found[name][place], values_alone[0], rtol=1e-5, atol=1e-6)


def test_only_statistics_that_all_pictures_have_are_given():
    grey, colour = Drawn([(40, 40, 1)]), Drawn([(40, 40, 3), (40, 40, 1)])
    names = measure(grey, [0])[1].keys()
    assert names < measure(colour, [0])[1].keys()
    assert measure(colour, [0, 1])[1].keys() == names


def test_no_picture_gives_nothing():
    rows, found = measure(Drawn(), [3])
    assert rows.tolist() == []
    assert found == {}
