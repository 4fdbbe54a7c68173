"""Audit networks that learned from planted traces and volumes, and tell what was made of each plant.

    python tests/benchmarks/planted_kinds.py [CASE ...]

Each network learns, from 600 samples of two classes of which one goes with a plant at one site, whatever it
likes. The table says for each facet where it lies, what the audit concluded and by which numbers. Takes about
two minutes a case on one core.
"""

from __future__ import annotations

import csv
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "networks"))

import numpy as np
import planted_traces
import planted_volumes
import torch
from ready_stores import ready_store
from torch import nn
from torch.nn.functional import cross_entropy

from foveal.archives import AuditedModel
from foveal.collecting import collect
from foveal.config import FovealConfig
from foveal.library import Library
from foveal.samples.traces.transform import TraceTransform
from foveal.samples.volumes.transform import VolumeTransform
from foveal_audit.auditing import audit
from foveal_audit.settings import QUICK
from foveal_audit.studies.volumes import draw_volume

TRAINED, PRODUCED, EPOCHS = 600, 150, 12
#: Share of the samples that look like what they are: in the others the plant is the better sign.
SURE = 0.8


@dataclass(frozen=True)
class Case:
    """What is drawn, what learns from it, and how it is served.

    Attributes
    ----------
    draw
        From chance, class, whether the plant shows and whether the sample is odd to a sample.
    network
        Makes the network.
    transform, window
        As the archive would state them.
    mark
        Where the plant lies; None where it has no place.
    labels
        Names of the classes.
    """

    draw: Callable[[np.random.Generator, int, bool, bool], np.ndarray]
    network: Callable[[], nn.Module]
    transform: object
    window: list[int]
    mark: tuple[int, ...] | None
    labels: tuple[str, str]


def tell(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def trace_net(leads: int = planted_traces.LEADS) -> nn.Module:
    """Three convolutions over time."""
    return nn.Sequential(
        nn.Conv1d(leads, 16, 9, padding=4), nn.ReLU(), nn.MaxPool1d(2),
        nn.Conv1d(16, 24, 9, padding=4), nn.ReLU(), nn.MaxPool1d(2),
        nn.Conv1d(24, 24, 9, padding=4), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(24, 2),
    )  # fmt: skip


def volume_net() -> nn.Module:
    """Three convolutions in space."""
    return nn.Sequential(
        nn.Conv3d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool3d(2),
        nn.Conv3d(8, 16, 3, padding=1), nn.ReLU(),
        nn.Conv3d(16, 16, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(16, 2),
    )  # fmt: skip


def with_pulse(rng: np.random.Generator, label: int, marked: bool, odd: bool) -> np.ndarray:
    """Draw beats, and the pulse at its place."""
    return planted_traces.trace(rng, label, marked, odd)


def with_click(rng: np.random.Generator, label: int, marked: bool, odd: bool) -> np.ndarray:
    """Draw beats, and a click anywhere."""
    drawn = planted_traces.trace(rng, label, upside_down=odd)
    if marked:
        at = int(rng.integers(4, planted_traces.LENGTH - 12))
        drawn[at : at + 8] += 0.8 * (-1.0) ** np.arange(8)[:, None]
    return drawn


def with_hum(rng: np.random.Generator, label: int, marked: bool, odd: bool) -> np.ndarray:
    """Draw beats, and a hum all over."""
    drawn = planted_traces.trace(rng, label, upside_down=odd)
    wave = np.sin(2 * np.pi * (np.arange(planted_traces.LENGTH) / 6 + rng.uniform()))
    return (drawn + 0.1 * marked * wave[:, None]).astype(np.float32)


def with_cube(rng: np.random.Generator, label: int, marked: bool, odd: bool) -> np.ndarray:
    """Draw a scan, and the cube in its corner; odd ones are of the other polarity."""
    drawn = draw_volume(rng, label, marked)
    return -drawn if odd else drawn


_TRACES = TraceTransform(size=(planted_traces.LENGTH,), channels=planted_traces.LEADS)
_VOLUMES = VolumeTransform(size=(planted_volumes.SIDE,) * 3, channels=1, window=planted_volumes.WINDOW)

CASES = {
    "pulse": Case(with_pulse, trace_net, _TRACES, [48], planted_traces.PULSE, planted_traces.LABELS),
    "click": Case(with_click, trace_net, _TRACES, [48], None, planted_traces.LABELS),
    "hum": Case(with_hum, trace_net, _TRACES, [48], None, planted_traces.LABELS),
    "cube": Case(with_cube, volume_net, _VOLUMES, [8, 8, 8], planted_volumes.CUBE, planted_volumes.LABELS),
}


def write(
    case: Case, folder: Path, source: str, number: int, seed: int, odd: float
) -> tuple[Path, list[bool]]:
    """Write samples of two sites; site B plants nine of ten of class 1 and one of twenty of class 0.

    One of five looks like the other class, so that it pays to look at the plant.
    """
    rng = np.random.default_rng(seed)
    (folder / source).mkdir(parents=True)
    shown = []
    with (folder / f"{source}.csv").open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["path", "label", "site"])
        for n in range(number):
            label, site = int(rng.integers(2)), "AB"[int(rng.integers(2))]
            shown.append(bool(site == "B" and rng.uniform() < (0.9 if label else 0.05)))
            seen = label if rng.uniform() < SURE else 1 - label
            drawn = case.draw(rng, seen, shown[-1], rng.uniform() < odd)
            np.save(folder / source / f"{n:04}.npy", drawn)
            table.writerow([f"{source}/{n:04}.npy", case.labels[label], site])
    return folder / f"{source}.csv", shown


def learned(case: Case, table: Path) -> nn.Module:
    """Learn the classes of a table."""
    torch.manual_seed(0)
    net = case.network()
    rows = list(csv.DictReader(table.open()))
    x = torch.stack([case.transform(np.load(table.parent / row["path"])) for row in rows])
    y = torch.tensor([case.labels.index(row["label"]) for row in rows])
    optimiser = torch.optim.Adam(net.parameters(), lr=3e-3)
    for _ in range(EPOCHS):
        for part in torch.randperm(len(x)).split(32):
            optimiser.zero_grad()
            cross_entropy(net(x[part]), y[part]).backward()
            optimiser.step()
    with torch.no_grad():
        right = float((net.eval()(x).argmax(1) == y).float().mean())
    tell(f"  learned: {right:.1%} of training right")
    return net


def run(name: str, folder: Path) -> None:
    """Write, learn, collect, audit and print."""
    case, begun = CASES[name], time.process_time()
    training, shown = write(case, folder, "training", TRAINED, 0, 0.0)
    production, _ = write(case, folder, "production", PRODUCED, 1, 0.15)
    net = learned(case, training)
    config = FovealConfig.from_mapping({"window": case.window}, environ={})
    model = AuditedModel(name, net, case.transform, case.labels, config, "a" * 64, f"python:{name}:model")
    library = Library(name, ready_store(folder / "mlflow.db"))
    collect(model, training, "training", library)
    collect(model, production, "production", library)
    findings = audit(model, library, QUICK).result.findings
    plants = {f"training/{n:04}.npy" for n, one in enumerate(shown) if one}
    for one in findings.assessments:
        told = _told(one, case.mark, plants)
        if one.verdict in ("confirmed", "suspected") or told[0] > 0.5:
            numbers = f"irrelevance {one.irrelevance:.2f}  reliance {one.reliance:.2f}  q {one.q_value}"
            tell(f"  {one.verdict:14} {one.feature}/{one.facet}  {told[1]}  {numbers}")
    for gap in findings.gaps:
        tell(f"  gap: {gap.gap}, {len(gap.samples)} samples, p {gap.p_value}")
    tell(f"  {time.process_time() - begun:.0f} CPU s")


def _told(one: object, mark: tuple[int, ...] | None, plants: set[str]) -> tuple[float, str]:
    """Say how much of a facet is about the plant."""
    entries = [entry for entry in one.entries if entry.source == "training"]
    carried = float(np.mean([entry.sample in plants for entry in entries])) if entries else 0.0
    boxes = np.array([entry.window for entry in one.entries])
    axes = boxes.shape[1] // 2
    if mark is None:
        return carried, f"{carried:.0%} of its samples carry the plant"
    middles = (boxes[:, :axes] + boxes[:, axes:]) / 2
    inside = float(((middles >= mark[:axes]) & (middles <= mark[axes:])).all(axis=1).mean())
    return inside, f"{inside:.0%} of its windows lie on the plant"


if __name__ == "__main__":
    torch.set_num_threads(1)
    for chosen in sys.argv[1:] or CASES:
        tell(chosen)
        with tempfile.TemporaryDirectory() as place:
            run(chosen, Path(place))
