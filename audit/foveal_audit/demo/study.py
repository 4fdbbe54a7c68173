"""What a demo has to know of a study: one row of the table in :mod:`foveal_audit.demo.kinds`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Generic, Protocol, TypeVar

from torch import nn

from foveal_audit.bundle.schema import EntryRef
from foveal_audit.demo.plan import DemoPlan
from foveal_audit.studies.planted import Planted

T = TypeVar("T")

Progress = Callable[[int, int], None]


class Make(Protocol[T]):
    """Makes the samples of a study."""

    def __call__(self, study: str, seed: int, number: int, /, *, production: bool) -> list[T]:
        """Draw samples of ``standard`` or ``null``; the same arguments give the same samples."""


@dataclass(frozen=True)
class Words:
    """What people are told about a study.

    Attributes
    ----------
    samples
        What samples are called, plural.
    mark
        What is planted, by the name of the study.
    harmless
        The mark that tells nothing; empty where there is none.
    genuine, lacking
        What belongs, and what training lacks.
    short
        Mark and lack in a few words, for a closing sentence; empty where none is said.
    """

    samples: str
    mark: Mapping[str, str]
    genuine: str
    lacking: str
    harmless: str = ""
    short: tuple[str, str] | tuple[()] = ()


@dataclass(frozen=True)
class Packing:
    """How a study's network is served.

    Attributes
    ----------
    kind
        As ``foveal pack --kind`` takes it.
    preprocess
        The section of that name.
    watched
        The ``foveal`` section, but for what is kept of a request's headers.
    """

    kind: str
    preprocess: Mapping[str, Any]
    watched: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class DemoStudy(Generic[T]):
    """One row: a study whose truth is known.

    Attributes
    ----------
    name
        What the model and its library are called.
    prefix
        What the study's folder begins with.
    labels
        Names of the classes.
    column
        What says where a sample was taken, in manifests and as a header of requests.
    suffix
        How the files are called.
    full, quick
        How large the two demos are.
    make, encode, planted
        Draws samples, writes one as a file, and says what is in it.
    drawn_by
        The modules that draw.
    network, learned_by
        The model file, and the modules on which the weights depend.
    learn
        Trains the network on samples, of a plan and under a seed.
    packing
        How it is served.
    shows
        What a window of a sample can show; a facet shows the first that most of its windows do. Of the names,
        ``marker`` is the mark, ``decoy`` a harmless one, ``genuine`` what belongs.
    words
        What people are told.
    """

    name: str
    prefix: str
    labels: tuple[str, ...]
    column: str
    suffix: str
    full: DemoPlan
    quick: DemoPlan
    make: Make[T]
    encode: Callable[[T], bytes]
    planted: Callable[[T], Planted]
    drawn_by: tuple[ModuleType, ...]
    network: ModuleType
    learned_by: tuple[ModuleType, ...]
    learn: Callable[[Sequence[T], DemoPlan, int, Progress | None], nn.Module]
    packing: Packing
    shows: Mapping[str, Callable[[EntryRef, T], bool]]
    words: Words
