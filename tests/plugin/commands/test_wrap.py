from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import typer
import yaml
from plain_archives import YAML, content_of, files, laid_out, tarred, zipped
from torch import nn
from typer.testing import CliRunner

from foveal.archives import load_model
from foveal.archives.mar import archive_sha256, file_sha256
from foveal.cli import build_app

NETWORK = """
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.fc = nn.Linear(4, 2)

    def forward(self, x):
        return self.fc(self.conv(x).relu().mean((2, 3)))
"""
PREPROCESS = "preprocess: {size: [16, 16], channels: 3, mean: [0.5], std: [0.25]}\n"


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a command line in a folder with an archive."""
    monkeypatch.chdir(tmp_path)
    zipped(tmp_path / "a.mar", files(config=YAML))
    app = build_app()
    assert isinstance(app, typer.Typer)
    return lambda *command: CliRunner().invoke(app, list(command))


def test_there_and_back(run):
    result = run("wrap", "a.mar", "-o", "store/w.mar", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {
        "archive": "store/w.mar",
        "original": "a.mar",
        "name": "tiny",
        "handler": "h.py",
        "container": "zip",
        "settings": "model-config.yaml",
        "sha256": archive_sha256(Path("store/w.mar")),
        "original_sha256": file_sha256(Path("a.mar")),
    }
    result = run("unwrap", "store/w.mar", "-o", "again.mar", "--json")
    assert json.loads(result.stdout) == {
        "archive": "store/w.mar",
        "original": "again.mar",
        "container": "zip",
        "handler": "h.py",
        "sha256": file_sha256(Path("a.mar")),
    }
    assert Path("again.mar").read_bytes() == Path("a.mar").read_bytes()


def test_the_reports_in_words(run):
    result = run("wrap", "a.mar", "-o", "w.mar")
    assert result.stdout == (
        "w.mar: model tiny, handler h.py audited, settings in model-config.yaml, "
        f"sha256 {archive_sha256(Path('w.mar'))}\n"
    )
    result = run("unwrap", "w.mar", "-o", "o.mar")
    assert result.stdout == f"o.mar: handler h.py, sha256 {file_sha256(Path('a.mar'))}\n"


def test_the_servers_metrics(run):
    Path("metrics.yaml").write_text(
        "model_metrics:\n  gauge:\n  - {name: mine, unit: ms, dimensions: [Level]}\n"
    )
    result = run("wrap", "a.mar", "-o", "store/w.mar", "--metrics-yaml", "metrics.yaml")
    assert result.stdout.splitlines()[1] == "for config.properties: metrics_config=store/metrics.foveal.yaml"
    merged = yaml.safe_load(Path("store/metrics.foveal.yaml").read_text())["model_metrics"]
    assert merged["gauge"][0]["name"] == "mine"
    assert merged["counter"][0]["name"] == "foveal_crops_spooled_total"


def test_errors_end_with_two(run):
    run("wrap", "a.mar", "-o", "w.mar")
    result = run("wrap", "w.mar", "-o", "ww.mar")
    assert result.exit_code == 2
    assert result.stderr == (
        "foveal: error: w.mar is wrapped already. Serve it as it is, or unwrap it first: foveal unwrap.\n"
    )
    Path("c.yaml").write_text("foveal: {sample: 1}\n")
    result = run("wrap", "a.mar", "-o", "w2.mar", "--config", "c.yaml")
    assert (result.exit_code, "Unknown key 'foveal.sample'" in result.stderr) == (2, True)
    assert not Path("w2.mar").exists()


@pytest.mark.parametrize("in_archive", [True, False])
@pytest.mark.parametrize(("make", "suffix"), [(zipped, ".mar"), (tarred, ".tar.gz"), (laid_out, "")])
def test_a_wrapped_model_is_audited_offline_as_before(run, tmp_path, in_archive, make, suffix):
    """`audit`, `explain` and `collect` find the network, its preprocessing and its settings."""
    scope = {}
    exec(NETWORK, scope)
    network = scope["Net"]()
    assert isinstance(network, nn.Module)
    torch.save(network.state_dict(), tmp_path / "net.pt")
    names = {"modelFile": "net.py", "serializedFile": "net.pt"}
    content = files(config=YAML + PREPROCESS if in_archive else None, **names)
    folder = laid_out(tmp_path / "plain", {**content, "net.py": NETWORK.encode()})
    (folder / "net.pt").write_bytes((tmp_path / "net.pt").read_bytes())
    make(tmp_path / f"net{suffix}", content_of(folder))
    plain, wrapped = f"net{suffix}", f"w{suffix}"
    Path("c.yaml").write_text("foveal: {max_windows: 2}\n" + ("" if in_archive else PREPROCESS))
    assert run("wrap", plain, "-o", wrapped, "--config", "c.yaml").exit_code == 0
    model = load_model(wrapped, environ={})
    assert (model.name, model.config.max_windows, model.transform.size) == ("tiny", 2, (16, 16))
    assert model.sha256 == archive_sha256(Path(wrapped))
    assert all(
        torch.equal(a, b) for a, b in zip(model.module.parameters(), network.parameters(), strict=True)
    )
    if in_archive:
        assert load_model(plain, environ={}).transform == model.transform
