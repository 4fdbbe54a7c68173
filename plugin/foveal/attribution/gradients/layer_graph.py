"""A layer's output with its graph down to the sample, for methods that explain the layer itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import get_ident

from torch import Tensor, nn

from foveal.attribution.subject import Subject
from foveal.errors import UsageError


def layer_output(subject: Subject, x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Run the model on x (B, C, *S) and give what the subject's layer made of it, in the caller's mode.

    Parameters
    ----------
    subject
        Whose model and layer it is.
    x
        What to run.
    shape
        The shape that the layer's output must have: (B, C, *S).

    Raises
    ------
    UsageError
        If the layer gives no tensor of that shape, as one that gives tokens.
    """
    name, _, call = str(subject.layer).partition("#")
    with _recorded(subject.model.get_submodule(name)) as outputs:
        subject.scores(x)
    output = outputs[int(call) - 1 if call else -1]
    if tuple(output.shape) != shape:
        raise UsageError(
            f"Layer {subject.layer!r} gives {tuple(output.shape)} and no grid of channels",
            "Choose a convolutional layer",
        )
    return output


@contextmanager
def _recorded(module: nn.Module) -> Iterator[list[Tensor]]:
    """Record what a module gives in this thread; other threads' forwards are left alone."""
    outputs: list[Tensor] = []
    thread = get_ident()

    def record(_module: nn.Module, _args: object, output: object) -> object:
        if get_ident() != thread or not isinstance(output, Tensor):
            return None
        outputs.append(output)
        # A copy goes on: the network may change it in place.
        return output.clone()

    handle = module.register_forward_hook(record)
    try:
        yield outputs
    finally:
        handle.remove()
