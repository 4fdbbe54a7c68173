"""TorchScript networks: no hooks fire inside them, but their graph can be cut in two.

The graph is copied and inlined. Its last value with positions through which all else passes becomes a second
output: one forward gives scores and activations. What follows that value becomes a function of its own, which
is run again, with gradients, for maps alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn

from foveal.capture.forward import Forward
from foveal.capture.grids import Layout
from foveal.capture.inputs import Batch, Inputs
from foveal.capture.outputs import select
from foveal.capture.reach import SHARP, is_even, marked_share, with_mark
from foveal.capture.targets import Target
from foveal.capture.values import Values
from foveal.errors import UsageError
from foveal.features import CLASS

#: What the cut is called: TorchScript keeps no names that could be relied on.
SCRIPTED_LAYER = "script.activations"
#: Values that are tried as the cut, from the scores backwards.
_MOST_TRIES = 64

_Function = Callable[..., Any]


@dataclass(frozen=True, eq=False)
class Cut:
    """A graph in two parts.

    Attributes
    ----------
    whole
        Input to scores and activations.
    suffix
        Activations to scores.
    """

    whole: _Function
    suffix: _Function


def cut_graph(model: torch.jit.ScriptModule, x: Tensor, *, sized: bool = False) -> Cut:
    """Cut a TorchScript network at activations with positions, chosen as :func:`choose_layer` does.

    Parameters
    ----------
    model
        A traced, scripted or frozen network of one tensor.
    x
        An example (B, C, *S).
    sized
        Whether what follows the activations may ask for the sides of the input: it gets those of the example,
        and so holds for samples of its size alone.

    Raises
    ------
    UsageError
        If it takes or gives more than one tensor, or all of it hangs together.
    """
    frozen = _frozen(model)
    graph = _inlined(frozen)
    if len(list(graph.inputs())) != 2 or len(list(graph.outputs())) != 1:
        raise UsageError(
            "The TorchScript network takes or gives more than one tensor", "Export it with one of each"
        )
    with torch.no_grad():
        truth = model(x)
        if not isinstance(truth, Tensor):
            raise UsageError(
                f"The TorchScript network gives a {type(truth).__name__}", "Export it with its scores alone"
            )
        chosen = _choose(_cuts(frozen, x, truth, sized=sized), x)
    if chosen is None:
        raise UsageError(
            "The TorchScript network has no activations with positions through which everything passes",
            "Give the eager model, or one with a convolutional trunk",
        )
    return chosen


def _cuts(frozen: torch.jit.ScriptModule, x: Tensor, truth: Tensor, *, sized: bool) -> Iterator[Cut]:
    """Give the last place of every grid of positions where the graph can be cut, the last grid first."""
    places = list(_candidates(_inlined(frozen), truth.ndim > 2))
    grids: dict[torch.Size, list[int]] = {}
    for place, value in zip(
        places, _function("foveal_all", _giving(_inlined(frozen), places), frozen)(x), strict=True
    ):
        if value.layout == torch.strided and value.ndim == x.ndim and value.shape[2:].numel() > 1:
            grids.setdefault(value.shape[2:], []).append(place)
    for own in grids.values():
        cuts = (_cut_at(frozen, place, x.shape if sized else None) for place in own)
        found = next((cut for cut in cuts if cut is not None and _holds(cut, x, truth)), None)
        if found is not None:
            yield found


def _choose(cuts: Iterator[Cut], x: Tensor) -> Cut | None:
    """Choose as for an eager network: where the head averages, else where cells see half of the sample."""
    last = next(cuts, None)
    if last is None or _is_averaged(last, x):
        return last
    tried = []
    for cut in chain([last], cuts):
        if marked_share(cut.whole(with_mark(x))[1]) <= SHARP:
            return cut
        tried.append(cut)
    return tried[:2][-1]  # the last but one, where there are two


def _is_averaged(cut: Cut, x: Tensor) -> bool:
    leaf = cut.whole(x)[1].clone().requires_grad_()
    with torch.enable_grad():
        best = cut.suffix(leaf.clone()).max(1).values.sum()
    (gradients,) = torch.autograd.grad(best, leaf)
    return is_even(gradients)


def _frozen(model: torch.jit.ScriptModule) -> torch.jit.ScriptModule:
    """Make the weights constants, which takes the branches for training away; the numbers stay."""
    if not hasattr(model, "training"):  # it is frozen
        return model
    frozen: torch.jit.ScriptModule = torch.jit.freeze(model, optimize_numerics=False)
    return frozen


def _inlined(model: torch.jit.ScriptModule) -> Any:  # noqa: ANN401 - torch publishes no types for graphs
    graph = model.graph.copy()
    torch._C._jit_pass_inline(graph)
    return graph


def _candidates(graph: Any, dense: bool) -> Iterator[int]:  # noqa: ANN401
    """Give the places of the nodes that make a tensor, the last first.

    Where the scores have positions (`dense`), the last convolution makes scores of features: none behind it.
    """
    nodes = list(graph.nodes())
    places = [at for at, node in enumerate(nodes) if _makes_tensor(node)]
    mixing = [at for at in places if dense and "conv" in nodes[at].kind()]
    stop = mixing[-1] if mixing else places[-1]
    yield from [at for at in places if at < stop][::-1][:_MOST_TRIES]


def _makes_tensor(node: Any) -> bool:  # noqa: ANN401
    outputs = list(node.outputs())
    made = len(outputs) == 1 and str(outputs[0].type()).startswith(("Tensor", "Float"))
    return made and node.kind() not in ("prim::GetAttr", "prim::Constant")


def _cut_at(model: torch.jit.ScriptModule, place: int, shape: torch.Size | None) -> Cut | None:
    suffix = _suffix(_inlined(model), place, shape)
    if suffix is None:
        return None
    whole = _giving(_inlined(model), [None, place])
    return Cut(_function("foveal_whole", whole, model), _function("foveal_suffix", suffix, model))


def _giving(graph: Any, places: Sequence[int | None]) -> Any:  # noqa: ANN401
    """Let a graph give the values made at some places; None stands for its own output."""
    (output,) = graph.outputs()
    parts = [output if place is None else _value(graph, place) for place in places]
    together = graph.create("prim::TupleConstruct", parts)
    together.output().setType(torch._C.TupleType([part.type() for part in parts]))
    graph.appendNode(together)
    graph.eraseOutput(0)
    graph.registerOutput(together.output())
    return graph


def _suffix(graph: Any, place: int, shape: torch.Size | None) -> Any | None:  # noqa: ANN401
    """Make what follows a value a graph of its own; nothing where the input is needed there too.

    Where a shape is given, only its numbers count: its sides become constants.
    """
    _, x = graph.inputs()
    value = _value(graph, place)
    start = graph.addInput()
    start.setType(value.type())
    value.replaceAllUsesWith(start)
    # What made the value has effects (in-place operations) that the plain pass would keep.
    torch._C._jit_pass_dce_allow_deleting_nodes_with_side_effects(graph)
    asking = [use.user for use in x.uses()]
    if asking and (shape is None or any(node.kind() != "aten::size" for node in asking)):
        return None
    for node in asking:
        _answer(graph, node, start, shape or ())
    graph.eraseInput(1)
    return graph


def _answer(graph: Any, node: Any, start: Any, shape: Sequence[int]) -> None:  # noqa: ANN401
    """Put the example's sides, and the batch of the activations, where a node asks for the input's."""
    with graph.insert_point_guard(node):
        batch = graph.insertNode(graph.create("aten::size", [start, graph.insertConstant(0)])).output()
        batch.setType(torch._C.IntType.get())
        sides = [batch, *map(graph.insertConstant, shape[1:])]
        asked = [one.toIValue() for one in node.inputs()][1:]
        node.output().replaceAllUsesWith(sides[asked[0]] if asked else _listed(graph, sides))
    node.destroy()


def _listed(graph: Any, sides: list[Any]) -> Any:  # noqa: ANN401
    made = graph.insertNode(graph.create("prim::ListConstruct", sides)).output()
    made.setType(torch._C.ListType.ofInts())
    return made


def _value(graph: Any, place: int) -> Any:  # noqa: ANN401
    return list(graph.nodes())[place].output()


def _function(name: str, graph: Any, model: torch.jit.ScriptModule) -> _Function:  # noqa: ANN401
    return partial(torch._C._create_function_from_graph(name, graph), model._c)


def _holds(cut: Cut, x: Tensor, truth: Tensor) -> bool:
    """Try a cut: both parts give the scores, bit for bit."""
    try:
        scores, activations = cut.whole(x)
        again = cut.suffix(activations.clone())
    except RuntimeError:
        return False
    return torch.equal(scores, truth) and torch.equal(again, truth)


@dataclass(frozen=True, eq=False)
class ScriptedHead:
    """Runs what follows the activations again, with gradients."""

    averages: ClassVar[bool] = False

    cut: Cut

    def covers(self, layers: Collection[nn.Module]) -> bool:  # noqa: ARG002 - there are no others
        """Tell whether it knows the nodes of these layers."""
        return True

    def fits(self, targets: Sequence[Target], forward: Forward) -> bool:  # noqa: ARG002
        """Tell whether it knows the gradients of these targets."""
        return True

    def gradients(self, targets: Sequence[Target], forward: Forward) -> Tensor:
        """Differentiate targets by the activations: (B, K, C, *S)."""
        return self.opened(forward).gradients(targets)

    def opened(self, forward: Forward) -> Forward:
        """Give a forward a graph from its activations to its values."""
        leaf = forward.activations.clone().requires_grad_()
        with torch.enable_grad():
            scores = self.cut.suffix(leaf.clone())
            values = {name: Values.of(leaf, Layout()) for name in forward.mapped}
        return replace(forward, leaf=leaf, values={**values, CLASS: Values(scores, scores)}, head=None)


class ScriptedTap:
    """A tap on a TorchServe network; see :class:`foveal.capture.Tap` for what each part means.

    Parameters
    ----------
    model
        The network, in eval mode.
    example
        A batch (B, C, *S); the graph is cut where it allows.
    """

    layer = SCRIPTED_LAYER
    node_layers = (SCRIPTED_LAYER,)

    def __init__(self, model: torch.jit.ScriptModule, example: Tensor) -> None:
        self.model, self._separate = model, False
        with torch.inference_mode(False):
            self._cut = cut_graph(model, example.clone())

    def calibrate(self, example: Batch) -> bool:
        """Compare the prediction with the plain one, bit for bit; if it differs, the model answers itself."""
        with torch.inference_mode(False), torch.no_grad():
            plain = select(Inputs.of(example).call(self.model))
        self._separate = not torch.equal(self.forward(example).output, plain)
        return not self._separate

    def forward(self, x: Batch) -> Forward:
        """Predict."""
        inputs = Inputs.of(x)
        with torch.inference_mode(False), torch.no_grad():
            scores, activations = cast("tuple[Tensor, Tensor]", inputs.call(self._cut.whole))
            output = select(scores)
            nodes = Values.of(activations, Layout())
        return Forward(
            output=output,
            prediction=output,
            x=inputs.main,
            values={SCRIPTED_LAYER: nodes, CLASS: Values(output, output)},
            leaf=activations,
            layout=Layout(),
            layer=self.layer,
            head=ScriptedHead(self._cut),
            modules={},
            mapped=frozenset(self.node_layers),
        )

    def overhear(self, inputs: Inputs, forward: Callable[..., object]) -> tuple[object, Forward]:
        """Predict in somebody else's stead."""
        if inputs.kwargs or len(inputs.args) != 1:
            raise UsageError("The TorchScript network is called with more than one tensor", "Give it one")
        heard = self.forward(inputs.main)
        return forward(*inputs.args) if self._separate else heard.prediction, heard

    def close(self) -> None:
        """There is nothing to take off."""
