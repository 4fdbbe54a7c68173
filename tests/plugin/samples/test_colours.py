"""The colours of evidence, for all kinds of eyes."""

from __future__ import annotations

import numpy as np
import pytest

from foveal.samples.colours import display, evidence

# Brettel/Vienot 1999: linear RGB as readers without red (protan) or green (deutan) receptors see it.
EYES = {
    "usual": np.eye(3),
    "protan": [[0.11238, 0.88762, 0.0], [0.11238, 0.88762, 0.0], [0.00401, -0.00401, 1.0]],
    "deutan": [[0.29275, 0.70725, 0.0], [0.29275, 0.70725, 0.0], [-0.02234, 0.02234, 1.0]],
    "grey": [[0.2126, 0.7152, 0.0722]] * 3,
}


def seen(colours, eye):
    linear = (colours / 255.0) ** 2.2
    return (linear @ np.array(EYES[eye]).T).clip(0, 1) ** (1 / 2.2) * 255


@pytest.mark.parametrize("eye", ["usual", "protan", "deutan"])
def test_for_and_against_stay_apart(eye):
    amounts = np.linspace(0.25, 1, 16)
    distance = np.linalg.norm(seen(evidence(amounts), eye) - seen(evidence(-amounts), eye), axis=-1)
    assert distance.min() > 60


@pytest.mark.parametrize("eye", list(EYES))
@pytest.mark.parametrize("sign", [1, -1])
def test_more_is_lighter(eye, sign):
    lightness = seen(evidence(sign * np.linspace(0, 1, 33)), eye) @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(lightness) > 0).all()


def test_values_outside_are_clipped_and_shapes_kept():
    assert np.array_equal(evidence(np.array([-3.0, 3.0])), evidence(np.array([-1.0, 1.0])))
    assert evidence(np.zeros((4, 5))).shape == (4, 5, 3)
    assert np.ptp(evidence(np.zeros(1)).astype(int)) <= 8


def test_sixteen_bits_are_stretched_over_what_the_sample_uses():
    pixels = np.linspace(1000, 3000, 400).astype(np.uint16).reshape(20, 20, 1)
    shown = display(pixels)
    assert (shown.min(), shown.max(), shown.dtype) == (0, 255, np.uint8)
    assert (display(np.full((4, 4, 1), 500, np.uint16)) == 0).all()
