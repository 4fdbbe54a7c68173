"""Statistics of traces: of each lead by itself, then over the leads."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from foveal_audit.properties.tiles import Batch, Floats

_Family = Callable[[Batch], Mapping[str, Floats]]

#: How leads are summed up, however many there are: what most of them have, and what any of them has.
_OVER_LEADS: Mapping[str, Callable[[Floats], Floats]] = {
    "": lambda values: np.median(values, axis=0),
    ", highest lead": lambda values: values.max(axis=0),
    ", lowest lead": lambda values: values.min(axis=0),
}


def of_leads(family: _Family) -> _Family:
    """Take a family of each lead; of a single one there is nothing to sum up."""

    def measured(batch: Batch) -> Mapping[str, Floats]:
        leads = batch.pictures.shape[-1]
        each = [family(Batch(batch.pictures[..., lead : lead + 1])) for lead in range(leads)]
        if leads == 1:
            return each[0]
        return {
            f"{name}{suffix}": np.asarray(over(np.stack([one[name] for one in each])), dtype=np.float32)
            for name in each[0]
            for suffix, over in _OVER_LEADS.items()
        }

    return measured
