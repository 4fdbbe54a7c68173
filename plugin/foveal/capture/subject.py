"""The model as input methods see it: passes of their own, through the same hooks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from foveal.capture.faults import check_finite
from foveal.capture.grids import Layout
from foveal.capture.inputs import Batch, Inputs
from foveal.capture.tap import Pass, Tap
from foveal.capture.targets import Target
from foveal.capture.values import Values
from foveal.capture.vjp import pull_back
from foveal.errors import UsageError
from foveal.features import CLASS


class TappedSubject:
    """A :class:`foveal.attribution.Subject` made of a tap, a batch and targets.

    Parameters
    ----------
    tap
        The tap; its layer is where methods that need one work.
    batch
        What the model is called with.
    targets
        What is explained; fixed on this batch.
    layer
        Name of the layer for methods that need one, None for maps on the input.
    seed
        Seeds whatever a method draws.
    training
        Samples (N, C, *S) for methods that need data.

    Raises
    ------
    UsageError
        If a target does not fit the model, or the input is not finite.
    """

    def __init__(
        self,
        tap: Tap,
        batch: Batch,
        targets: Sequence[Target],
        *,
        layer: str | None = None,
        seed: int = 0,
        training: Tensor | None = None,
    ) -> None:
        self._tap, self._inputs = tap, Inputs.of(batch)
        self.model: nn.Module = tap.model
        self.layer, self.seed, self.training = layer, seed, training
        self.count = len(targets)
        with torch.inference_mode(False), torch.no_grad():
            self.x = self._inputs.main.detach().clone()
            check_finite(self.x, self.x, self.x, "input")
            values = self._values(self.x)
            self.output = values[CLASS].whole.detach()
            self._targets = [target.fixed(self._of(values, target)) for target in targets]

    def scores(self, x: Tensor) -> Tensor:
        """Run the model on x (R * B, C, *S): values (R * B, K) of the units, in the caller's mode."""
        values = self._values(x)
        with torch._C.DisableTorchFunction():
            return torch.stack([target.score(self._of(values, target)) for target in self._targets], dim=1)

    def probabilities(self, x: Tensor) -> Tensor:
        """Run the model as :meth:`scores` does; classes as probabilities, nodes as they are.

        Of a single logit, the probability of the side that the unit speaks for.
        """
        values = self._values(x)
        with torch._C.DisableTorchFunction():
            likely = {**values, CLASS: _probable(values[CLASS])}
            scores = [target.score(self._of(likely, target)) for target in self._targets]
            single = values[CLASS].nodes.shape[1] == 1
            # The sigmoid of one logit is read from the middle: -p says no less than 1 - p.
            sides = [single and target.layer == CLASS for target in self._targets]
            return torch.stack(
                [score + 0.5 if side else score for score, side in zip(scores, sides, strict=True)], dim=1
            )

    def gradients(self, x: Tensor | None = None, *, layer: str | None = None) -> tuple[Tensor, Tensor]:
        """Differentiate the units by the input, or by a layer's output on its grid.

        Returns
        -------
        Tensor
            Values (R * B, C, *S) of the input or layer, detached.
        Tensor
            Gradients (R * B, K, C, *S), detached.
        """
        start = self.x if x is None else x.detach()
        with torch.inference_mode(False), torch.enable_grad():
            if layer is None:
                leaf = start.clone().requires_grad_()
                values, layout = self._values(leaf.clone()), None
            else:
                leaf, values, layout = self._grafted(start, layer)
            with torch._C.DisableTorchFunction():
                pulled = pull_back([self._row(values, target) for target in self._targets], leaf)
                if layout is None:
                    return leaf.detach(), pulled.transpose(0, 1)
                on_grid = torch.stack([layout.to_grid(one) for one in pulled], dim=1)
                return layout.to_grid(leaf.detach()), on_grid

    def _grafted(self, x: Tensor, layer: str) -> tuple[Tensor, dict[str, Values], Layout]:
        if layer != self._tap.layer:
            raise UsageError(f"Layer {layer!r} is not the tapped one", f"Take {self._tap.layer!r}")
        current = Pass(self._tap, x)
        with torch.no_grad():
            values = self._read(self._inputs.with_main(x), current)
        if current.leaf is None:
            raise UsageError(
                f"Layer {layer!r} is not used in the forward", "Name a layer that the model runs"
            )
        return current.leaf, values, current.layout

    def _values(self, x: Tensor) -> dict[str, Values]:
        return self._read(self._inputs.with_main(x), Pass(self._tap, x, graft=False))

    def _read(self, inputs: Inputs, current: Pass) -> dict[str, Values]:
        prediction = self._tap.run(inputs, current)
        self._tap.check_reached(current)
        output = self._tap.select(prediction)
        with torch._C.DisableTorchFunction():
            mean = output.flatten(2).mean(-1) if output.ndim > 2 else output
            return {**current.values, CLASS: Values(mean, output)}

    def _of(self, values: dict[str, Values], target: Target) -> Tensor:
        if target.layer not in values:
            raise UsageError(
                f"Layer {target.layer!r} is not tapped for nodes", "Give it to the tap as a node layer"
            )
        return values[target.layer].of_target(target)

    def _row(self, values: dict[str, Values], target: Target) -> tuple[Tensor, Tensor]:
        tensor = self._of(values, target)
        if not tensor.requires_grad:
            raise UsageError(
                f"Layer {target.layer!r} does not come after the map's layer",
                "Choose an earlier --layer for the map",
            )
        return tensor, target.cotangent(tensor.detach())


def _probable(values: Values) -> Values:
    """Turn logits into probabilities; one logit into its sigmoid's distance from the middle."""
    return Values(_likely(values.nodes), _likely(values.whole))


def _likely(logits: Tensor) -> Tensor:
    return torch.sigmoid(logits) - 0.5 if logits.shape[1] == 1 else torch.softmax(logits, 1)
