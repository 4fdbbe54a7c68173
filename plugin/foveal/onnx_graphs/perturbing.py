"""What it costs to explain a network by asking it, where no gradient leads through."""

from __future__ import annotations

import time
from collections.abc import Sequence

from onnx import ModelProto

from foveal.errors import UsageError
from foveal.onnx_graphs.faults import FAULTS, PERTURB
from foveal.onnx_graphs.probing import noise, open_session, sample_shape_of
from foveal.onnx_graphs.reading import Graph

#: Predictions that a map takes: RISE's masks, and the cells that `collect` and `audit` hide one by one.
RISE, CELLS = 2000, 64
_BATCH, _RUNS = 8, 3


def with_cost(
    error: UsageError, model: ModelProto, sample_shape: Sequence[int] | None, name: str
) -> UsageError:
    """Say in a refusal that offers perturbation what that costs; others are given back as they are.

    Parameters
    ----------
    error
        The refusal.
    model, sample_shape
        The network, and the shape of one sample (C, *S) where the file leaves it open.
    name
        What to call the file.
    """
    if PERTURB not in error.mend:
        return error
    seconds = _seconds(model, sample_shape)
    if seconds is None:
        return error
    rise, cells = (_shown(count * seconds) for count in (RISE, CELLS))
    offer = (
        f"{PERTURB}: foveal explain {name} SAMPLE --method rise asks it {RISE:,} times a "
        f"sample, {rise} here; foveal collect and foveal audit {CELLS} times, {cells}"
    )
    return UsageError(error.fault, error.mend.replace(PERTURB, offer))


def _seconds(model: ModelProto, sample_shape: Sequence[int] | None) -> float | None:
    """Time one prediction of a batch; None where the network does not run."""
    try:
        graph = Graph(model)
        batch, shape, dtype = sample_shape_of(graph, sample_shape)
        count = batch or _BATCH
        session, feeds = open_session(model), {graph.input.name: noise(count, shape, dtype)}
        session.run([graph.output], feeds)
        start = time.perf_counter()
        for _ in range(_RUNS):
            session.run([graph.output], feeds)
        return (time.perf_counter() - start) / _RUNS / count
    except FAULTS:
        return None
    except UsageError:
        return None


def _shown(seconds: float) -> str:
    return f"about {seconds:.1f} s" if seconds >= 1 else f"about {1000 * seconds:.0f} ms"
