"""What an audit costs as a library grows: CPU seconds of its stages on made-up evidence of 1k to 16k images.

    python tests/benchmarks/audit_scaling.py [--images 1000 2000 4000 8000 16000] [--nodes 4 8 16 32]
        [--limits]

The causal tests are not in it: their number per facet is fixed, whatever the size of the library. With
`--limits` it measures 2,500 images, and the maps of 16 nodes that `foveal collect` makes before an audit, and
ends with 1 where either costs more than it may.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

sys.path.insert(0, str(Path(__file__).parents[1] / "networks"))

import torch
from planted import ShapesNet, audited
from small_nets import PatentNet
from synthetic_library import make_samples, make_windows

from foveal.capture import NodeTarget, Tap, choose_layer
from foveal_audit.bench import ModelBench
from foveal_audit.examining import examine
from foveal_audit.gaps.finding import find_gaps
from foveal_audit.judgement.facet import judge
from foveal_audit.judgement.surroundings import surroundings
from foveal_audit.judging_properties import judge_properties
from foveal_audit.reproducible import one_thread
from foveal_audit.settings import AuditSettings
from foveal_audit.windows import Evidence

SIDE, CROP, CLASSES, KINDS, CHANNELS = 96, 32, 5, 20, 64
#: A feature is present in this part of the images, as the default rule has it.
PRESENT = 0.1
#: CPU seconds that units and signals of 2,500 images may take, milliseconds that an image's 16 maps may take.
UNITS_AND_SIGNALS, MAPS = 20, 6
STAGES = ("units", "signals", "properties", "gaps")


class NoFiles:
    """A bench without readable samples: signals are measured, causal tests are not."""

    def __init__(self, number):
        self.readable = np.zeros(number, dtype=bool)


class DrawnPictures(ModelBench):
    """A bench that draws noise, each picture its own, where another reads files."""

    def _decode(self, sample):
        noise = np.random.default_rng(sample).normal(128, 30, (SIDE, SIDE, 1))
        return noise.clip(0, 255).astype(np.uint8)


def crops(rng, number):
    """Draw soft textures, so that clusters have to be looked for."""
    drawn = gaussian_filter(rng.normal(size=(number, CROP, CROP)), (0, 2, 2))
    scaled = (drawn - drawn.min()) / np.ptp(drawn) * 255
    return list(scaled.astype(np.uint8)[..., None])


def boxes(rng, number):
    corners = rng.integers(0, SIDE - CROP, (number, 2))
    return np.concatenate([corners, corners + CROP], axis=1)


def evidence(images, nodes, seed=0):
    """Draw a library: two contribution windows an image, and nodes that a tenth of the images show."""
    rng = np.random.default_rng(seed)
    sources = np.where(np.arange(images) % 6 < 5, "training", "production")
    site, scanner = rng.choice(list("ABC"), images), rng.choice(list("xy"), images)
    predicted = rng.integers(0, CLASSES, images)
    samples = make_samples(sources, predicted, shape=(SIDE, SIDE, 1), site=site, scanner=scanner)
    owner = np.repeat(np.arange(images), 2)
    flow = np.eye(CHANNELS)[rng.integers(0, KINDS, len(owner)) * 3]
    vectors = flow + 0.15 * np.abs(rng.normal(size=(len(owner), CHANNELS)))
    own = make_windows(crops(rng, len(owner)), owner, boxes(rng, len(owner)), vectors)
    found = {}
    for node in range(nodes):
        rows = np.sort(rng.choice(images, int(PRESENT * images), replace=False))
        found[f"fc1:{node}"] = make_windows(crops(rng, len(rows)), rows, boxes(rng, len(rows)), layer="fc1")
    return Evidence(samples, own, found, {})


def measure(images, nodes):
    """Give CPU seconds per stage."""
    held, settings = evidence(images, nodes), AuditSettings(nodes=nodes)
    model = audited(ShapesNet())
    seconds = {}
    with one_thread():
        examined = timed(seconds, "units", lambda: examine(held, settings))
        around = timed(seconds, "signals", lambda: surroundings(held, settings))
        bench = NoFiles(images)
        for facet in examined.facets:
            timed(seconds, "signals", lambda: judge(facet, around, bench, np.random.default_rng(0)))  # noqa: B023
        pictures = DrawnPictures(model, held.samples, np.ones(images, dtype=bool))
        drawing = {}
        timed(drawing, "drawing", lambda: [pictures._decode(n) for n in range(images)])
        timed(seconds, "properties", lambda: judge_properties(around, pictures, np.random.default_rng(0)))
        seconds["properties"] -= drawing["drawing"]
        timed(seconds, "gaps", lambda: find_gaps(held.contribution, held.samples, model, 0))
    return seconds, len(examined.facets)


def timed(seconds, name, make):
    begun = time.process_time()
    made = make()
    seconds[name] = seconds.get(name, 0) + time.process_time() - begun
    return made


def tell(line):
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def table(what, sizes, run):
    heads = " ".join(f"{name:>10}" for name in (*STAGES, "all", "all/k"))
    tell(f"{what:>8} {'facets':>7} {heads} {'peak MB':>8}")
    rows = []
    for size in sizes:
        seconds, facets = run(size)
        whole = sum(seconds.values())
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        figures = [*(seconds[name] for name in STAGES), whole]
        rows.append(figures)
        told = " ".join(f"{figure:10.2f}" for figure in (*figures, 1000 * whole / size))
        tell(f"{size:8} {facets:7} {told} {peak:8.0f}")
    if len(sizes) > 1:
        slopes = np.polyfit(np.log(sizes), np.log(np.maximum(rows, 1e-3)), 1)[0]
        names = zip((*STAGES, "all"), slopes, strict=True)
        tell("CPU time grows as size to the power of: " + ", ".join(f"{n} {s:.2f}" for n, s in names))


def limits():
    """Say what the two limits are about and whether they hold."""
    seconds, _ = measure(2500, 16)
    both, maps = seconds["units"] + seconds["signals"], map_milliseconds()
    tell(f"units and signals of 2500 images and 16 nodes: {both:.1f} CPU s, may be {UNITS_AND_SIGNALS}")
    tell(f"maps of 16 nodes at {SIDE} pixels: {maps:.2f} CPU ms an image, may be {MAPS}")
    return both <= UNITS_AND_SIGNALS and maps <= MAPS


def map_milliseconds(batch=16, rounds=25):
    """Give the CPU time of one image's forward and the maps of 16 nodes, the least of some rounds.

    The least is what it takes: whatever else runs on the machine can only add to it.
    """
    x = torch.randn(batch, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    network = PatentNet().eval()
    targets = [NodeTarget("fc1", node) for node in range(16)]
    costs = []
    with one_thread(), Tap(network, choose_layer(network, x), ["fc1"]) as tap:
        for _ in range(rounds):
            begun = time.process_time()
            tap.forward(x).attribute(targets, "gradcam")
            costs.append(1000 * (time.process_time() - begun) / batch)
    return min(costs)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, nargs="*", default=[1000, 2000, 4000, 8000, 16000])
    parser.add_argument("--nodes", type=int, nargs="*", default=[4, 8, 16, 32])
    parser.add_argument("--limits", action="store_true")
    given = parser.parse_args()
    measure(500, 2)  # what is imported and compiled at the first use is not counted
    if given.images:
        tell("as images grow, 16 nodes:")
        table("images", given.images, lambda images: measure(images, 16))
    if given.nodes:
        tell("as features grow, 2000 images:")
        table("nodes", given.nodes, lambda nodes: measure(2000, nodes))
    return 0 if not given.limits or limits() else 1


if __name__ == "__main__":
    sys.exit(main())
