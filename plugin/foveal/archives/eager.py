"""Build an eager model from the file that defines it and the weights that go with it.

Standard library and torch only: the serving worker imports this. A model file is code and runs when it is
loaded, as in TorchServe; the weights are never more than data (``weights_only=True``).
"""

from __future__ import annotations

import hashlib
import inspect
import pickle
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from foveal.errors import UsageError, nearest

#: Keys under which training scripts nest the weights in a checkpoint.
_NESTED = ("state_dict", "model_state_dict", "model")
#: What DataParallel and torch.compile put before every name.
_WRAPPERS = ("module.", "_orig_mod.")


def load_eager(model_file: Path, weights: Path | None, model_class: str | None = None) -> nn.Module:
    """Build the network that a model file defines and load its weights, in evaluation mode on the CPU.

    Parameters
    ----------
    model_file
        Python file with the network's class. It may define others too (blocks, losses).
    weights
        A checkpoint written by :func:`torch.save`: the state dict itself or a mapping that holds it.
        Without one the model keeps its initial weights.
    model_class
        Name of the class, or of a function that returns the network. Without one it is the only
        ``nn.Module`` class of the file, or else the only one that is built without arguments and takes
        the weights.

    Raises
    ------
    UsageError
        When the file cannot be imported, no class or more than one fits, or the weights do not fit.
    """
    state = read_weights(weights) if weights else None
    module = _import(model_file)
    factories = _candidates(module, model_file, model_class)
    if len(factories) == 1:
        (name, factory), *_ = factories.items()
        return _fit(_construct(name, factory, model_file), state, weights).eval()
    return _only_fitting(factories, state, model_file, weights).eval()


def read_weights(path: Path) -> Mapping[str, Any]:
    """Read a checkpoint as data and give its tensors by their plain names.

    Raises
    ------
    UsageError
        When the file is missing, is no checkpoint, needs code to be read, or holds no tensors.
    """
    if not path.is_file():
        raise UsageError(
            f"No weights at {path}", "Give the file that torch.save(model.state_dict(), ...) wrote"
        )
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise UsageError(
            f"{path} is not a checkpoint that can be read as data ({_first_line(error)})",
            "Save it again with torch.save(model.state_dict(), ...)",
        ) from error
    return _plain_names(_state_dict(content, path))


def _state_dict(content: object, path: Path) -> Mapping[str, Any]:
    """Find the tensors in what a training script saved."""
    for key in _NESTED:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not (isinstance(content, Mapping) and any(isinstance(value, Tensor) for value in content.values())):
        raise UsageError(
            f"{path} holds no state dict",
            "Save it with torch.save(model.state_dict(), ...), alone or under 'state_dict' or 'model'",
        )
    return content  # not a copy: torch hangs the versions of the modules on the mapping itself


def _plain_names(state: Mapping[str, Any]) -> Mapping[str, Any]:
    """Take off the prefixes that wrappers put before every name."""
    for prefix in _WRAPPERS:
        if all(name.startswith(prefix) for name in state):
            state = {name.removeprefix(prefix): value for name, value in state.items()}
    return state


def _import(model_file: Path) -> ModuleType:
    """Run a model file as a module of its own name, so that two files never stand for each other."""
    if not model_file.is_file():
        raise UsageError(f"No model file at {model_file}", "Give the Python file that defines the network")
    digest = hashlib.sha256(model_file.read_bytes()).hexdigest()[:16]
    name = f"foveal_model_{digest}"
    spec = spec_from_file_location(name, model_file)
    if spec is None or spec.loader is None:
        raise UsageError(f"{model_file} is not a Python file", "Give the .py file that defines the network")
    module = module_from_spec(spec)
    with _neighbours(model_file.resolve().parent):
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except Exception as error:  # the file is the user's: whatever it raises is reported with its name
            del sys.modules[name]
            raise UsageError(
                f"{model_file} cannot be imported ({type(error).__name__}: {_first_line(error)})",
                "Mend the file, or add what it imports with --extra-files",
            ) from error
    return module


@contextmanager
def _neighbours(folder: Path) -> Iterator[None]:
    """Let a model file import the files beside it, and forget them afterwards.

    Two archives may each bring a ``blocks.py``; the second must not be given the first one's.
    """
    known = set(sys.modules)
    sys.path.insert(0, str(folder))
    writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True  # an archive's folder stays as it was
    try:
        yield
    finally:
        sys.dont_write_bytecode = writes
        sys.path.remove(str(folder))
        for name in set(sys.modules) - known:
            if _lies_in(sys.modules[name], folder) and not name.startswith("foveal_model_"):
                del sys.modules[name]


def _lies_in(module: ModuleType, folder: Path) -> bool:
    """Tell whether a module was imported from a folder."""
    origin = getattr(module, "__file__", None)
    return origin is not None and folder in Path(origin).resolve().parents


def _classes(module: ModuleType) -> dict[str, Callable[[], object]]:
    """List the network classes that a module defines itself."""
    return {
        name: value
        for name, value in vars(module).items()
        if inspect.isclass(value) and issubclass(value, nn.Module) and value.__module__ == module.__name__
    }


def _candidates(module: ModuleType, model_file: Path, wanted: str | None) -> dict[str, Callable[[], object]]:
    """List what may build the network: all classes of the file, or the one that was named."""
    classes = _classes(module)
    if wanted is not None:
        known = classes | _functions(module)
        if wanted not in known:
            raise UsageError(f"{model_file.name} defines no {wanted!r}", nearest(wanted, known))
        return {wanted: known[wanted]}
    if not classes:
        raise UsageError(
            f"{model_file.name} defines no torch.nn.Module class",
            "Put the network's class into it, or name the function that returns it with --model-class",
        )
    return classes


def _functions(module: ModuleType) -> dict[str, Callable[[], object]]:
    """List the functions that a module defines itself."""
    return {
        name: value
        for name, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__
    }


def _construct(name: str, factory: Callable[[], object], model_file: Path) -> nn.Module:
    """Call a class or function without arguments and insist on a network."""
    try:
        model = factory()
    except Exception as error:  # the class is the user's: whatever it raises is reported with its name
        raise UsageError(
            f"{name} of {model_file.name} cannot be built without arguments ({_first_line(error)})",
            f"Give the arguments of {name} defaults, or add a class or function that needs none",
        ) from error
    if not isinstance(model, nn.Module):
        raise UsageError(
            f"{name} of {model_file.name} returns {type(model).__name__}, not a torch.nn.Module",
            "Let it return the network",
        )
    return model


def _fit(model: nn.Module, state: Mapping[str, Any] | None, weights: Path | None) -> nn.Module:
    """Load the weights, every one of them and no other."""
    if state is None:
        return model
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        name = type(model).__name__
        raise UsageError(
            f"{weights} does not fit {name} ({_difference(model.state_dict(), state) or _first_line(error)})",
            f"Give the weights that {name} was trained to",
        ) from error
    return model


def _difference(own: Mapping[str, Any], given: Mapping[str, Any]) -> str:
    """Say in a few words where two sets of weights differ, or nothing."""
    shapes = [name for name in own if name in given and _shape(own[name]) != _shape(given[name])]
    parts = {
        "missing": [name for name in own if name not in given],
        "unexpected": [name for name in given if name not in own],
        "of another shape": shapes,
    }
    return "; ".join(f"{len(names)} {what}: {_few(names)}" for what, names in parts.items() if names)


def _shape(value: object) -> tuple[int, ...] | None:
    """Give a tensor's shape; extra state has none."""
    return tuple(value.shape) if isinstance(value, Tensor) else None


def _few(names: list[str], limit: int = 2) -> str:
    """Name the first of many."""
    return ", ".join(names[:limit]) + (", ..." if len(names) > limit else "")


def _only_fitting(
    factories: dict[str, Callable[[], object]],
    state: Mapping[str, Any] | None,
    model_file: Path,
    weights: Path | None,
) -> nn.Module:
    """Try each class of a file and give the one network that can be built and takes the weights."""
    fitting: dict[str, nn.Module] = {}
    refused: dict[str, str] = {}
    for name, factory in factories.items():
        try:
            fitting[name] = _fit(_construct(name, factory, model_file), state, weights)
        except UsageError as error:
            refused[name] = error.fault
    if len(fitting) == 1:
        return next(iter(fitting.values()))
    if fitting:
        raise UsageError(
            f"{model_file.name} defines several networks that fit: {', '.join(fitting)}",
            "Name the right one with --model-class",
        )
    raise UsageError(
        f"No class of {model_file.name} fits: {'; '.join(refused.values())}",
        "Give the weights of one of them, or name a class or function with --model-class",
    )


def _first_line(error: Exception) -> str:
    """Shorten what a library raised to its first line."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
