"""The import hook: the same watch, for archives that nobody may touch."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from foveal_handlers import hook
from foveal_handlers.hook.__main__ import FILE, LINE, main

BANNER = "Foveal stands round the handler {}, by the import hook (FOVEAL_HOOK=1)"
READ = "import site; site.addsitedir({folder!r}); import ts.model_loader as loader; "
TOLD = "print(hasattr(loader.TsModelLoader._get_class_entry_point, 'foveal_hook'))"


@pytest.fixture
def hooked(monkeypatch):
    """Patch TorchServe's loader for one test."""
    loader = sys.modules["ts.model_loader"].TsModelLoader
    for name in ("_get_class_entry_point", "_get_function_entry_point"):
        monkeypatch.setattr(loader, name, getattr(loader, name))
    return hook.activate


@pytest.mark.parametrize("handler", ["class_handler", "function_handler.py:other_name", "micro_handler"])
def test_untouched_archives_are_audited(model_folder, start, images, spooled, hooked, handler, caplog):
    caplog.set_level("INFO")
    expected = start(model_folder(handler, name="bare")).ask(images(3))
    hooked()
    yaml = '{"preprocess": {"size": [16, 16], "channels": 3}}'
    worker = start(model_folder(handler, yaml=yaml))
    assert worker.ask(images(3)) == expected
    assert worker.record(1) == "id-1"
    assert len(spooled()) == 3
    module = handler.partition(".")[0]
    assert [one.message for one in caplog.records if "hook" in one.message] == [BANNER.format(module)]


def test_a_wrapped_archive_is_watched_once(both, model_folder, wrap, start, images, spooled, hooked):
    hooked()
    hooked()
    bare, wrapped = both("class_handler")
    assert wrapped.ask(images(3)) == bare.ask(images(3))
    assert len(spooled("tiny")) == 3
    inner = wrapped.runtime._original.instance
    assert type(inner).__name__ == "ClassHandler"


def test_every_watch_ends_whatever_it_stands_round(both, images, hooked, watches, at_work, spooled):
    hooked()
    for worker in both("class_handler"):  # the hook watches the bare one too
        worker.ask(images(2))
    assert len(watches) == 2
    for one in watches:
        one.close()
    assert at_work() == []
    kept = len(spooled("tiny"))
    worker.ask(images(2))
    assert len(spooled("tiny")) == kept
    assert at_work() == []


def test_a_watch_that_fails_serves_the_original(model_folder, start, images, hooked, monkeypatch, caplog):
    expected = start(model_folder("class_handler", name="bare")).ask(images(2))
    hooked()
    monkeypatch.setattr("foveal_handlers.wrapped.audited", lambda *_: 1 / 0)
    assert start(model_folder("class_handler")).ask(images(2)) == expected
    assert "Foveal observes nothing in this worker; predictions are served" in caplog.messages


@pytest.mark.parametrize(("value", "patched"), [("1", "True"), ("", "False")])
def test_the_line_that_python_reads(tmp_path, capsys, value, patched):
    assert main(["install", "--folder", str(tmp_path)]) == 0
    assert (tmp_path / FILE).read_text() == LINE
    code = READ.format(folder=str(tmp_path)) + TOLD
    environ = {**os.environ, "FOVEAL_HOOK": value}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True
    )
    assert done.stdout.split()[-1] == patched
    assert main(["status", "--folder", str(tmp_path)]) == 0
    assert main(["remove", "--folder", str(tmp_path)]) == 0
    assert main(["status", "--folder", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{tmp_path / FILE} is there. Start TorchServe with FOVEAL_HOOK=1 and FOVEAL_SPOOL_DIR set.",
        f"{tmp_path / FILE} is there.",
        f"{tmp_path / FILE} is gone. TorchServe serves its archives as they are.",
        f"{tmp_path / FILE} is not there. Install it with: python -m foveal_handlers.hook install",
    ]


def test_a_folder_that_cannot_be_written(tmp_path, capsys):
    assert main(["install", "--folder", str(tmp_path / "nowhere")]) == 3
    assert "foveal_hook.pth cannot be written" in capsys.readouterr().err


def test_the_line_brings_nothing_heavy(tmp_path):
    code = (
        "import sys; import foveal_handlers.hook as hook; hook.activate(); "
        "print([name for name in ('torch', 'numpy', 'ts', 'foveal') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_archive_of_our_own_is_left_alone(unpacked, start, hooked, png, spooled):
    hooked()
    worker = start(unpacked())
    worker.ask([png(1)])
    handler = worker.service._entry_point.__self__
    handler.auditor.close()
    assert type(handler).__name__ == "FovealVision"
    assert len(spooled("small")) == 1
