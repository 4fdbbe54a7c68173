"""The README's commands, as a reader would type them."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest
import torch

import foveal
from foveal.servers.ports import free_port
from foveal_audit.demo.making import write_study
from foveal_audit.demo.pictures import PICTURE
from foveal_audit.demo.plan import DemoPlan
from foveal_audit.settings import QUICK
from foveal_audit.studies import network

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
SHELL = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
BINARIES = Path(sys.executable).parent
SERVERS = ("mlflow server", "foveal serve")


def block(command):
    """Find the block that holds a command."""
    (found,) = (one for one in SHELL if command in one)
    return found


def commands(block):
    """Split a block into commands: continued lines joined, remarks and blank lines gone."""
    lines = block.replace("\\\n", " ").splitlines()
    return [line for line in (re.sub(r"\s#.*", "", line).strip() for line in lines) if line]


@contextmanager
def server(command, folder, environ, address):
    with (folder / f"{command.split()[0]}.log").open("w") as log:
        process = subprocess.Popen(shlex.split(command), cwd=folder, env=environ, stdout=log, stderr=log)
        try:
            wait_for(address, process)
            yield process
        finally:
            # Programs in the background may ignore Ctrl-C; ours promises to heed it.
            process.send_signal(signal.SIGINT if command.startswith("foveal") else signal.SIGTERM)
            assert process.wait(60) is not None


def wait_for(address, process, seconds=120):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        assert process.poll() is None, "the server ended by itself"
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    pytest.fail(f"{address} does not answer")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_commands_for_ones_own_model_work_as_printed(tmp_path):
    plan = DemoPlan(training=24, production=5, epochs=1, audit=QUICK)  # one's own model, of whatever size
    study = write_study(tmp_path, PICTURE, "standard", plan, seed=0)
    (tmp_path / "model.py").write_bytes(Path(network.__file__).read_bytes())
    (tmp_path / "image.png").write_bytes((study.folder / "production/00000.png").read_bytes())
    torch.manual_seed(0)
    torch.save(network.PatentNet().state_dict(), tmp_path / "weights.pt")
    ports = {"5000": str(free_port()), "8080": str(free_port())}
    environ = {**os.environ, "PATH": f"{BINARIES}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
    health = {"mlflow server": f":{ports['5000']}/health", "foveal serve": f":{ports['8080']}/ping"}

    ran = []
    with ExitStack() as servers:
        for printed in commands(block("foveal pack")):
            command = re.sub(r"\b(5000|8080)\b", lambda port: ports[port[0]], printed)
            command = command.replace("curl ", "curl -sD answer.txt ")
            ran.append(command)
            if command.startswith("export"):
                name, value = command.removeprefix("export ").split("=", 1)
                environ |= {name: value} if name != "PATH" else {}
            elif command.startswith(SERVERS):
                kind = " ".join(command.split()[:2])
                address = f"http://127.0.0.1{health[kind]}"
                servers.enter_context(server(command, tmp_path, environ, address))
            else:
                done = subprocess.run(
                    command,
                    check=False,
                    shell=True,
                    cwd=tmp_path,
                    env=environ,
                    capture_output=True,
                    text=True,
                    timeout=300,
                )
                assert done.returncode == 0, (command, done.stderr)
        (key,) = re.findall("(?i)x-foveal-record: (.*)", (tmp_path / "answer.txt").read_text())
        for printed in commands(block("foveal library export")):
            command = printed.replace(" ID", f" {key.strip()}")
            done = subprocess.run(
                command, check=False, shell=True, cwd=tmp_path, env=environ, capture_output=True, text=True
            )
            # The worker may still hold the segment with the request: then erasing says how to go on.
            codes = (0, 4) if "erase" in command else (0,)
            assert done.returncode in codes, (command, done.stdout, done.stderr)

    assert len(ran) == 11
    assert list((tmp_path / "crops").rglob("*.tar"))
    assert (tmp_path / "explained/image.npy").is_file()
    assert (tmp_path / "bundle/report.html").is_file()
    assert not [one for one in psutil.process_iter(["cmdline"]) if str(tmp_path) in str(one.info["cmdline"])]


@pytest.mark.slow
def test_the_commands_for_single_predictions_work_as_printed(tmp_path):
    plan = DemoPlan(training=6, production=5, epochs=1, audit=QUICK)
    study = write_study(tmp_path, PICTURE, "standard", plan, seed=0)
    (tmp_path / "image.png").write_bytes((study.folder / "production/00000.png").read_bytes())
    samples = sorted(path.relative_to(tmp_path) for path in (study.folder / "production").glob("*.png"))
    (tmp_path / "images.csv").write_text("path\n" + "".join(f"{path}\n" for path in samples))
    boxes = "".join(f"{path},30,30,60,60\n" for path in samples)
    (tmp_path / "boxes.csv").write_text("path,y0,x0,y1,x1\n" + boxes)
    (tmp_path / "model.py").write_bytes(Path(network.__file__).read_bytes())
    torch.manual_seed(0)
    torch.save(network.PatentNet().state_dict(), tmp_path / "weights.pt")
    environ = {**os.environ, "PATH": f"{BINARIES}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
    (pack,) = (line for line in commands(block("foveal pack")) if line.startswith("foveal pack"))
    printed = {}
    for command in (pack, *commands(block("foveal compare"))):
        done = subprocess.run(
            command, check=False, shell=True, cwd=tmp_path, env=environ, capture_output=True, text=True
        )
        assert done.returncode == 0, (command, done.stderr)
        printed[" ".join(command.split()[:2])] = done.stdout
    assert "guided-backprop" in printed["foveal methods"]
    assert (tmp_path / "explained/image.png").is_file()
    assert (tmp_path / "compared/image.compare.png").is_file()
    assert (tmp_path / "comparison/compare.csv").is_file()


@pytest.mark.slow
def test_the_commands_for_a_model_that_runs_work_as_printed(tmp_path):
    (tmp_path / "handler.py").write_text(
        "def handle(data, context):\n    return [len(row) for row in data or []]\n"
    )
    archive = "torch-model-archiver --model-name running --version 1.0 --handler handler.py --export-path ."
    environ = {**os.environ, "PATH": f"{BINARIES}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
    subprocess.run(archive, check=True, shell=True, cwd=tmp_path, env=environ)
    before = (tmp_path / "running.mar").read_bytes()
    for command in commands(block("foveal wrap")):
        if "unwrap" in command:
            (tmp_path / "running.mar").unlink()
        done = subprocess.run(
            command, check=False, shell=True, cwd=tmp_path, env=environ, capture_output=True, text=True
        )
        # What doctor finds here is the machine's affair.
        assert done.returncode in ((0, 3) if "doctor" in command else (0,)), (command, done.stderr)
    assert (tmp_path / "running.mar").read_bytes() == before


def leftovers(folder):
    return [
        one for one in psutil.process_iter(["cmdline"]) if str(folder) in " ".join(one.info["cmdline"] or [])
    ]


def changed_at(folder):
    """Say when each file was written; an archive is packed anew within a moment, so that its bytes count."""
    files = [path for path in folder.rglob("*") if path.is_file() and not _is_bookkeeping(path)]
    return {path: path.read_bytes() if path.suffix == ".mar" else path.stat().st_mtime_ns for path in files}


def _is_bookkeeping(path):
    """Servers log, and a shipper tidies up what an earlier one emptied: neither is work done again."""
    return path.suffix == ".log" or {"mlflow", "spool"} & set(path.parts)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_demo_finds_what_was_planted_leaves_nothing_running_and_redoes_no_work(tmp_path):
    demo, test = commands(block("make demo"))
    assert demo == 'make demo ARGS="--quick"'
    assert test == "make test"
    out = tmp_path / "demo"
    command = ["make", "demo", f"ARGS=--quick --out {out} --json", "PYTHON=" + sys.executable]

    first = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert first.returncode == 0, first.stderr[-3000:]
    assert '"found": "confirmed, rank 1' in first.stdout or '"found": "suspected, rank 1' in first.stdout
    assert re.search(r'"planted": "harmless mark at site C",\s+"found": "not flagged', first.stdout)
    assert re.search(r'"planted": "genuine nodules",\s+"found": "not flagged', first.stdout)
    # Processors round differently: one facet may be at the limit.
    (alarms,) = re.findall(r'"planted": "false alarms",\s+"found": "(.*)"', first.stdout)
    assert len(alarms.split(", ")) == 1
    assert re.search(r"left in all", first.stderr)
    assert leftovers(out) == []

    before = changed_at(out)
    second = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert second.returncode == 0, second.stderr[-3000:]
    assert changed_at(out) == before
    assert second.stdout == first.stdout


def test_the_python_of_the_readme_is_about_names_that_exist():
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    compile(code, "README.md", "exec")
    for name in re.findall(r"foveal\.(\w+)", code):
        assert callable(getattr(foveal, name))


def test_every_file_that_the_readme_names_exists():
    named = re.findall(r"`((?:plugin|handlers|audit|model_store|docs)/[^`]*)`|\]\(([^)#:]+)\)", README)
    for path in {one or other for one, other in named}:
        assert (ROOT / path).exists(), path
