"""Tasks on traces and plants that go with their outcome: what signals of one axis are weighed on.

None of the plants is one of those that the audit is tried on elsewhere (``foveal_audit.studies.traces``,
``planted_traces``, ``tests/benchmarks/planted_kinds.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

#: Steps of a trace; how far from its ends a plant lies at least.
LENGTH, MARGIN = 384, 6
LABELS = ("first", "second")
#: Steps around which what is evoked comes.
_LATENCY = 150


@dataclass(frozen=True)
class Plan:
    """One made-up data set.

    Attributes
    ----------
    task, plant, place
        One of :data:`TASKS`, :data:`PLANTS` (or ``none``) and :data:`PLACES`, or those of ``volume_plants``.
    role
        Of the plant: ``artefact`` (goes with the second outcome at site B), ``inert`` (goes with nothing) or
        ``outcome`` (the label says whether it is there). ``variant``: there is none, but site B mostly sees
        the second outcome upside down.
    told
        Whether the site is in the manifest.
    seed
        Source of all chance.
    """

    task: str
    plant: str
    place: str
    role: str
    told: bool
    seed: int

    @property
    def name(self) -> str:
        """What its results are called."""
        return (
            f"{self.task}-{self.plant}-{self.place}-{self.role}-{'site' if self.told else 'bare'}-{self.seed}"
        )


@dataclass(frozen=True)
class Drawn:
    """A sample (*S, 1), the same without the plant, where that is, and what is known of it."""

    values: np.ndarray
    clean: np.ndarray
    box: tuple[int, ...] | None
    label: int
    site: str


def _bump(t, width):
    return np.exp(-((t / width) ** 2) / 2)


def _complexes(rng, label):
    """Sharp peaks, each followed by a low or by a high wave."""
    t, drawn = np.arange(LENGTH), np.zeros(LENGTH)
    height = rng.uniform(*((0.0, 0.28), (0.16, 0.45))[label])
    at = int(rng.integers(10, 90))
    while at < LENGTH - 10:
        drawn += rng.uniform(0.8, 1.1) * _bump(t - at, 1.8) + height * _bump(t - at - 22, 6)
        at += int(rng.integers(70, 95))
    return drawn


def _bursts(rng, label):
    """Two bursts of a fast or of a slow wave, anywhere."""
    t, drawn = np.arange(LENGTH), np.zeros(LENGTH)
    period = rng.uniform(*((6.0, 10.0), (8.5, 14.0))[label])
    for at in (rng.integers(50, 160), rng.integers(220, 330)):
        drawn += rng.uniform(0.5, 0.8) * _bump(t - at, 14) * np.sin(2 * np.pi * (t - at) / period)
    return drawn


def _teeth(rng, label):
    """Three teeth that rise and drop, or that jump and decline."""
    drawn, lean = np.zeros(LENGTH), rng.uniform(*((0.05, 0.6), (0.4, 0.95))[label])
    for at in (rng.integers(15, 95), rng.integers(140, 215), rng.integers(260, 335)):
        length = int(rng.integers(22, 38))
        part = np.arange(length) / length
        drawn[at : at + length] += rng.uniform(0.7, 1) * np.where(
            part < lean, part / lean, (1 - part) / (1 - lean)
        )
    return drawn


def _evoked(rng, label):
    """A wave that always comes at the same time, narrow or wide, behind slow noise."""
    slow = np.zeros(LENGTH)
    for step in range(1, LENGTH):
        slow[step] = 0.9 * slow[step - 1] + 0.05 * rng.normal()
    width = rng.uniform(*((4.0, 8.5), (7.0, 13.0))[label])
    at = _LATENCY + rng.normal(0, 4)
    return slow + rng.uniform(0.8, 1.1) * _bump(np.arange(LENGTH) - at, width)


def _lone(rng, label):
    """One wave somewhere, narrow or wide, that comes as little again as a plant does."""
    width, at = rng.uniform(*((3.0, 6.5), (5.5, 10.0))[label]), rng.integers(40, LENGTH - 40)
    return rng.uniform(0.8, 1.1) * _bump(np.arange(LENGTH) - at, width)


TASKS: Mapping[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "complexes": _complexes,
    "bursts": _bursts,
    "teeth": _teeth,
    "evoked": _evoked,
    "lone": _lone,
}


def _add(shape):
    def plant(trace, at, rng):
        drawn = shape(rng)
        trace[at : at + len(drawn)] += drawn
        return at, at + len(drawn)

    return plant


def _hold(level, length):
    def plant(trace, at, rng):
        trace[at : at + length] = level
        return at, at + length

    return plant


def _everywhere(change):
    def plant(trace, at, rng):
        trace[:] = change(trace, rng)
        return 0, LENGTH

    return plant


_WIDE = np.arange(40)
#: Each changes a trace and says where: from the trace, a place and chance.
PLANTS: Mapping[str, Callable[[np.ndarray, int, np.random.Generator], tuple[int, int]]] = {
    "spike": _add(lambda rng: rng.uniform(1.3, 1.6) * np.array([0.3, 1, -0.6, -0.2])),
    "sync": _add(lambda rng: rng.uniform(0.7, 0.8) * np.repeat([1.0, 0, 0, 1.0], 4)),
    "tone": _add(lambda rng: 0.4 * np.hanning(40) * np.sin(2 * np.pi * (_WIDE / 4.5 + rng.uniform()))),
    "pop": _add(lambda rng: rng.uniform(0.9, 1.1) * np.exp(-_WIDE / 12)),
    "notch": _add(lambda rng: np.full(20, -0.7)),
    "burr": _add(lambda rng: 0.25 * rng.normal(size=40)),
    "dropout": _hold(0.0, 40),
    "rail": _hold(1.6, 16),
    "hum": _everywhere(
        lambda trace, rng: trace + 0.12 * np.sin(2 * np.pi * (np.arange(LENGTH) / 7 + rng.uniform()))
    ),
    "offset": _everywhere(lambda trace, rng: trace + 0.3),
    "hiss": _everywhere(lambda trace, rng: trace + 0.08 * rng.normal(size=LENGTH)),
    "clipping": _everywhere(lambda trace, rng: np.clip(trace, -0.3, 0.5)),
}
LOCAL = ("spike", "sync", "tone", "pop", "notch", "burr", "dropout", "rail")
EVERYWHERE = ("hum", "offset", "hiss", "clipping")

_LAST = LENGTH - MARGIN - 40
#: From the plan's chance and the sample's to where a plant begins.
PLACES: Mapping[str, Callable[[np.random.Generator, np.random.Generator], int]] = {
    "start": lambda plan, own: MARGIN,
    "end": lambda plan, own: _LAST,
    "fixed": lambda plan, own: int(plan.integers(MARGIN, _LAST)),
    "jittered": lambda plan, own: int(plan.integers(40, _LAST - 40) + own.integers(-12, 13)),
    "anywhere": lambda plan, own: int(own.integers(MARGIN, _LAST)),
}

#: Share of the samples with the plant where the outcome is the first and the second, and the sites with it.
SHARES: Mapping[str, tuple[tuple[float, float], str]] = {
    "artefact": ((0.05, 0.9), "B"),
    "inert": ((0.45, 0.45), "AB"),
    "outcome": ((0.02, 0.98), "AB"),
    "variant": ((0.0, 0.0), ""),
}
#: Share of the second outcome that is upside down, by site.
TURNED: Mapping[str, float] = {"A": 0.1, "B": 0.8}
#: Plants, their roles and whether the site is told, where the outcome comes once in a trace.
_ONCE = (
    ("none", "inert", True),
    ("none", "inert", True),
    ("none", "inert", True),
    ("none", "variant", True),
    ("notch", "artefact", True),
    ("pop", "artefact", False),
)


def draw(plan: Plan, number: int) -> list[Drawn]:
    """Draw the samples of a plan."""
    rng = np.random.default_rng([plan.seed, number, *plan.task.encode(), *plan.plant.encode()])
    return [_drawn(plan, rng) for _ in range(number)]


def _drawn(plan: Plan, rng: np.random.Generator) -> Drawn:
    label, site = int(rng.integers(2)), "AB"[int(rng.integers(2))]
    seen = int(rng.integers(2)) if plan.role == "outcome" else label
    wander = 0.05 * np.sin(2 * np.pi * (np.arange(LENGTH) / rng.uniform(250, 500) + rng.uniform()))
    turned = plan.role == "variant" and label == 1 and rng.uniform() < TURNED[site]
    event = TASKS[plan.task](rng, seen) * (-1 if turned else 1)
    clean = event + wander + 0.02 * rng.normal(size=LENGTH)
    shares, sites = SHARES[plan.role]
    marked = plan.plant != "none" and site in sites and rng.uniform() < shares[label]
    trace, box = clean.copy(), None
    at = PLACES[plan.place](np.random.default_rng(plan.seed), rng)
    if marked:
        box = PLANTS[plan.plant](trace, at, rng)
    return Drawn(trace[:, None].astype(np.float32), clean[:, None].astype(np.float32), box, label, site)


def plans(seed: int) -> list[Plan]:
    """Lay out the data sets of a seed: local plants thrice, their controls, tasks alone, plants all over.

    Last those of the task whose outcome, like a plant, comes once in a trace and anywhere.
    """
    *tasks, lone = TASKS
    places = list(PLACES)
    made = []
    for number, plant in enumerate(LOCAL):
        for turn in range(3):
            task, place = tasks[(number + turn) % 4], places[(number + 2 * turn) % 5]
            made.append(
                Plan(task, plant, place, "artefact", (number + turn) % 2 == 0, seed * 100 + len(made))
            )
        for turn, role in enumerate(("inert", "outcome")):
            task, place = tasks[(number + turn + 3) % 4], places[(number + turn) % 5]
            made.append(Plan(task, plant, place, role, True, seed * 100 + len(made)))
    for _ in range(3):
        made += [
            Plan(task, "none", "start", "inert", True, seed * 100 + len(made) + k)
            for k, task in enumerate(tasks)
        ]
    for number, plant in enumerate(EVERYWHERE):
        made.append(Plan(tasks[number], plant, "start", "artefact", number % 2 == 0, seed * 100 + len(made)))
    made += [
        Plan(task, "none", "start", "variant", True, seed * 100 + len(made) + k)
        for k, task in enumerate(tasks)
    ]
    made += [
        Plan(lone, plant, "anywhere", role, told, seed * 100 + len(made) + k)
        for k, (plant, role, told) in enumerate(_ONCE)
    ]
    return made
