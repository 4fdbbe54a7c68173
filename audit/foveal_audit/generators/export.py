"""Write a generator's folder for the bundle."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .crops import as_crops
from .generator import Generator
from .memorisation import CopyGuard
from .montage import COLUMNS, PAIRS, samples_montage
from .onnx_graph import onnx_model
from .quantised import deviation, quantised
from .serving import fresh_crops
from .storage import WEIGHTS, weights_bytes
from .walk import write_walk

FILES = ("generator.onnx", "generator.int8.onnx", WEIGHTS, "card.json", "samples.png", "walk.mp4")


def export_generator(
    generator: Generator,
    directory: Path,
    card: Mapping[str, Any],
    *,
    seed: int,
    crops: NDArray[np.floating],
    originals: NDArray[np.floating] | None = None,
    guard: CopyGuard | None = None,
) -> tuple[Path, ...]:
    """Write the six files of a generator; of one that has memorised crops, its card alone.

    No picture that looks like a real crop is written.

    Parameters
    ----------
    generator
        What to write.
    directory
        Made where missing; files of the same names are overwritten.
    card
        From :func:`.card.quality_card`; the hashes of all weight files are added, and by how much the
        quantised one is off.
    seed
        Seeds the samples and the walk. Same generator, crops and seed: the same bytes in every file.
    crops
        (n, C, *s) real crops, registered: the nearest of them is found for each generated one.
    guard
        What tells copies of them; default one that takes every crop's look as its own.
    originals
        The same crops as they were cut, to be shown instead: registration mirrors pixels in at the border.

    Returns
    -------
    tuple of Path
        ``generator.onnx`` (``z`` (N, d) to ``crops`` (N, C, h, w)), ``generator.int8.onnx``,
        ``weights.safetensors``, ``card.json``, ``samples.png``, ``walk.mp4``; or only the card.
    """
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    onnx, small, weights, card_file, samples, walk = (folder / name for name in FILES)
    if card.get("memorised"):
        _write_card(card_file, card, [])
        return (card_file,)
    library = as_crops(crops)
    watch = guard or CopyGuard.of(library)
    model = onnx_model(generator)
    onnx.write_bytes(model.SerializeToString(deterministic=True))
    small.write_bytes(quantised(model).SerializeToString(deterministic=True))
    weights.write_bytes(weights_bytes(generator))
    off = deviation(generator, onnx.read_bytes(), small.read_bytes(), seed)
    _write_card(card_file, {**card, "quantised": off}, [onnx, small, weights])
    shown = library if originals is None else as_crops(originals)
    samples_montage(fresh_crops(generator, COLUMNS * PAIRS, seed, watch), library, shown).save(samples)
    write_walk(generator, walk, seed=seed, guard=watch)
    return tuple(path for path in (onnx, small, weights, card_file, samples, walk) if path.is_file())


def _write_card(path: Path, card: Mapping[str, Any], vouched: Sequence[Path]) -> None:
    hashes = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in vouched}
    path.write_text(json.dumps({**card, "sha256": hashes}, indent=2, sort_keys=True) + "\n", "utf-8")
