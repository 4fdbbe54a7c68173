"""pytest plugin: every archive that a TorchServe test registers is wrapped first.

Loaded with ``-p wrapping_plugin`` before the tests of a checkout of pytorch/serve; see ``torchserve.py``.
Without the variable ``FOVEAL_WRAP`` it only counts the archives.
"""

from __future__ import annotations

import os
from pathlib import Path

import ts.launcher

from foveal.archives.mar import is_archive
from foveal.archives.wrapping import wrap
from foveal.errors import UsageError

_start, _register = ts.launcher.start, ts.launcher.register_model_with_params
_store: list[Path] = []
_wrapped: list[str] = []


def start(*args, **kwargs):
    """Start TorchServe, every archive of its store wrapped."""
    _store[:] = [Path(kwargs.get("model_store") or args[0])]
    for path in sorted(_store[0].iterdir()) if _store[0].is_dir() else []:
        if is_archive(path):
            audited(path)
    return _start(*args, **kwargs)


def register_model_with_params(params):
    """Register a model, its archive wrapped."""
    path = _store[0] / dict(params)["url"]
    if path.exists():
        audited(path)
    return _register(params)


def register_model(model_name, url):
    """Register a model as the launcher does."""
    common = {"initial_workers": "1", "synchronous": "true"}
    return register_model_with_params(tuple({"model_name": model_name, "url": url, **common}.items()))


def audited(path: Path) -> None:
    """Put the wrapped archive in the place of a bare one."""
    if "FOVEAL_WRAP" not in os.environ:
        return
    draft = path.with_name(f"wrapped-{path.name}")
    try:
        wrap(path, draft)
    except UsageError as fault:
        if "already" not in fault.fault:  # registered twice from one store
            raise
        return
    if path.is_dir():
        path.rename(path.with_name(f"bare-{path.name}"))
    draft.rename(path)
    _wrapped.append(path.name)


def pytest_terminal_summary(terminalreporter):
    """Say how many archives were wrapped."""
    terminalreporter.write_line(f"archives wrapped: {len(_wrapped)} {' '.join(_wrapped)}")


ts.launcher.start = start
ts.launcher.register_model_with_params = register_model_with_params
ts.launcher.register_model = register_model
