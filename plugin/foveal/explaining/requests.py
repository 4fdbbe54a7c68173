"""What a person asks for on the command line, turned into what methods take: options and training samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from foveal.attribution import InputMethod, Method, check_options
from foveal.errors import UsageError
from foveal.samples.listing import list_samples

if TYPE_CHECKING:
    from foveal.archives.model import AuditedModel

#: Training samples that methods are given at most, evenly taken from all of them.
MOST_TRAINING = 256

_WORDS: Mapping[str, Any] = {"true": True, "yes": True, "false": False, "no": False, "none": None}


def read_options(texts: Sequence[str], methods: Sequence[Method]) -> dict[str, dict[str, Any]]:
    """Read ``name=value`` texts into the options of each method, which get those that they have.

    Returns
    -------
    dict
        Options by method name.

    Raises
    ------
    UsageError
        If a text is no option, no method has it, or its value is of another type than the default's.
    """
    given = [_split(text) for text in texts]
    for name, _ in given:
        if not any(name in _defaults(method) for method in methods):
            check_options(methods[0], {name: None})
    return {
        method.name: {
            name: _read_value(method, name, value) for name, value in given if name in _defaults(method)
        }
        for method in methods
    }


def all_options(method: Method, given: Mapping[str, Any]) -> dict[str, Any]:
    """Give every option with the value that holds."""
    return {**_defaults(method), **given}


def load_training(model: AuditedModel, data: Path, most: int = MOST_TRAINING) -> Tensor:
    """Load samples (N, C, h, w) of a data set as the model takes them, `most` of them at most.

    Raises
    ------
    UsageError
        If the data cannot be read, or the samples are of different sizes and the model fixes none.
    """
    files = list_samples(data, model.kind)
    chosen = [files[at * len(files) // min(most, len(files))] for at in range(min(most, len(files)))]
    kind = model.kind
    tensors = [model.tensor(kind.decode(kind.read(file.path), file.name), file.name) for file in chosen]
    for file, tensor in zip(chosen, tensors, strict=True):
        if tensor.shape != tensors[0].shape:
            raise UsageError(
                f"Training sample {file.name!r} has another shape than {chosen[0].name!r}",
                "Give samples of one shape, or pass --size H,W to `foveal pack`",
            )
    return torch.stack(tensors)


def _defaults(method: Method) -> Mapping[str, Any]:
    return method.options if isinstance(method, InputMethod) else {}


def _split(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or not name.strip():
        raise UsageError(f"Option {text!r} has no value", "Write --option name=value")
    return name.strip(), value.strip()


def _whole(text: str) -> int:
    return int(text)


def _truth(text: str) -> bool:
    value = _WORDS[text.lower()]
    if value is None:
        raise ValueError(text)
    return bool(value)


def _guess(text: str) -> Any:  # noqa: ANN401 - whatever the text says
    """Read a value whose default, None, tells no type."""
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


#: Type of the default -> what reads a value, and what to call it in an error.
_READERS: Mapping[type, tuple[Callable[[str], Any], str]] = {
    bool: (_truth, "true or false"),
    int: (_whole, "a whole number"),
    float: (float, "a number"),
    str: (str, "a text"),
    type(None): (_guess, "a value"),
}


def _read_value(method: Method, name: str, text: str) -> Any:  # noqa: ANN401 - whatever the option takes
    default = _defaults(method)[name]
    read, kind = _READERS[type(default)]
    try:
        return read(text)
    except (ValueError, KeyError):
        raise UsageError(
            f"Option {name!r} of method {method.name!r} is {text!r}, not {kind}",
            f"Write --option {name}={default}",
        ) from None
