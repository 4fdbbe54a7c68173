"""Check an audited file against its original: scores, maps by finite differences, other batch sizes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, ValueInfoProto, helper

from foveal.errors import UsageError
from foveal.onnx_graphs.cutting import needed
from foveal.onnx_graphs.describing import Description
from foveal.onnx_graphs.faults import PERTURB
from foveal.onnx_graphs.grids import Grid
from foveal.onnx_graphs.probing import noise, open_session
from foveal.onnx_graphs.reading import Graph
from foveal.onnx_graphs.running import AuditedSession, Explained

#: Scores may move by this share of the largest: kernels are fused in another way where a layer is looked at.
SAME_SCORES = 1e-6
#: Maps may differ from finite differences by this share of their range: gates flip on the way of a step.
SAME_MAPS = 0.05
#: Maps of one sample may differ by this share of their range between batch sizes.
SAME_BATCHES = 1e-3

_STEPS = (3.0, 0.3, 0.03, 0.003, 0.001, 0.0003)
_PLACES = 4
_GIVEN = "foveal_given"


@dataclass(frozen=True)
class Check:
    """What was found.

    Attributes
    ----------
    identical
        Whether the scores are the original's, bit for bit.
    scores
        By how much they differ, as a share of the largest.
    differences
        By how much maps differ from finite differences, as a share of their range; None where scores move by
        no more than their rounding, whatever is done to the layer.
    batches
        By how much the maps of a sample differ between batch sizes, likewise; None where only one is taken.
    """

    identical: bool
    scores: float
    differences: float | None
    batches: float | None


def checked(original: ModelProto, made: ModelProto, description: Description) -> Check:
    """Run an audited file and its original on noise, and compare.

    Parameters
    ----------
    original
        The file that it was made from.
    made, description
        What :func:`audited` gave.

    Raises
    ------
    UsageError
        If scores or maps differ by more than rounding explains.
    """
    graph, session = Graph(original), AuditedSession(made.SerializeToString())
    x = _samples(graph, description)
    plain = open_session(original).run([description.output], {description.input: x})[0]
    found = session.run(x)
    check = Check(
        identical=bool(np.array_equal(plain, found.output)),
        scores=_share(found.output - plain, plain),
        differences=_differences(Graph(made) if description.segments else graph, description, x, found),
        batches=_by_batches(session, x, found) if description.batches else None,
    )
    _refuse(check)
    return check


def _refuse(check: Check) -> None:
    mend = f"Name another layer with --layer, or {PERTURB}"
    limits = (
        ("The scores differ from the original's", check.scores, SAME_SCORES, "the largest"),
        ("The maps differ from finite differences", check.differences or 0.0, SAME_MAPS, "their range"),
        ("The maps differ between batch sizes", check.batches or 0.0, SAME_BATCHES, "their range"),
    )
    for fault, found, limit, of in limits:
        if not found <= limit:
            raise UsageError(f"{fault} by {found:.1e} of {of}, where {limit:.0e} is rounding", mend)


def _samples(graph: Graph, description: Description) -> NDArray[np.float32]:
    tensor = graph.input.type.tensor_type
    dtype = np.dtype(helper.tensor_dtype_to_np_dtype(tensor.elem_type))
    size = 2 if description.batches else tensor.shape.dim[0].dim_value
    return noise(size, description.sample_shape, str(dtype), seed=1)


def _share(difference: NDArray[np.float32], whole: NDArray[np.float32]) -> float:
    largest = float(np.abs(whole).max())
    return float(np.abs(difference).max()) / (largest or 1.0)


def _range(maps: NDArray[np.float32]) -> float:
    return float(np.ptp(maps)) or 1.0


def _by_batches(session: AuditedSession, x: NDArray[np.float32], found: Explained) -> float:
    """Explain the first sample alone, and thrice."""
    alone, thrice = session.run(x[:1]), session.run(np.repeat(x[:1], 3, 0))
    pairs = [(alone.maps, found.maps), (thrice.maps, np.repeat(found.maps[:1], 3, 0))]
    return max(float(np.abs(one - other[: len(one)]).max()) / _range(found.maps[:1]) for one, other in pairs)


def _differences(
    graph: Graph, description: Description, x: NDArray[np.float32], found: Explained
) -> float | None:
    """Compare map values with differences of scores.

    The value at position p is the slope of the score along "the activations of p, added at every position",
    divided by the number of positions. Of several step lengths the best counts, place by place: short ones
    drown in rounding, long ones meet bends. A place at which all of them drown says nothing.
    """
    suffix, classes = _Suffix(graph, description, x), found.class_ids[0]
    maps = found.maps[0].reshape(description.top, -1)
    if not np.isfinite(maps).all():
        return float("nan")
    errors = []
    for place in _places(maps):
        slopes = [suffix.slope(place, step) for step in _STEPS]
        if any(one.rounding <= SAME_MAPS * _range(maps) / 2 for one in slopes):
            errors.append(min(float(np.abs(one.scores[classes] - maps[:, place]).max()) for one in slopes))
    return max(errors) / _range(maps) if errors else None


def _places(maps: NDArray[np.float32]) -> list[int]:
    """Choose the places where maps are largest, over all classes."""
    return [int(one) for one in np.argsort(-np.abs(maps).max(0), kind="stable")[:_PLACES]]


class _Slope(NamedTuple):
    """Slopes of all scores, and what the last digit of the largest score makes of one."""

    scores: NDArray[np.float32]
    rounding: float


class _Suffix:
    """The first sample's scores as a function of its activations at the layer."""

    def __init__(self, graph: Graph, description: Description, x: NDArray[np.float32]) -> None:
        self._layer, self._x, self._input = description.layer, x, description.input
        self._grid = Grid(description.order, description.grid, description.prefix)
        given = open_session(_giving(graph.model, self._layer))
        self._activations = given.run([self._layer], {self._input: x})[0]
        self._output = description.scores
        self._session = open_session(_given(graph, self._layer, self._output, str(self._activations.dtype)))

    def slope(self, place: int, step: float) -> _Slope:
        """Give the slopes of all scores along the activations of one place, over the number of places."""
        grid = self._grid
        rows = self._activations.transpose(grid.order).reshape(*self._sizes())
        profile = np.zeros_like(rows)
        profile[0, :, grid.prefix :] = rows[0, :, [grid.prefix + place]].T
        size = float(np.sqrt((profile**2).mean())) or 1.0
        length = step * float(np.sqrt((rows[0] ** 2).mean())) / size
        ahead, behind = (self._scores(rows + way * length * profile) for way in (1, -1))
        way = 2 * length * grid.positions
        return _Slope((ahead - behind) / way, float(np.spacing(np.abs(ahead).max())) / way)

    def _sizes(self) -> tuple[int, int, int]:
        shape = [self._activations.shape[axis] for axis in self._grid.order]
        return shape[0], shape[1], int(np.prod(shape[2:]))

    def _scores(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        order = self._grid.order
        turned = rows.reshape([self._activations.shape[axis] for axis in order]).transpose(np.argsort(order))
        feed = {self._input: self._x, _GIVEN: np.ascontiguousarray(turned, self._activations.dtype)}
        return np.asarray(self._session.run([self._output], feed)[0][0])


def _giving(model: ModelProto, output: str) -> ModelProto:
    """Keep of a network what one of its tensors needs."""
    part = ModelProto()
    part.CopyFrom(model)
    kept, names = needed(model.graph.node, [output])
    stored = [one for one in model.graph.initializer if one.name in names]
    for field, own in (("node", kept), ("initializer", stored), ("output", [ValueInfoProto(name=output)])):
        part.graph.ClearField(field)
        getattr(part.graph, field).extend(own)
    return part


def _given(graph: Graph, layer: str, output: str, dtype: str) -> ModelProto:
    """Let a tensor be given in place of what the network makes, and keep what follows."""
    model = ModelProto()
    model.CopyFrom(graph.model)
    for node in model.graph.node:
        for place, name in enumerate(node.input):
            if name == layer:
                node.input[place] = _GIVEN
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    model.graph.input.append(ValueInfoProto(name=_GIVEN, type=helper.make_tensor_type_proto(kind, None)))
    return _giving(model, output)
