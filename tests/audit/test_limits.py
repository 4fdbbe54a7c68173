"""What an audit says that it could not use."""

import numpy as np
import pytest
from synthetic_library import make_samples
from torch import nn

from foveal.facades.occluded import Occluded
from foveal_audit.limits import _files, closed_layers


@pytest.mark.parametrize(
    ("origins", "readable", "lines"),
    [
        (["a", "b", "c", "d"], [1, 1, 1, 1], []),
        (
            ["a", "b", "c", None],
            [1, 1, 1, 0],
            ["1 sample came without a file (served requests): causal tests use the others"],
        ),
        (
            ["a", "b", None, None],
            [1, 1, 0, 0],
            [
                (
                    "2 samples came without a file (served requests): causal tests use the others, "
                    "none of which is from production"
                )
            ],
        ),
        (
            ["a", "b", "c", "d"],
            [0, 0, 0, 0],
            ["4 samples whose file is gone or was changed: no causal test is possible"],
        ),
    ],
)
def test_samples_without_a_file_and_what_is_left(origins, readable, lines):
    samples = make_samples(["training"] * 2 + ["production"] * 2, origins=origins)
    assert list(_files(samples, np.array(readable, bool))) == lines


def test_a_model_that_could_only_be_asked_is_said():
    assert closed_layers(nn.Linear(2, 2)) == []
    (line,) = closed_layers(Occluded(nn.Linear(2, 2), "node 'a' (LSTM) has no rule"))
    assert line == (
        "The network's layers and nodes: node 'a' (LSTM) has no rule; it is explained by perturbation: asked "
        "about the sample without each of its cells in turn"
    )
