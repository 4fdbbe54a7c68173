"""Where a handler keeps its network: on itself, in its module, or one step further."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import nn

from foveal_handlers.wrapped.original import Original

AUTO = "auto"
#: Where handlers keep their network by habit; looked at before anything else.
_USUAL = ("model", "net")
_PLAIN = (str, bytes, int, float, bool, tuple, list, dict, set, torch.Tensor, type(None), type)


@dataclass(frozen=True)
class Obstacle:
    """Why nothing can be observed.

    Attributes
    ----------
    reason
        The name under which it is counted.
    advice
        What is wrong and what to do about it, as sentences.
    """

    reason: str
    advice: str


NO_MODEL = Obstacle(
    "no_model",
    "No torch.nn.Module was found in the handler. Name the attribute that keeps it as foveal.classifier "
    "(FOVEAL_CLASSIFIER), such as 'service.net'; ONNX sessions and compiled libraries have no layers.",
)
STARTING = Obstacle("starting", "Its layers are being chosen; the next predictions will be observed.")
NOT_RUN = Obstacle(
    "not_run",
    "The network that was found did not run. Name the right one as foveal.classifier (FOVEAL_CLASSIFIER).",
)
UNMATCHED = Obstacle("unmatched", "The handler's forwards do not match the rows of its batch.")
MIXED_ROWS = Obstacle(
    "mixed_rows",
    "The envelope mixes the rows of several requests and does not tell how. Serve the model with "
    "batchSize: 1.",
)
ONE_REQUEST = Obstacle(
    "one_request",
    "TorchServe's KServe envelopes read one request of a batch, and TorchServe then refuses all of them with "
    "503. Serve the model with batchSize: 1.",
)
_COMPILED = Obstacle(
    "compiled",
    "The network is compiled by torch.compile, which passes by what observes. Take 'pt2' out of the "
    "archive's model-config.yaml to have it observed.",
)
_TRAINING = Obstacle("training", "The network is in training mode. Call model.eval() in the handler.")


def find_model(original: Original, path: str = AUTO) -> nn.Module | None:
    """Find the network that a handler predicts with.

    Parameters
    ----------
    path
        Dotted attributes from the handler's object or its module, or ``auto``: ``model``, ``net``, whatever
        module is on the handler or in its file, then the same in the objects that these hold.
    """
    holders = [one for one in (original.instance, original.module) if one is not None]
    if path != AUTO:
        named = (_follow(holder, path) for holder in holders)
        return next((one for one in named if isinstance(one, nn.Module)), None)
    inner = [one for holder in holders for one in _held(holder, original)]
    return next((found for holder in [*holders, *inner] for found in _networks(holder)), None)


def obstacle(model: nn.Module | None) -> Obstacle | None:
    """Say what keeps a network from being observed, if anything."""
    if model is None:
        return NO_MODEL
    if hasattr(model, "_orig_mod"):
        return _COMPILED
    return _TRAINING if getattr(model, "training", False) else None  # frozen TorchScript does not say


def _follow(holder: object, path: str) -> object | None:
    """Follow dotted names; a name that leads into a mapping or list is its key or position."""
    found: object | None = holder
    for name in path.split("."):
        found = _step(found, name)
    return found


def _step(holder: object | None, name: str) -> object | None:
    if isinstance(holder, Mapping):
        return holder.get(name)
    if isinstance(holder, (list, tuple)) and name.isdigit() and int(name) < len(holder):
        item: object = holder[int(name)]
        return item
    return getattr(holder, name, None)


def _networks(holder: object) -> Iterator[nn.Module]:
    """List the networks that an object holds, those with the usual names first."""
    attributes = _attributes(holder)
    usual = [attributes[name] for name in _USUAL if name in attributes]
    return (value for value in [*usual, *attributes.values()] if isinstance(value, nn.Module))


def _held(holder: object, original: Original) -> list[object]:
    """List the objects that a handler or its file holds itself, not what it merely imports."""
    values = [*_attributes(holder).values()]
    for value in [value for value in values if isinstance(value, (list, tuple, dict))]:
        values += value.values() if isinstance(value, dict) else value
    found = (value for value in values if not isinstance(value, (*_PLAIN, nn.Module)))
    if holder is not original.module:
        return list(found)
    return [value for value in found if type(value).__module__ == original.module.__name__]


def _attributes(holder: object) -> dict[str, object]:
    """List what an object keeps, without running any code of its own."""
    return dict(getattr(holder, "__dict__", None) or {})
