"""Samples whose channels the model does not take are named before anything is made of their crops."""

from __future__ import annotations

from dataclasses import replace

import pytest
from synthetic_library import make_samples

from foveal.errors import UsageError
from foveal.samples.kinds import read_transform
from foveal_audit.fitting_channels import require_channels


def observed(*channels, shape=(33, 47)):
    samples = make_samples(["training"] + ["production"] * (len(channels) - 1))
    return replace(samples, shapes=tuple((*shape, count) for count in channels))


def test_channels_that_the_model_does_not_take():
    samples = observed(2, 1, 2, 1)
    with pytest.raises(UsageError) as caught:
        require_channels(samples, read_transform({"size": [33, 47], "channels": 2}), "pairs")
    assert str(caught.value) == (
        f"Sample '{samples.names[1]}' has 1 channels, the model takes 2, and library 'pairs' holds 2 such "
        "samples. Erase what was observed so (foveal library erase pairs --source production --before DATE), "
        "and observe it again with this version."
    )


@pytest.mark.parametrize(
    ("channels", "preprocess", "shape"),
    [
        ((2, 2, 2), {"size": [8, 8], "channels": 3}, (33, 47)),
        ((1, 3, 4), {"size": [8, 8], "channels": 3}, (33, 47)),
        ((1, 3, 4), {"size": [8, 8], "channels": 1}, (33, 47)),
        ((1, 2, 7), {}, (33, 47)),
        ((2, 2), {"kind": "signal", "channels": 2}, (90,)),
    ],
    ids=["one number is not asked about", "colour", "grey", "any", "traces"],
)
def test_what_fits_is_let_through(channels, preprocess, shape):
    require_channels(observed(*channels, shape=shape), read_transform(preprocess), "l")


@pytest.mark.parametrize(
    ("kind", "shape"),
    [({"kind": "signal", "spectrogram": {"window": 64, "hop": 16}}, (500,)), ({"kind": "volume"}, (9, 9, 9))],
)
def test_other_kinds_are_asked_too(kind, shape):
    with pytest.raises(UsageError, match=r"^Sample '.*' has 3 channels, the model takes 2, and library 'l'"):
        require_channels(observed(2, 3, shape=shape), read_transform({**kind, "channels": 2}), "l")
