"""Cut networks run on onnxruntime alone; the bytes that ask for more tensors are protobuf's own."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import GraphProto, ModelProto, ValueInfoProto
from onnx_nets import build, export

from foveal.errors import UsageError
from foveal.onnx_graphs.carried import CARRIED, Carried, carry
from foveal.onnx_graphs.chaining import Chain, asking
from foveal.onnx_graphs.cutting import Cutter
from foveal.onnx_graphs.saving import save

LAYER, NODES = "trunk_trunk_3_Relu_1", "nodes_nodes_2_Gemm"


@pytest.fixture(scope="module")
def model():
    return export(build("Residual"))


@pytest.fixture(scope="module")
def cutter(model):
    return Cutter(model)


@given(st.lists(st.text(max_size=300)))
def test_what_asks_for_tensors_is_what_protobuf_writes(names):
    outputs = [ValueInfoProto(name=name) for name in names]
    assert asking(names) == ModelProto(graph=GraphProto(output=outputs)).SerializeToString()


def test_asked_tensors_come_with_the_scores(model, cutter):
    chain = Chain(model.SerializeToString(), cutter.parts, cutter)
    x = np.random.default_rng(0).standard_normal((3, 3, 16, 16)).astype(np.float32)
    found = chain.values(x, [LAYER, NODES, "scores"])
    assert found[LAYER].shape == (3, 12, 4, 4)
    assert np.array_equal(found["scores"], chain.predict(x))
    assert np.allclose(chain.resume(LAYER, found[LAYER], NODES), found[NODES], atol=1e-6)
    assert np.allclose(chain.resume(None, x, LAYER), found[LAYER], atol=1e-6)


def test_gradients_against_differences(model, cutter):
    chain = Chain(model.SerializeToString(), cutter.parts, cutter)
    rng = np.random.default_rng(1)
    value = rng.standard_normal((2, 20)).astype(np.float32)
    rows = rng.standard_normal((3, 2, 5)).astype(np.float32)
    ours = chain.pull(NODES, value, "scores", rows)
    assert ours.shape == (3, 2, 20)
    for column in range(20):
        step = np.zeros_like(value)
        step[:, column] = 1e-2
        ahead, behind = (chain.resume(NODES, value + way * step, "scores") for way in (1, -1))
        truth = (rows * (ahead - behind) / 2e-2).sum(-1)
        assert np.allclose(ours[:, :, column], truth, atol=2e-3)


def test_what_is_carried_comes_back(cutter, tmp_path):
    carried = carry(cutter, [NODES, LAYER], {"layer": LAYER}, "ab")
    assert [one.name for one in carried.parts] == [LAYER, NODES, "scores"]
    assert carried.to_bytes() == carry(cutter, [LAYER, NODES], {"layer": LAYER}, "ab").to_bytes()
    (tmp_path / CARRIED).write_bytes(carried.to_bytes())
    assert Carried.read(tmp_path / CARRIED) == carried
    with pytest.raises(UsageError) as caught:
        carried.back("elsewhere", "scores")
    assert str(caught.value) == (
        "The archive carries no way from 'scores' back to 'elsewhere'. Pack it again, or choose a layer that "
        "it was packed for."
    )
    with pytest.raises(UsageError) as caught:
        carried.forth("there", ("scores",))
    assert str(caught.value) == (
        "The archive carries no way from 'there' on to 'scores'. Ask the model itself, at the desk."
    )


@pytest.mark.parametrize("damage", [b"", b"no zip", None])
def test_damage_is_told(tmp_path, damage):
    if damage is not None:
        (tmp_path / CARRIED).write_bytes(damage)
    with pytest.raises(UsageError) as caught:
        Carried.read(tmp_path / CARRIED)
    assert str(caught.value) == (
        "The archive's foveal_parts.zip is missing or damaged. Pack the archive again."
    )


@given(st.integers(0, 10**6), st.integers(1, 255))
def test_whatever_byte_is_wrong_it_is_one_error_or_none(damaged, place, change):
    path, content = damaged
    broken = bytearray(content)
    broken[place % len(broken)] ^= change
    path.write_bytes(broken)
    try:
        Carried.read(path)
    except UsageError as error:
        assert error.fault == "The archive's foveal_parts.zip is missing or damaged"  # noqa: PT017


@pytest.fixture(scope="module")
def damaged(cutter, tmp_path_factory):
    content = carry(cutter, [NODES], {}, "ab").to_bytes()
    return tmp_path_factory.mktemp("damaged") / CARRIED, content


def test_a_file_that_does_not_open_is_named(cutter, tmp_path):
    (tmp_path / "net.onnx").write_bytes(b"no model")
    with pytest.raises(UsageError) as caught:
        Chain(tmp_path / "net.onnx", cutter.parts, cutter)
    assert str(caught.value).startswith(f"onnxruntime does not open '{tmp_path}/net.onnx' (")
    assert str(caught.value).endswith("). Export the network again.")


def test_the_worker_needs_no_package_onnx(model, cutter, tmp_path):
    save(model, tmp_path / "net.onnx")
    sha256 = hashlib.sha256((tmp_path / "net.onnx").read_bytes()).hexdigest()
    carried = carry(cutter, [NODES, LAYER], {"layer": LAYER, "nodes": NODES}, sha256)
    (tmp_path / CARRIED).write_bytes(carried.to_bytes())
    program = (
        "import sys, torch\n"
        "from pathlib import Path\n"
        "from foveal.facades.carried_files import open_carried\n"
        "from foveal.config import FovealConfig\n"
        "from foveal.observer import Observer\n"
        "net = open_carried(Path(sys.argv[1]))\n"
        "x = torch.ones(2, 3, 16, 16)\n"
        "observer = Observer(net, None, FovealConfig(), '0' * 64, x)\n"
        "forward = observer.forward(x)\n"
        "assert torch.equal(forward.output, net(x))\n"
        f"assert (observer.layer, observer.node_layers) == ({LAYER!r}, [{NODES!r}]), observer.layer\n"
        "heavy = ('onnx', 'google.protobuf', 'mlflow', 'pyarrow', 'captum', 'pandas', 'scipy', 'pydantic')\n"
        "print([name for name in heavy if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "net.onnx")],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (done.stdout, done.returncode) == ("[]\n", 0), done.stderr
