"""Published detectors, written anew, that the audit is compared with; see docs/opponents.md."""

from __future__ import annotations

from foveal_audit.benchmarking.opponent import Opponent
from foveal_audit.opponents import (
    activations,
    latent_shift,
    properties,
    rules,
    signatures,
    spray,
    strangeness,
)
from foveal_audit.opponents.foreign import ForeignOpponent
from foveal_audit.opponents.outliers import OutlierOpponent
from foveal_audit.opponents.showing import SampleOpponent, strongest, whole

__all__ = ["OPPONENTS"]

_ALL: tuple[Opponent, ...] = (
    SampleOpponent("SpRAy", spray.find, strongest),
    SampleOpponent("SpRAy rules", rules.find, whole),
    SampleOpponent("activation clustering", activations.find, whole),
    SampleOpponent("spectral signatures", signatures.find, whole),
    SampleOpponent("VAE latent shift", latent_shift.find, whole),
    SampleOpponent("property scores", properties.find, whole),
    OutlierOpponent("LOF"),
    ForeignOpponent("softmax", strangeness.softmax),
    ForeignOpponent("energy", strangeness.energy),
    ForeignOpponent("Mahalanobis", strangeness.mahalanobis),
    ForeignOpponent("kNN", strangeness.neighbours),
)
#: By the name that tables call them.
OPPONENTS: dict[str, Opponent] = {one.name: one for one in _ALL}
