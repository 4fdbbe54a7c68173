"""What is said about a property of whole pictures that a class of the model goes with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from foveal.features import CLASS
from foveal.samples.arrays import encode_crop
from foveal.samples.values import Values
from foveal_audit.judgement.pairs import Effect
from foveal_audit.judgement.signals import Signal
from foveal_audit.properties.splitting import Split
from foveal_audit.properties.transfer import Transferred
from foveal_audit.ragged import RaggedBytes, RaggedMaps, bounds_of
from foveal_audit.units.unit import Unit
from foveal_audit.windows import WHOLE_PICTURE, Samples, Windows, whole_boxes

#: Numbers of property facets begin here, so that none is that of an appearance of the same class's windows.
FIRST_NUMBER = 1000
#: Larger samples are kept smaller, by leaving places out: to be looked at, not to be measured. By the number
#: of axes.
_KEPT_SIDES: Mapping[int, int] = {1: 4096, 2: 128, 3: 32}


@dataclass(frozen=True)
class PropertyFacet:
    """A property that some pictures of a class carry and hardly any others.

    Attributes
    ----------
    unit
        ``class:K`` of the class it speaks for; a logit cannot be held still, so mediation is never asked.
    number
        From 1000 on.
    outcome
        K.
    windows
        The training pictures that carry it, each whole.
    split
        The statistic, its threshold and who carries it.
    transferred
        What carrying it over to other pictures does, or None where too few samples could be used.
    signals
        See :mod:`foveal_audit.properties.signs`.
    """

    unit: Unit
    number: int
    outcome: int
    windows: Windows
    split: Split
    transferred: Transferred | None
    signals: dict[str, Signal]

    @property
    def removal(self) -> Effect | None:
        """Probability of the class lost by carriers that get the component of other pictures of the class."""
        return self.transferred.removal if self.transferred else None

    @property
    def paste(self) -> Effect | None:
        """Probability of the class gained by pictures of other classes that get a carrier's component."""
        return self.transferred.paste if self.transferred else None

    @property
    def mediation(self) -> None:
        """Nothing: the unit is what is measured."""

    @property
    def p(self) -> float | None:
        """P-value of "relied on *and* irrelevant": the largest of its parts, as each must hold.

        The parts: carrying it over raises the class; the class goes with it; three quarters of the tiles show
        it. None where it was not tested.
        """
        if self.transferred is None:
            return None
        return max(self.transferred.paste_logit.p, self.split.p, self.split.ubiquity[1])


def unit_of(outcome: int) -> Unit:
    """Give what carries a property: the class's logit."""
    return Unit(f"{CLASS}:{outcome}", CLASS, (outcome,), local=False)


class Shown(Protocol):
    """Gives what may be shown of samples, by number."""

    def shown(self, sample: int) -> Values:
        """Give of one sample (*S, C) what may be written down."""


def whole_pictures(
    samples: Samples, carriers: Sequence[int], strength: NDArray[np.float64], bench: Shown
) -> Windows:
    """Give whole pictures as windows.

    Parameters
    ----------
    samples
        Of the library.
    carriers
        Their numbers.
    strength
        float64 (n,), what the carriers have of the property beyond the threshold; stands for the activation.
    bench
        Gives their pixels.

    Returns
    -------
    Windows that span their sample, with ids ``whole:`` and the beginning of its hash; without vectors.
    """
    number, axes = len(carriers), samples.axes
    crops = [_small(bench, sample) for sample in carriers]
    sizes = np.array([len(crop) for crop in crops], dtype=np.int64)
    ones = np.ones(number, dtype=np.int64)
    return Windows(
        ids=np.array([f"{WHOLE_PICTURE}{samples.sha256[sample][:24]}" for sample in carriers], dtype=str),
        owner=np.array(carriers, dtype=np.int64),
        boxes=whole_boxes(samples, carriers),
        activation=np.asarray(strength, dtype=np.float64),
        share=np.ones(number),
        crops=RaggedBytes(np.frombuffer(b"".join(crops), dtype=np.uint8), bounds_of(sizes)),
        maps=RaggedMaps(np.ones(number, np.float32), bounds_of(ones), np.ones((number, axes), np.int64)),
        vectors=np.zeros((number, 0), dtype=np.float32),
        layer=CLASS,
    )


def _small(bench: Shown, sample: int) -> bytes:
    values = bench.shown(sample)
    sides = values.shape[:-1]
    step = max(1, -(-max(sides) // _KEPT_SIDES[len(sides)]))
    return encode_crop(values[tuple(slice(None, None, step) for _ in sides)])
