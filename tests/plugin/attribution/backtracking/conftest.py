"""Backtracking of a plain network: the subject that `foveal.explain` would make."""

import pytest

from foveal.attribution.backtracking import backtrack
from foveal.capture import Tap
from foveal.capture.subject import TappedSubject
from foveal.explaining.explanation import read_unit, target_layers


@pytest.fixture
def trace():
    """Run backtracking: (network, batch, targets, options) to a Backtrack."""

    def run(net, x, *targets, **options):
        parsed = [read_unit(target) for target in targets or ("top",)]
        with Tap(net.eval(), None, target_layers(parsed)) as tap:
            return backtrack(TappedSubject(tap, x, parsed), **options)

    return run
