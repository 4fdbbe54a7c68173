"""What runs an audited file is light: the serving worker loads it."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from onnx_nets import build, export

from foveal.errors import UsageError
from foveal.onnx_graphs import AuditedSession, Description, audited
from foveal.onnx_graphs.saving import save

HEAVY = ("onnx", "torch", "google.protobuf", "mlflow", "pyarrow", "pandas", "scipy", "pydantic", "captum")


@pytest.fixture
def file(tmp_path):
    made, _ = audited(export(build("Residual")))
    save(made, tmp_path / "net.onnx")
    return tmp_path / "net.onnx"


def test_it_needs_onnxruntime_alone(file):
    program = (
        "import sys, numpy\n"
        "from foveal.onnx_graphs import AuditedSession\n"
        "from pathlib import Path\n"
        "found = AuditedSession(Path(sys.argv[1])).run(numpy.zeros((1, 3, 16, 16), 'float32'))\n"
        "assert found.maps.shape == (1, 3, 4, 4), found.maps.shape\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(file)], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "[]\n"


def test_the_file_tells_what_it_is(file):
    found = AuditedSession(file).description
    assert (found.grid, found.top, found.nodes, found.method) == ((4, 4), 3, "", "gradcam")
    assert (found.input, found.output, found.sample_shape) == ("x", "scores", (3, 16, 16))
    assert Description.of({"foveal": found.to_json()}, "x") == found


def test_a_description_that_lacks_something():
    with pytest.raises(
        UsageError, match=r"^'x.onnx' is no audited ONNX file. Make one with `foveal onnx-audit`.$"
    ):
        Description.of({"foveal": '{"layer": "a"}'}, "x.onnx")


def test_content_does_as_well_as_a_path(file):
    x = np.ones((2, 3, 16, 16), np.float32)
    one, other = AuditedSession(file).run(x), AuditedSession(file.read_bytes()).run(x)
    np.testing.assert_array_equal(one.maps, other.maps)
    assert one.node_maps is None
