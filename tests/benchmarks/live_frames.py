"""What live frames without a server would cost and gain, for every generator of some bundles.

    python tests/benchmarks/live_frames.py BUNDLE...

Prints a row per generator: bytes of the stored pictures, of the full and of the quantised ONNX file; how far
a blend of stored pictures, shown while a slider moves, and a frame of the quantised file are from the
generator's own frame, at 200 places between them (mean and worst, in grey levels of 255).
"""

from __future__ import annotations

import io
import sys
from itertools import product
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image

from foveal_audit.generators import load_generator
from foveal_audit.generators.onnx_graph import INPUT, NOISE, onnx_model
from foveal_audit.generators.quantised import quantised
from foveal_audit.generators.storage import WEIGHTS
from foveal_audit.lattice import make_lattice
from foveal_audit.lattice.nodes import still
from foveal_audit.lattice.tiles import as_tiles

PLACES = 200


def tiles_of(lattice):
    """Cut the sheet of stored pictures."""
    sheet, columns = (
        np.asarray(Image.open(io.BytesIO(lattice.sprite.data)).convert("RGB")),
        lattice.sprite.columns,
    )
    height, width = lattice.side
    corners = (divmod(node, columns) for node in range(lattice.nodes.steps**lattice.nodes.axes))
    return [sheet[y * height : (y + 1) * height, x * width : (x + 1) * width] for y, x in corners]


def blend(nodes, tiles, below, part):
    """Mix the pictures round a place, as the sliders do."""
    mixed = np.zeros(tiles[0].shape)
    for corner in product((0, 1), repeat=nodes.axes):
        node = int(np.ravel_multi_index(tuple(below + corner), (nodes.steps,) * nodes.axes))
        mixed += np.prod(np.where(corner, part, 1 - part)) * tiles[node]
    return mixed


def live(generator):
    """Give what draws a tile from the quantised file, with the grain of the stored pictures."""
    content = quantised(onnx_model(generator)).SerializeToString(deterministic=True)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    noise = {} if generator.texture is None else {NOISE: generator.texture.draw(1, 0)}
    return len(content), lambda z: session.run(None, {INPUT: z[None], **noise})[0]


def row(folder):
    """Measure one generator."""
    generator = load_generator(folder)
    lattice = make_lattice(generator)
    nodes, tiles = lattice.nodes, tiles_of(lattice)
    small, draw = live(generator)
    mixed, drawn = [], []
    for place in np.random.default_rng(0).uniform(0, nodes.steps - 1, (PLACES, nodes.axes)):
        below = np.minimum(place.astype(int), nodes.steps - 2)
        z, part = nodes.origin.copy(), place - below
        z[: nodes.axes] = [
            stops[at] * (1 - share) + stops[at + 1] * share
            for stops, at, share in zip(nodes.stops, below, part, strict=True)
        ]
        true = as_tiles(still(generator, z[None]))[0].astype(float)
        mixed.append(np.abs(blend(nodes, tiles, below, part) - true))
        drawn.append(np.abs(as_tiles(draw(z))[0] - true))
    sizes = len(lattice.sprite.data), len(onnx_model(generator).SerializeToString()), small
    return sizes, [(np.mean(one), np.max(one)) for one in (mixed, drawn)]


def main():
    """Print a row per generator."""
    print("generator  stored  full  quantised  blend mean/worst  quantised mean/worst")  # noqa: T201
    for bundle in map(Path, sys.argv[1:]):
        for weights in sorted(bundle.glob(f"generators/*/{WEIGHTS}")):
            sizes, apart = row(weights.parent)
            told = (f"{mean:.2f}/{worst:.0f}" for mean, worst in apart)
            print(weights.parent.name, *sizes, *told, sep="  ")  # noqa: T201


if __name__ == "__main__":
    main()
