"""What an audit would take: every stage measured on a sample, then counted up; nothing is kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from foveal import Library
from foveal.archives import AuditedModel
from foveal.features import CONTRIBUTION
from foveal_audit.bench import ModelBench, is_unchanged
from foveal_audit.depicting import draw_generator
from foveal_audit.engine.columns import write_windows
from foveal_audit.engine.shelf import size_of
from foveal_audit.examining import (
    Examined,
    Split,
    chosen_features,
    gather,
    require_recorded,
    split_contribution,
    split_node,
)
from foveal_audit.gaps.finding import find_gaps
from foveal_audit.judgement.facet import Facet, judge
from foveal_audit.judgement.surroundings import surroundings
from foveal_audit.judgement.verdict import THRESHOLDS
from foveal_audit.judgement.walking import walk_axes
from foveal_audit.judging_properties import judge_properties
from foveal_audit.properties.measuring import measure as measure_properties
from foveal_audit.reproducible import one_thread
from foveal_audit.settings import AuditSettings
from foveal_audit.windows import Evidence, EvidenceReader, Windows

#: Windows that are drawn of contributions, and of each of so many nodes; facets that are judged; pictures
#: whose properties are measured.
_DRAWN, _DRAWN_OF_NODE, _NODES, _JUDGED, _MEASURED = 1000, 200, 2, 2, 500

_Made = TypeVar("_Made")


@dataclass(frozen=True)
class Row:
    """What one stage would take.

    Attributes
    ----------
    stage
        Its name.
    pieces
        Pieces of work, which can be done at the same time.
    seconds
        Of one processor, all pieces together.
    disk
        Bytes, kept until the bundle is written; of the last stage those of the bundle.
    measured
        What the figures come from.
    """

    stage: str
    pieces: int
    seconds: float
    disk: int
    measured: str


@dataclass(frozen=True)
class Plan:
    """What an audit would take.

    Attributes
    ----------
    rows
        Per stage, in their order.
    jobs
        Worker processes.
    """

    rows: tuple[Row, ...]
    jobs: int

    @property
    def seconds(self) -> float:
        """Of one processor, all stages together."""
        return sum(row.seconds for row in self.rows)

    @property
    def wait(self) -> float:
        """Seconds until it is done, where every worker has a processor of its own."""
        return sum(row.seconds / max(1, min(self.jobs, row.pieces)) for row in self.rows)

    @property
    def disk(self) -> int:
        """Bytes of work and bundle together."""
        return sum(row.disk for row in self.rows)


def measure(model: AuditedModel, library: Library, settings: AuditSettings, jobs: int) -> Plan:
    """Measure a sample of every stage and count it up.

    Raises
    ------
    UsageError
        If the library holds nothing about the model.
    """
    with one_thread(), TemporaryDirectory(prefix="foveal-plan-") as scratch:
        sample = _Sample(model, library, settings, Path(scratch))
        return Plan(tuple(getattr(sample, stage)() for stage in _STAGES), jobs)


#: The stages in their order; how each is measured is said by the method of its name.
_STAGES = ("reading", "units", "judging", "properties", "gaps", "generators")


class _Sample:
    """A part of a library, and what every stage takes on it."""

    def __init__(self, model: AuditedModel, library: Library, settings: AuditSettings, scratch: Path) -> None:
        self._model, self._settings, self._scratch = model, settings, scratch
        self._opening, self._reader = _timed(lambda: EvidenceReader(library, model.sha256))
        counts = self._reader.counts
        require_recorded(settings.features, counts, self._reader.activations)
        self._examined = chosen_features(counts, settings)[0]
        drawn = [name for name in self._examined if name == CONTRIBUTION]
        drawn += [name for name in self._examined if name != CONTRIBUTION][:_NODES]
        self._drawing, self._windows = _timed(lambda: {name: self._draw(name) for name in drawn})
        self._read = sum(map(len, self._windows.values()))
        self._all = sum(counts[name] for name in self._examined)

    def _draw(self, name: str) -> Windows:
        return self._reader.drawn(name, _DRAWN if name == CONTRIBUTION else _DRAWN_OF_NODE)

    @cached_property
    def _evidence(self) -> Evidence:
        nothing = next(iter(self._windows.values())).take(np.zeros(0, np.int64))
        nodes = {name: own for name, own in self._windows.items() if name != CONTRIBUTION}
        return Evidence(self._reader.samples, self._windows.get(CONTRIBUTION, nothing), nodes, {})

    def _of_all(self, part: int) -> float:
        return self._all / part if part else 0.0

    def reading(self) -> Row:
        """Read the windows and write them as columns."""
        writing, _ = _timed(lambda: [self._write(*one) for one in enumerate(self._windows.values())])
        seconds = self._opening + (self._drawing + writing) * self._of_all(self._read)
        disk = size_of(self._scratch) * self._of_all(self._read)
        return Row("reading the library", 1, seconds, int(disk), f"{self._read} of {self._all} entries")

    def _write(self, number: int, windows: Windows) -> int:
        return write_windows(iter([windows]), self._scratch / f"columns-{number}")

    @cached_property
    def _splits(self) -> tuple[float, Mapping[str, Split]]:
        return _timed(lambda: {name: self._split(name, own) for name, own in self._windows.items()})

    def _split(self, name: str, windows: Windows) -> Split:
        seed = self._settings.seed
        if name == CONTRIBUTION:
            return split_contribution(windows, self._reader.samples, seed)
        return split_node(windows, seed)

    def units(self) -> Row:
        """Describe the crops and split every feature."""
        seconds, splits = self._splits
        disk = sum(
            sum(values.nbytes for values in (own.images, own.gradients, own.detail))
            for own in (self._windows[name] for name in splits)
        )
        share = self._of_all(self._read)
        what = f"{self._read} of {self._all} crops"
        return Row("finding units", len(self._examined), seconds * share, int(disk * share), what)

    @cached_property
    def _gathered(self) -> Examined:
        return gather(self._evidence, self._splits[1])

    @cached_property
    def _facets(self) -> int:
        """Guess how many facets there will be: the parts in the sample that will be large enough."""
        large = {name: self._large(name, split) for name, split in self._splits[1].items()}
        nodes = [number for name, number in large.items() if name != CONTRIBUTION]
        of_nodes = sum(name != CONTRIBUTION for name in self._examined) * float(np.mean(nodes or [0]))
        return large.get(CONTRIBUTION, 0) + round(of_nodes)

    def _large(self, name: str, split: Split) -> int:
        training = self._reader.samples.of("training")[self._windows[name].owner]
        share = self._reader.counts[name] / len(training)
        return int((np.bincount(split.labels[training]) * share >= THRESHOLDS.fewest).sum())

    def judging(self) -> Row:
        """Judge the largest facets of the sample."""
        samples, facets = self._reader.samples, self._gathered.facets
        chosen = sorted(facets, key=lambda facet: -len(facet.windows))[:_JUDGED]
        shown = {int(owner) for facet in chosen for owner in facet.windows.owner}
        owners = sorted(shown | set(range(0, len(samples), 7)))
        hashing, readable = _timed(lambda: self._readable(owners))
        each = 0.0
        if chosen:
            around = surroundings(self._evidence, self._settings)
            bench = ModelBench(self._model, samples, readable)
            chance = np.random.default_rng(0)
            each = _timed(lambda: [judge(facet, around, bench, chance) for facet in chosen])[0] / len(chosen)
        seconds = each * self._facets + hashing * len(samples) / max(len(owners), 1)
        return Row("judging facets", self._facets, seconds, 2000 * self._facets, f"{len(chosen)} facets")

    def properties(self) -> Row:
        """Look for properties in some pictures; the tests cost the same however many pictures there are."""
        samples = self._reader.samples
        trained = np.flatnonzero(samples.of("training"))
        places = np.linspace(0, len(trained) - 1, min(_MEASURED, len(trained))).astype(np.int64)
        readable = self._readable([int(row) for row in trained[places]])
        rows = np.flatnonzero(readable).tolist()
        bench = ModelBench(self._model, samples, readable)
        measuring, _ = _timed(lambda: measure_properties(bench, rows))
        around = surroundings(self._evidence, self._settings)
        # What was read is known by now: the rest is the search and its tests, or measuring over again.
        again, _ = _timed(lambda: measure_properties(bench, rows))
        whole, found = _timed(lambda: judge_properties(around, bench, np.random.default_rng(0)))
        seconds = measuring * len(trained) / max(len(rows), 1) + max(whole - again, 0.0)
        what = f"{len(rows)} of {len(trained)} pictures"
        return Row("looking for properties", 1, seconds, 2000 * len(found), what)

    def _readable(self, rows: list[int]) -> NDArray[np.bool_]:
        samples = self._reader.samples
        found = np.zeros(len(samples), dtype=bool)
        found[rows] = [is_unchanged(samples.origins[row], samples.sha256[row]) for row in rows]
        return found

    def gaps(self) -> Row:
        """Look for gaps in the sample."""
        evidence, samples = self._evidence, self._reader.samples
        owner = evidence.contribution.owner
        both = samples.of("training")[owner].any() and samples.of("production")[owner].any()
        if not both:
            return Row("looking for gaps", 0, 0.0, 0, "no production, or nothing to compare it with")
        seconds, _ = _timed(
            lambda: find_gaps(evidence.contribution, samples, self._model, self._settings.seed)
        )
        share = self._reader.counts[CONTRIBUTION] / len(owner)
        disk = 200 * int(samples.of("production").sum())
        return Row("looking for gaps", 1, seconds * share, disk, f"{len(owner)} windows")

    def generators(self) -> Row:
        """Learn the generator of the sample's largest facet, write it, and walk its axes."""
        facets = sorted(self._gathered.facets, key=lambda facet: -len(facet.windows))
        number = min(self._settings.generators, len({facet.unit.name for facet in facets}) and self._facets)
        if not number:
            return Row("learning appearances", 0, 0.0, 0, "none asked for, or no facet")
        folder = self._scratch / "generator"
        folder.mkdir()
        seconds, made = _timed(lambda: self._generate(facets[0], folder))
        what = f"1 generator of {len(facets[0].windows)} crops" if made else "too few crops in the sample"
        # Once as work and once in the bundle.
        return Row("learning appearances", number, seconds * number, 2 * size_of(folder) * number, what)

    def _generate(self, facet: Facet, folder: Path) -> bool:
        samples = self._reader.samples
        drawn = draw_generator(facet.windows, samples, self._model, self._settings, facet.unit)
        if drawn is None:
            return False
        drawn.write(folder)
        hosts = sorted({*facet.windows.owner.tolist(), *range(0, len(samples), 7)})
        bench = ModelBench(self._model, samples, self._readable(hosts))
        walk_axes(drawn.learned.generator, facet.windows, samples, bench, self._settings.seed)
        return True


def _timed(make: Callable[[], _Made]) -> tuple[float, _Made]:
    """Do something and say how many seconds of the processor it took."""
    begun = time.process_time()
    made = make()
    return time.process_time() - begun, made
