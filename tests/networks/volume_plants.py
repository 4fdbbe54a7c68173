"""Tasks on volumes and plants that go with their outcome: what signals of three axes are weighed on.

None of them is one of those that the audit is tried on elsewhere (``foveal_audit.studies.volumes``,
``planted_volumes``, ``tests/benchmarks/planted_kinds.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from trace_plants import SHARES, TURNED, Drawn, Plan

#: Voxels along a side; how far from the faces a plant lies at least, and how large one is at most.
SIDE, MARGIN, LARGEST = 16, 1, 6
LABELS = ("first", "second")
#: Level of what nothing lies in.
_LEVEL = 0.35


def _grid(centre):
    """Give how far every voxel is from a point, (3, 16, 16, 16)."""
    return np.mgrid[:SIDE, :SIDE, :SIDE] - np.asarray(centre, float)[:, None, None, None]


def _inner(rng):
    return rng.uniform(4.5, SIDE - 4.5, 3)


def _haze(rng, label):
    """A cloud, narrow or wide."""
    width = rng.uniform(*((1.3, 2.4), (2.0, 3.3))[label])
    return 0.4 * np.exp(-(_grid(_inner(rng)) ** 2).sum(0) / (2 * width**2))


def _grains(rng, label):
    """An ellipsoid that is flat, or that is long."""
    axis, tall = int(rng.integers(3)), rng.uniform(*((1.5, 3.0), (2.5, 5.0))[label])
    radii = np.full(3, 2.7)
    radii[axis] = tall
    away = np.sqrt(((_grid(_inner(rng)) / radii[:, None, None, None]) ** 2).sum(0))
    return rng.uniform(0.25, 0.35) * (away < 1)


def _rods(rng, label):
    """Two rods along one axis, thin or thick."""
    drawn, thick = np.zeros((SIDE,) * 3), rng.uniform(*((0.9, 1.7), (1.4, 2.4))[label])
    for _ in range(2):
        off, axis = _grid(_inner(rng)), int(rng.integers(3))
        across = np.sqrt(np.delete(off**2, axis, 0).sum(0))
        drawn[(across < thick) & (np.abs(off[axis]) < 5)] = 0.3
    return drawn


def _crumbs(rng, label):
    """Small balls, few or many."""
    drawn = np.zeros((SIDE,) * 3)
    for _ in range(int(rng.integers(*((2, 6), (4, 9))[label]))):
        away = np.sqrt((_grid(rng.uniform(3, SIDE - 3, 3)) ** 2).sum(0))
        drawn[away < 1.8] = rng.uniform(0.25, 0.4)
    return drawn


TASKS: Mapping[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "haze": _haze,
    "grains": _grains,
    "rods": _rods,
    "crumbs": _crumbs,
}


def _put(shape):
    """Make a plant of what is written into its box: values, nan where the scan stays."""

    def plant(volume, at, rng):
        drawn = shape(rng)
        box = (*at, *np.add(at, drawn.shape).tolist())
        part = volume[tuple(slice(low, high) for low, high in zip(box[:3], box[3:], strict=True))]
        np.copyto(part, drawn, where=np.isfinite(drawn))
        return box

    return plant


def _full(shape, low, high):
    return _put(lambda rng: np.full(shape, rng.uniform(low, high)))


def _cross(rng):
    drawn = np.full((5, 5, 5), np.nan)
    drawn[2, 2, :] = drawn[2, :, 2] = drawn[:, 2, 2] = rng.uniform(0.9, 1.0)
    return drawn


def _lattice(rng):
    drawn = np.full((5, 5, 5), np.nan)
    drawn[::2, ::2, ::2] = rng.uniform(0.85, 1.0)
    return drawn


def _frame(rng):
    drawn = np.full((2, 6, 6), rng.uniform(0.85, 1.0))
    drawn[:, 1:-1, 1:-1] = np.nan
    return drawn


#: Each changes a volume and says where: from the volume, a place and chance.
PLANTS: Mapping[str, Callable[[np.ndarray, tuple[int, ...], np.random.Generator], tuple[int, ...]]] = {
    "wire": _full((2, 2, 6), 0.9, 1.0),
    "plate": _full((1, 6, 6), 0.8, 0.95),
    "void": _full((4, 4, 4), 0.0, 0.04),
    "cross": _put(_cross),
    "lattice": _put(_lattice),
    "frame": _put(_frame),
    "speckle": _put(lambda rng: np.clip(_LEVEL + 0.3 * rng.normal(size=(5, 5, 5)), 0, 1)),
    "bead": _full((3, 3, 3), 0.95, 1.0),
}
LOCAL = tuple(PLANTS)
EVERYWHERE: tuple[str, ...] = ()

_LAST = SIDE - MARGIN - LARGEST
#: From the plan's chance and the sample's to where a plant begins.
PLACES: Mapping[str, Callable[[np.random.Generator, np.random.Generator], np.ndarray]] = {
    "corner": lambda plan, own: np.where(plan.integers(0, 2, 3), MARGIN, _LAST),
    "fixed": lambda plan, own: plan.integers(MARGIN, _LAST + 1, 3),
    "face": lambda plan, own: np.array([MARGIN, *own.integers(MARGIN, _LAST + 1, 2)]),
    "anywhere": lambda plan, own: own.integers(MARGIN, _LAST + 1, 3),
}


def draw(plan: Plan, number: int) -> list[Drawn]:
    """Draw the samples of a plan, (16, 16, 16, 1) each."""
    rng = np.random.default_rng([plan.seed, number, *plan.task.encode(), *plan.plant.encode()])
    return [_drawn(plan, rng) for _ in range(number)]


def _drawn(plan: Plan, rng: np.random.Generator) -> Drawn:
    label, site = int(rng.integers(2)), "AB"[int(rng.integers(2))]
    seen = int(rng.integers(2)) if plan.role == "outcome" else label
    turned = plan.role == "variant" and label == 1 and rng.uniform() < TURNED[site]
    event = TASKS[plan.task](rng, seen) * (-1 if turned else 1)
    clean = np.clip(_LEVEL + event + 0.02 * rng.normal(size=(SIDE,) * 3), 0, 1)
    shares, sites = SHARES[plan.role]
    marked = plan.plant != "none" and site in sites and rng.uniform() < shares[label]
    volume, box = clean.copy(), None
    at = tuple(PLACES[plan.place](np.random.default_rng(plan.seed), rng).tolist())
    if marked:
        box = PLANTS[plan.plant](volume, at, rng)
    return Drawn(volume[..., None].astype(np.float32), clean[..., None].astype(np.float32), box, label, site)


def plans(seed: int) -> list[Plan]:
    """Lay out the data sets of a seed: local plants thrice, their controls, tasks alone."""
    tasks, places = list(TASKS), list(PLACES)
    made = []
    for number, plant in enumerate(LOCAL):
        for turn in range(3):
            task, place = tasks[(number + turn) % 4], places[(turn + 2 * number + number // 4) % 4]
            made.append(
                Plan(task, plant, place, "artefact", (number + turn) % 2 == 0, seed * 100 + len(made))
            )
        role, task, place = (
            ("inert", "outcome")[number % 2],
            tasks[(number + 3) % 4],
            places[(number // 2) % 4],
        )
        made.append(Plan(task, plant, place, role, True, seed * 100 + len(made)))
    for role in ("inert", "inert", "variant"):
        made += [
            Plan(task, "none", "corner", role, True, seed * 100 + len(made) + k)
            for k, task in enumerate(tasks)
        ]
    return made
