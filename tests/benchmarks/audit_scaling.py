"""What an audit costs as a library grows: CPU seconds of its stages on made-up evidence of 1k to 16k images.

    python tests/benchmarks/audit_scaling.py [--images 1000 2000 4000 8000 16000] [--nodes 4 8 16 32]

The causal tests are not in it: their number per facet is fixed, whatever the size of the library. Nor is
attribution, which `foveal collect` does before an audit.
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

from planted import ShapesNet, audited
from synthetic_library import make_samples, make_windows

from foveal_audit.examining import examine, surroundings
from foveal_audit.gaps.finding import find_gaps
from foveal_audit.judgement.facet import judge
from foveal_audit.reproducible import one_thread
from foveal_audit.settings import AuditSettings
from foveal_audit.windows import Evidence

SIDE, CROP, CLASSES, KINDS, CHANNELS = 96, 32, 5, 20, 64
#: A feature is present in this part of the images, as the default rule has it.
PRESENT = 0.1


class NoFiles:
    """A bench without readable samples: signals are measured, causal tests are not."""

    def __init__(self, number):
        self.readable = np.zeros(number, dtype=bool)


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
    tell(f"{what:>8} {'facets':>7} {'units':>8} {'signals':>8} {'gaps':>8} {'both/k':>8} {'peak MB':>8}")
    rows = []
    for size in sizes:
        seconds, facets = run(size)
        both = seconds["units"] + seconds["signals"]
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        rows.append([seconds["units"], seconds["signals"], seconds["gaps"], both])
        figures = " ".join(f"{seconds[name]:8.2f}" for name in ("units", "signals", "gaps"))
        tell(f"{size:8} {facets:7} {figures} {1000 * both / size:8.2f} {peak:8.0f}")
    if len(sizes) > 1:
        slopes = np.polyfit(np.log(sizes), np.log(np.maximum(rows, 1e-3)), 1)[0]
        names = zip(("units", "signals", "gaps", "units + signals"), slopes, strict=True)
        tell("CPU time grows as size to the power of: " + ", ".join(f"{n} {s:.2f}" for n, s in names))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, nargs="*", default=[1000, 2000, 4000, 8000, 16000])
    parser.add_argument("--nodes", type=int, nargs="*", default=[4, 8, 16, 32])
    given = parser.parse_args()
    measure(500, 2)  # what is imported and compiled at the first use is not counted
    if given.images:
        tell("as images grow, 16 nodes:")
        table("images", given.images, lambda images: measure(images, 16))
    if given.nodes:
        tell("as features grow, 2000 images:")
        table("nodes", given.nodes, lambda nodes: measure(2000, nodes))


if __name__ == "__main__":
    main()
