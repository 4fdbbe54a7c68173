"""The benchmark of attribution runs, and what it times gives captum's maps; its times are not judged here."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "attribution_cost.py"
PEERS = ("torchvision", "pytorch_grad_cam", "torchcam")
COLUMNS = (
    "network | batch | plain ms | ours | ours 16 | captum | captum 16 | grad-cam | torch-cam"
    " | memory | memory 16 | differs"
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        any(importlib.util.find_spec(peer) is None for peer in PEERS),
        reason="Install the peers: pip install --no-deps -r tests/benchmarks/requirements.txt",
    ),
]


def run(*words):
    command = [sys.executable, SCRIPT, "--quick", *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def measured():
    return json.loads(run("--json"))


def test_every_column_of_the_table():
    header, rule, first, *_ = run("--networks", "resnet18", "--rounds", "1").splitlines()
    assert header == f"| {COLUMNS} |"
    assert rule.count("---") == first.count(" | ") + 1 == COLUMNS.count("|") + 1
    assert first.startswith("| resnet18 | 1 |")


def test_our_maps_are_captums(measured):
    assert [row["network"] for row in measured["rows"]] == ["resnet18", "mobilenet_v3_large"]
    assert all(row["differs"] <= 1e-5 for row in measured["rows"])


def test_the_maps_take_no_memory_beyond_the_prediction(measured):
    assert all(row["memory"] <= 1.1 for row in measured["rows"])


def test_only_ours_works_whatever_the_caller_does(measured):
    failed = {line.partition(" fails with ")[0] for line in measured["failures"]}
    assert not {"plain", "ours", "ours 16"} & failed
    assert {"grad-cam", "torch-cam"} <= failed
