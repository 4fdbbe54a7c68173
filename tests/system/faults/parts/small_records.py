"""Records that cost next to nothing to make: no network is asked."""

from __future__ import annotations

import numpy as np

from foveal.records import Entry, Observation, SampleRecord


def observation(name, size=300, **changes):
    """Make the record of a sample with one entry, whose id is the sample's name."""
    shared = {
        "sample": name,
        "row": 0,
        "source": "production",
        "time": "2026-03-01T12:00:00Z",
        "predicted": 0,
        "model_sha256": "m" * 64,
        "config_sha256": "c" * 64,
        **changes,
    }
    sample = SampleRecord(**shared, scores=(1.0,), activations={}, sample_sha256=name, shape=(1, 1, 1))
    entry = Entry(
        **shared,
        id=name,
        feature="fc1:1",
        window=(0, 0, 1, 1),
        activation=1.0,
        share=1.0,
        crop=b"x" * size,
        map=np.zeros((1, 1), np.float32),
        vector=np.zeros(0, np.float32),
        method="gradcam",
        layer="layer4",
        threshold=0.0,
    )
    return Observation(sample, (entry,))
