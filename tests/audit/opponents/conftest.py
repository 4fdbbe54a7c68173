"""The planted library as evidence, and made-up views of a library without any files."""

from __future__ import annotations

import numpy as np
import planted
import pytest
from synthetic_library import make_samples

from foveal_audit.opponents.looks import LOOKS
from foveal_audit.opponents.seen import GRIDS, Seen
from foveal_audit.windows import read_evidence


@pytest.fixture(scope="session")
def model():
    return planted.model()


@pytest.fixture(scope="session")
def evidence(planted_library, model):
    return read_evidence(planted_library, model.sha256)


@pytest.fixture
def make_seen():
    """See something of made-up samples; what is not told is zero."""

    def make(sources, predicted=None, labels=None, **told):
        n = len(sources)
        blank = {
            "maps": np.zeros((n, GRIDS[2], GRIDS[2]), np.float32),
            "features": np.zeros((n, 1), np.float32),
            "logits": np.zeros((n, 2)),
            "thumbs": np.zeros((n, 1, 32, 32), np.float32),
            "looks": np.zeros((n, len(LOOKS[2]))),
        }
        return Seen(make_samples(sources, predicted, labels), np.arange(n), **(blank | told))

    return make
