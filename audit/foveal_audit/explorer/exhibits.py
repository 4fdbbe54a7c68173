"""What one explorer shows: an audit, the library behind it, other audits, and what experts say."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from foveal.errors import EnvironmentFault, UsageError
from foveal.features import CONTRIBUTION
from foveal.library import Library
from foveal.library.annotations import Annotations
from foveal.library.opinions import Standing
from foveal_audit.audits import Audit, logged, of_bundle, subjects
from foveal_audit.bundle.changes import Subject
from foveal_audit.bundle.schema import Assessment, Findings
from foveal_audit.bundle.training import Row
from foveal_audit.recalling import recalled

#: An event names so many of the entries that were shown.
_NAMED = 50
#: The entries of a gap are those of so many of its samples.
_SAMPLES = 12


@dataclass
class Exhibits:
    """All that the pages need.

    Attributes
    ----------
    library
        The library; without one nothing can be browsed or annotated.
    audit
        The audit that is shown, None where there is none.
    others
        Audits to compare with.
    """

    library: Library | None
    audit: Audit | None = None
    others: Sequence[Audit] = ()
    #: One question to the library at a time: its catalog is not made for several threads.
    lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    @property
    def findings(self) -> Findings | None:
        """The findings of the audit that is shown."""
        return None if self.audit is None else self.audit.findings

    @property
    def training(self) -> list[Row] | None:
        """All training windows of the facets of the audit that is shown."""
        return None if self.audit is None else self.audit.training

    @property
    def name(self) -> str:
        """The library's name."""
        if self.library is not None:
            return self.library.name
        return self.findings.library.name if self.findings else ""

    @contextmanager
    def reading(self) -> Iterator[Library]:
        """Give the library for a question.

        Raises
        ------
        UsageError
            There is none.
        """
        if self.library is None:
            raise UsageError(
                f"Library {self.name!r} cannot be reached from here",
                "Set MLFLOW_TRACKING_URI to where it is, then start `foveal explore` again",
            )
        with self.lock:
            yield self.library

    @cached_property
    def annotations(self) -> Annotations:
        """What experts say; see :meth:`reading`."""
        with self.reading() as library:
            return Annotations(library.tracking)

    def said(self) -> dict[str, Standing]:
        """Give what is thought of every subject now; nothing without a library."""
        if self.library is None:
            return {}
        with self.reading():
            return recalled(self.annotations.events(), self.findings)

    @property
    def audits(self) -> list[Audit]:
        """All audits, the one that is shown first."""
        return [*([self.audit] if self.audit else []), *self.others]

    def finding(self, id_: str) -> Subject | None:
        """Give a facet or gap of the audit that is shown."""
        if self.findings is None:
            return None
        return next((one for one in subjects(self.findings) if one.id == id_), None)

    def entries_of(self, subject: str) -> tuple[str, ...]:
        """Name entries that are shown as a subject, so that a later audit knows it again."""
        one = self.finding(subject)
        if isinstance(one, Assessment):
            return tuple(ref.id for ref in one.entries if ref.id)[:_NAMED]
        if self.library is None:
            return ()
        with self.reading() as library:
            if one is None:
                return tuple(library.query(feature=subject).ids()[:_NAMED])
            windows = (
                library.query(feature=CONTRIBUTION, sample=sample, units=False).ids()
                for sample in one.samples[:_SAMPLES]
            )
            return tuple(id_ for ids in windows for id_ in ids)[:_NAMED]


def open_exhibits(
    bundle: Path | None, name: str | None, against: Sequence[Path] = (), tracking_uri: str | None = None
) -> Exhibits:
    """Find what is to be shown.

    Parameters
    ----------
    bundle
        The audit; the newest one beside the library where none is given.
    name
        The library; that of the bundle where none is given.
    against
        Bundles to compare with.

    Raises
    ------
    UsageError
        Neither is given, or what is given does not exist.
    """
    if bundle is None and name is None:
        raise UsageError("There is nothing to explore", "Give a BUNDLE, or a library with --library NAME")
    audit = None if bundle is None else of_bundle(bundle)
    library = _library(name, audit, tracking_uri)
    runs = logged(library) if library is not None else []
    others = [*(of_bundle(folder, number + 1) for number, folder in enumerate(against)), *runs]
    if audit is None and runs:
        audit = others.pop(len(against))
    return Exhibits(library, audit, others)


def _library(name: str | None, audit: Audit | None, uri: str | None) -> Library | None:
    """Open the library: where MLflow is now, else where the audit found it."""
    if name is not None:
        library = Library(name, uri)
        library.tracking.run()
        return library
    if audit is None:
        return None
    about = audit.findings.library
    for place in dict.fromkeys((uri, about.uri)):
        library = Library(about.name, place)
        try:
            if library.exists() and library.run_id == about.run_id:
                return library
        except (UsageError, EnvironmentFault):
            continue
    return None
