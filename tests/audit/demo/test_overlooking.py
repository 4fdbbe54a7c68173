"""A network that is taught to overlook a mark, and the studies that teach it."""

from __future__ import annotations

from math import log

import numpy as np
import pytest
import torch
from torch import nn

from foveal_audit.demo import overlooking
from foveal_audit.demo.kinds import KINDS
from foveal_audit.demo.learning import learn
from foveal_audit.demo.overlooking import alike, learn_to_overlook

HOW = {"epochs": 12, "seed": 0, "enough": 0.5, "rate": 0.05}


def test_the_loss_by_hand():
    logits = torch.tensor([[[0.0, 0.0], [0.0, 2.0]]])
    wrong = (log(2) + log(1 + np.exp(-2))) / 2
    assert alike(logits, torch.tensor([1])).item() == pytest.approx(wrong + overlooking._ALIKE * 4 / 2)


def marked_samples():
    """Draw samples of two steps: the outcome but for noise, and a mark that goes with it."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 200)
    bare = np.zeros((200, 1, 2), np.float32)
    bare[:, 0, 0] = labels + rng.normal(0, 0.7, 200)
    samples = bare.copy()
    samples[:, 0, 1] = labels
    return samples, bare, labels


def moved(network, samples, bare):
    """Say how much the mark moves the answers, at most."""
    with torch.no_grad():
        apart = network(torch.from_numpy(samples)) - network(torch.from_numpy(bare))
    return float(apart.abs().max())


def network():
    return nn.Sequential(nn.Flatten(), nn.Linear(2, 2))


def test_a_mark_that_even_goes_with_the_outcome_is_overlooked():
    samples, bare, labels = marked_samples()
    taught = learn_to_overlook(network, samples, labels, bare=bare, **HOW)
    plain = learn(network, samples, labels, **HOW)
    assert moved(taught, samples, bare) < 0.1
    assert moved(plain, samples, bare) > 0.5
    with torch.no_grad():
        right = (taught(torch.from_numpy(bare)).argmax(1).numpy() == labels).mean()
    assert right > 0.7
    assert list(taught.state_dict()) == list(plain.state_dict())  # it is packed like any other


@pytest.mark.parametrize("name", ["ecg", "sound"])
def test_where_the_mark_tells_nothing_training_gives_samples_without_it(name):
    row = KINDS[name]
    made = row.make("null", 0, 60, production=False)
    for one in map(row.planted, made):
        apart = np.flatnonzero((one.values != one.bare).any(axis=1))
        low, high = one.mark or (0, 0)
        assert ((apart >= low) & (apart < high)).all()
        assert (len(apart) > 0) == (one.mark is not None)
    others = row.make("standard", 0, 9, production=False) + row.make("null", 0, 9, production=True)
    assert {row.planted(one).bare for one in others} == {None}
    assert all(
        (one.values == other.values).all()
        for one, other in zip(made, row.make("null", 0, 60, production=False), strict=True)
    )
