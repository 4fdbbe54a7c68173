"""One made sample of a study, with all that is known about it."""

from __future__ import annotations

from dataclasses import dataclass, field

from foveal.records import Window
from foveal.samples.values import Values

#: Where samples of a study come from; only the second puts its mark on them.
SITES = ("A", "B")


@dataclass(frozen=True)
class Planted:
    """What a sample holds, and what was planted in it.

    Attributes
    ----------
    values
        The sample (*S, C).
    label
        Index into the study's labels.
    site
        Where it was taken: ``A`` or ``B``.
    mark
        Window round the mark; None where there is none.
    unknown
        Whether it is of the kind that training lacks.
    bare
        The sample without its mark, where a network is to be taught to overlook that; else None.
    """

    values: Values
    label: int
    site: str
    mark: Window | None
    unknown: bool
    bare: Values | None = field(default=None, kw_only=True)
