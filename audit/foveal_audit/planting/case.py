"""A case: everything that makes one planted study, from the seed to the network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from foveal_audit.bundle.identity import sha256_file, sha256_json
from foveal_audit.planting.marks.kinds import Look
from foveal_audit.planting.scene import Layout

#: What a mark goes with: a class; the site that sees most of a class; a site alone; nothing.
Association = Literal["class", "site~class", "site", "none"]
#: ``artefact``: nothing to do with the outcome. ``outcome``: it is the outcome, whatever it looks like.
Role = Literal["artefact", "outcome"]
#: How the network learned: as usual; from images whose marks go with nothing; from wrong labels; not at all.
Learning = Literal["usual", "debiased", "permuted", "none"]


@dataclass(frozen=True)
class Mark:
    """A mark that is planted.

    Attributes
    ----------
    look
        Its kind, place, opacity and area.
    target
        The class that it goes with.
    prevalence, leak
        Share of that class, and of the others, that carries it.
    replaces
        For the role ``outcome``: the class shows nothing else that would make it one.
    """

    look: Look
    association: Association = "class"
    role: Role = "artefact"
    target: int = 1
    prevalence: float = 0.7
    leak: float = 0.03
    replaces: bool = False

    def odds(self, outcome: int) -> float:
        """Give the share of a class that carries the mark."""
        if self.association in ("site", "none"):
            return self.prevalence
        return self.prevalence if outcome == self.target else self.leak


@dataclass(frozen=True)
class Gap:
    """Something that production holds and training lacks.

    Attributes
    ----------
    kind
        One of :data:`foveal_audit.planting.gaps.GAPS`.
    share
        Part of production.
    """

    kind: str
    share: float = 0.08


@dataclass(frozen=True)
class Sizes:
    """Numbers of images: to train on and to collect, of production, for the oracle; epochs of training."""

    training: int = 800
    production: int = 400
    oracle: int = 120
    epochs: int = 8


@dataclass(frozen=True)
class Case:
    """One planted study.

    Attributes
    ----------
    name
        What tables call it; no part of its identity.
    task, network
        Names of the registries.
    marks
        One to four at a time, or none.
    gaps, decoys
        What production has beyond training, and what it has that is no gap.
    layout
        Where objects lie.
    rare
        Share of its class that is the rare genuine subtype.
    control
        What a clean control is a control of.
    """

    name: str
    task: str
    network: str
    seed: int
    marks: tuple[Mark, ...] = ()
    gaps: tuple[Gap, ...] = ()
    decoys: tuple[str, ...] = ()
    layout: Layout = "free"
    rare: float = 0.08
    learning: Learning = "usual"
    control: str = ""
    sizes: Sizes = Sizes()

    @property
    def key(self) -> str:
        """Identity of the case and of the code that makes it: what is made under it never changes."""
        return sha256_json({"case": self.record(), "code": code_sha256()})

    def record(self) -> dict[str, Any]:
        """Write all that shapes the case, its name left out."""
        return {name: value for name, value in asdict(self).items() if name != "name"}

    @property
    def kinds(self) -> tuple[str, ...]:
        """What is planted, in one word each: marks, gaps, decoys and controls."""
        marks = tuple(mark.look.kind for mark in self.marks)
        return (
            marks
            + tuple(gap.kind for gap in self.gaps)
            + self.decoys
            + ((self.control,) if self.control else ())
        )


@lru_cache(maxsize=1)
def code_sha256() -> str:
    """Hash the code that makes cases: another version makes them anew."""
    files = sorted(Path(__file__).parent.rglob("*.py"))
    return sha256_json([sha256_file(file) for file in files])


def case_from(record: Mapping[str, Any], name: str = "") -> Case:
    """Read a case from what :meth:`Case.record` wrote."""
    plain = dict(record)
    plain["name"] = record.get("name", name)
    plain["marks"] = tuple(_mark_from(mark) for mark in record["marks"])
    plain["gaps"] = tuple(Gap(**gap) for gap in record["gaps"])
    plain["decoys"], plain["sizes"] = tuple(record["decoys"]), Sizes(**record["sizes"])
    return Case(**plain)


def _mark_from(record: Mapping[str, Any]) -> Mark:
    look = {**record["look"], "at": tuple(record["look"]["at"])}
    return Mark(**{**record, "look": Look(**look)})
