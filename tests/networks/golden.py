"""Pictures that somebody has looked at: what a page looks like now is held against them.

FOVEAL_GOLDEN=write makes new ones, to be looked at before they are kept.
"""

from __future__ import annotations

import io
import os

import numpy as np
from PIL import Image

HALF = 2  # pixels of a page in one of a picture that is kept
CALM = 4  # pixels of those that are averaged: fonts differ from machine to machine


def compare(shot, path):
    """Hold a screenshot (PNG bytes) against the picture at a path."""
    image = Image.open(io.BytesIO(shot)).convert("RGB")
    image = image.resize((image.width // HALF, image.height // HALF), Image.Resampling.BOX)
    if os.environ.get("FOVEAL_GOLDEN") == "write":
        path.parent.mkdir(exist_ok=True)
        image.save(path, quality=60, method=6)
    golden = Image.open(path).convert("RGB")
    assert image.size == golden.size, f"{image.size}, not {golden.size} as {path.name}"
    size = (image.width // CALM, image.height // CALM)
    ours, known = (np.asarray(one.resize(size, Image.Resampling.BOX), float) for one in (image, golden))
    apart = np.abs(ours - known)
    found = f"{apart.mean():.1f} on average, {apart.max():.0f} at most, from {path.name}"
    assert apart.mean() < 3 and apart.max() < 130, found  # noqa: PT018 - one sentence tells both
