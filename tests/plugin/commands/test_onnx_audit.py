from __future__ import annotations

import json
import re
import sys

import numpy as np
import onnx
import pytest
import torch
import typer
from onnx import helper
from onnx_nets import build, export
from typer.testing import CliRunner

from foveal.commands import onnx_audit
from foveal.errors import EnvironmentFault, UsageError
from foveal.onnx_graphs import AuditedSession
from foveal.onnx_graphs.saving import save


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run the command in a folder with a network; errors come out as they are raised."""
    monkeypatch.chdir(tmp_path)
    save(export(build("Residual")), tmp_path / "net.onnx")
    app = typer.Typer()
    app.callback()(lambda: None)
    onnx_audit.register(app)

    def run(*options):
        command = ["onnx-audit", "net.onnx", "-o", "audited.onnx", *options]
        return CliRunner().invoke(app, command, catch_exceptions=True)

    return run


def test_a_file_is_written_that_explains_itself(run, tmp_path):
    result = run("--top", "2")
    assert result.exit_code == 0, result.exception
    first, second = result.output.splitlines()
    assert first == "audited.onnx: maps 4x4 at /trunk/trunk.3/Relu_1_output_0 for 2 classes"
    assert second.startswith("checked: scores bit-identical; maps agree with finite differences to ")
    found = AuditedSession(tmp_path / "audited.onnx").run(np.ones((1, 3, 16, 16), np.float32))
    assert found.maps.shape == (1, 2, 4, 4)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["audited.onnx", "net.onnx"]


def test_nodes_and_json(run, tmp_path):
    nodes = next(
        node.output[0] for node in export(build("Residual")).graph.node if node.op_type == "HardSwish"
    )
    report = json.loads(run("--nodes", f"{nodes}:4", "--json").output)
    assert (report["file"], report["nodes"], report["node_count"]) == ("audited.onnx", nodes, 4)
    assert set(report["checked"]) == {"identical", "scores", "differences", "batches"}
    assert report["checked"]["differences"] < 1e-3
    found = AuditedSession(tmp_path / "audited.onnx").run(np.ones((1, 3, 16, 16), np.float32))
    assert found.node_maps.shape == (1, 4, 4, 4)
    assert f"and for 4 nodes of {nodes}\n" in run("--nodes", f"{nodes}:4").output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--nodes", "relu"), "--nodes 'relu' is not TENSOR:COUNT"),
        (("--nodes", "relu:0"), "--nodes 'relu:0' is not TENSOR:COUNT"),
        (("--shape", "3,a,4"), "--shape '3,a,4' is not C,H,W"),
    ],
)
def test_words_that_cannot_be_read(run, options, message):
    result = run(*options)
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())


def test_nothing_is_written_where_something_is_wrong(run, tmp_path):
    result = run("--layer", "nowhere")
    assert isinstance(result.exception, UsageError)
    assert str(result.exception).startswith(
        "There is no tensor 'nowhere' between input and scores. Did you mean "
    )
    assert not (tmp_path / "audited.onnx").exists()


def test_a_missing_package_is_named(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "foveal.onnx_graphs.auditing", None)
    result = run()
    assert isinstance(result.exception, EnvironmentFault)
    assert str(result.exception) == (
        "Package 'foveal.onnx_graphs.auditing' is not installed. Install it with pip install 'foveal[audit]'."
    )


def test_where_there_is_no_way_back_the_cost_of_asking_is_said(run, tmp_path):
    model = onnx.load(tmp_path / "net.onnx")
    (relu,) = (node for node in model.graph.node if node.output[0] == "/nodes/nodes.3/HardSwish_output_0")
    given, relu.input[0] = relu.input[0], "shrunk"
    place = list(model.graph.node).index(relu)
    model.graph.node.insert(
        place, helper.make_node("Shrink", [given], ["shrunk"], name="shrink", lambd=0.0, bias=0.0)
    )
    save(model, tmp_path / "net.onnx")
    result = run()
    words = str(result.exception)
    assert words.startswith(
        "There is no way back through node 'shrink' (Shrink): this operator has no rule. Name a layer behind "
        "it with --layer, or explain the model by perturbation (rise), which needs no gradient: foveal "
        "explain net.onnx SAMPLE --method rise asks it 2,000 times a sample, about "
    )
    assert re.search(
        r"about [\d.]+ m?s here; foveal collect and foveal audit 64 times, about [\d.]+ m?s\.$", words
    )
    assert not (tmp_path / "audited.onnx").exists()


def test_a_file_that_segments(run, tmp_path):
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(4, 2, 1))
    save(export(net.eval(), sample=(3, 16, 16)), tmp_path / "net.onnx")
    first, second = run().output.splitlines()
    assert first == "audited.onnx: maps 16x16 at /1/Relu_output_0 for 2 classes"
    assert second.startswith("checked: scores bit-identical; ")
    x = np.ones((1, 3, 16, 16), np.float32)
    found = AuditedSession(tmp_path / "audited.onnx").run(x)
    assert (found.output.shape, found.scores.shape, found.scores[0, 0]) == ((1, 2, 16, 16), (1, 2), 0.0)
    (tmp_path / "net.yaml").write_text("model: {segmentation: {background: 1}}")
    report = json.loads(run("--json").output)
    assert (report["background"], report["scores"]) == (1, "foveal_scores")
    assert AuditedSession(tmp_path / "audited.onnx").run(x).scores[0, 1] == 0.0
    (tmp_path / "net.yaml").write_text("model: {segmentation: {background: 2}}")
    assert str(run().exception).startswith("Class 2 is to be the background of 2 classes. ")
