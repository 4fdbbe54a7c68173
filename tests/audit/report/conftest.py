"""Facets to say something about: any, and a property of whole pictures."""

import pytest

from foveal_audit.bundle.schema import Assessment, Signal


def _facet(values, **changes):
    base = {
        "id": "A-00000001",
        "feature": "fc1:7",
        "facet": 0,
        "n_entries": {"training": 5},
        "reliance": 0.9,
        "irrelevance": 0.9,
        "artefact_score": 0.9,
        "q_value": 0.01,
        "verdict": "suspected",
        "signals": {name: Signal(value=value) for name, value in values.items()},
    }
    return Assessment(**(base | changes))


@pytest.fixture
def facet():
    """Build a facet with such signals; keyword arguments replace its fields."""
    return _facet


@pytest.fixture
def rim():
    """What was measured of a dark rim that is carried over badly."""
    return {
        "property:rim": -2.96,
        "property_ubiquity": 0.573,
        "property_purity": 0.91,
        "property_fidelity": 0.413,
        "property_prevalence": 0.462,
        "carried_over:rim": 0.5,
    }
