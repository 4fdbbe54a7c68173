"""Samples and windows as the audit reads them from a library, made up in memory."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from foveal.samples.arrays import encode_crop
from foveal_audit.windows import Samples, Windows


def make_samples(sources, predicted=None, labels=None, origins=None, shape=(64, 64, 1), **metadata):
    """Make samples; by default of class 0, unlabelled, without a file, 64 x 64."""
    number = len(sources)
    origins = [None] * number if origins is None else origins
    return Samples(
        names=np.array([f"s{n:04}" for n in range(number)]),
        sources=np.array(sources),
        predicted=np.zeros(number, np.int64) if predicted is None else np.asarray(predicted, dtype=np.int64),
        labels=np.array([""] * number if labels is None else labels, dtype=str),
        origins=tuple(origins),
        sha256=tuple(map(_sha256, origins)),
        shapes=(shape,) * number,
        metadata={key: np.array(values, dtype=str) for key, values in metadata.items()},
    )


def _sha256(origin):
    there = origin is not None and Path(origin).is_file()
    return hashlib.sha256(Path(origin).read_bytes()).hexdigest() if there else ""


def make_windows(crops, owner=None, boxes=None, vectors=None, activation=None, layer="conv"):
    """Make windows from crops (*s, C), one sample each unless told otherwise."""
    number, axes = len(crops), crops[0].ndim - 1 if len(crops) else 2
    objects = np.empty((2, number), dtype=object)
    for n, crop in enumerate(crops):
        objects[0, n] = encode_crop(crop)
        objects[1, n] = np.full((2,) * axes, n, dtype=np.float32)
    return Windows(
        ids=np.array([f"e{n:04}" for n in range(number)]),
        owner=np.arange(number) if owner is None else np.asarray(owner, dtype=np.int64),
        boxes=np.tile([8] * axes + [24] * axes, (number, 1))
        if boxes is None
        else np.asarray(boxes, dtype=np.int64),
        activation=np.ones(number) if activation is None else np.asarray(activation, dtype=np.float64),
        share=np.ones(number),
        crops=objects[0],
        maps=objects[1],
        vectors=np.ones((number, 2), np.float32) if vectors is None else np.asarray(vectors, np.float32),
        layer=layer,
    )


def noise_crop(rng, side=16, channels=1):
    """Draw a crop without any structure."""
    return rng.integers(60, 200, (side, side, channels), dtype=np.uint8)


def stripes_crop(rng, upright, side=16):
    """Draw stripes with a little noise: every two look alike."""
    bars = np.tile((np.arange(side) // 3 % 2) * 160 + 40, (side, 1))
    grey = (bars if upright else bars.T) + rng.integers(-10, 10, (side, side))
    return grey.astype(np.uint8)[..., None]
