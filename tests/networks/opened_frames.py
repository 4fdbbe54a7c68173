"""Exact frames of a generator on disk, opened as the explorer opens them, with the model at once."""

from __future__ import annotations

from foveal_audit.generators import load_generator
from foveal_audit.lattice.opening import Seen


def open_frames(folder, feature, library, model=None, seed=0):
    """Open the frames of a bundle's generator; without a model, or its samples' files, without its value."""
    seen = Seen.of(feature, library, None if model is None else model.sha256, seed)
    frames = seen.frames(load_generator(folder), seed)
    pasting = None if model is None else seen.pasting(model)
    if pasting is not None:
        frames.gauge(pasting)
    return frames
