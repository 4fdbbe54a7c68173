"""Archives of traces, sounds and volumes: what is written down, and loaded again as it was."""

from __future__ import annotations

from textwrap import dedent
from zipfile import ZipFile

import pytest
import torch
import yaml
from onnx_nets import export
from torch import nn

from foveal.archives import load_model
from foveal.archives.entries import KINDS, SAMPLES
from foveal.archives.pack import pack
from foveal.errors import UsageError
from foveal.onnx_graphs.saving import save
from foveal.samples.kinds import KINDS as SAMPLE_KINDS

NETWORK = """
    from torch import nn


    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv{axes}d(1, 4, 3, padding=1)
            self.fc = nn.Linear(4, 3)

        def forward(self, x):
            return self.fc(self.conv(x).relu().flatten(2).mean(2))
"""


@pytest.fixture
def make(tmp_path):
    def make(kind, axes, **told):
        (tmp_path / "net.py").write_text(dedent(NETWORK.format(axes=axes)))
        conv = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[axes - 1](1, 4, 3)
        parts = {"conv": conv, "fc": nn.Linear(4, 3)}
        state = {f"{at}.{key}": one for at, part in parts.items() for key, one in part.state_dict().items()}
        torch.save(state, tmp_path / "net.pt")
        return pack(kind, tmp_path / "net.py", tmp_path / "net.pt", tmp_path / "net.mar", channels=1, **told)

    return make


def section(archive):
    with ZipFile(archive) as content:
        return yaml.safe_load(content.read("model-config.yaml"))["preprocess"]


@pytest.mark.parametrize(
    ("kind", "axes", "told", "size"),
    [
        ("signal", 1, {"size": (400,), "rate": 100}, [400]),
        ("audio", 1, {"size": (400,), "rate": 8000}, [400]),
        ("volume", 3, {"size": (8,)}, [8, 8, 8]),
        ("volume", 3, {"size": (4, 8, 6)}, [4, 8, 6]),
        ("vision", 2, {"size": (8,)}, [8, 8]),
    ],
)
def test_what_an_archive_holds(make, kind, axes, told, size):
    archive = make(kind, axes, **told)
    written = section(archive)
    assert written["size"] == size
    assert written.get("kind", "image") == SAMPLES[kind]
    model = load_model(str(archive))
    assert model.kind is SAMPLE_KINDS[SAMPLES[kind]]
    assert model.transform.to_mapping() | {"kind": SAMPLES[kind]} == written | {"kind": SAMPLES[kind]}
    assert model.example().shape == (1, 1, *size)
    with ZipFile(archive) as content:
        assert KINDS[kind][1] in content.namelist()


def test_a_spectrogram_network_is_one_of_two_axes(make):
    how = {"preprocess": {"spectrogram": {"window": 32, "hop": 16}}}
    model = load_model(str(make("audio", 2, size=(320,), rate=8000, config=how)))
    assert model.example().shape == (1, 1, 17, 20)


TWO_SIDES = (
    "foveal.window has 2 sides, samples have 1 axis. Give 'auto', one side for all axes, or one per axis."
)
NO_RATE = (
    "A sample of kind 'image' has no rate. Leave --rate out, or name another kind: --kind, or "
    "preprocess: {kind: ..} in --config."
)


@pytest.mark.parametrize(
    ("kind", "axes", "told", "message"),
    [
        ("signal", 1, {"size": (4, 5)}, "preprocess.size is [4, 5]. Give [steps] or null."),
        ("vision", 2, {"rate": 100}, NO_RATE),
        ("signal", 1, {"size": (400,), "config": {"foveal": {"window": [8, 8]}}}, TWO_SIDES),
    ],
)
def test_what_does_not_fit(make, kind, axes, told, message):
    with pytest.raises(UsageError) as caught:
        make(kind, axes, **told)
    assert str(caught.value) == message


def test_a_network_of_other_axes(make):
    with pytest.raises(UsageError) as caught:
        make("signal", 2, size=(64,))
    assert str(caught.value).startswith("net.py does not run on a 1x64 input (")


HEARD = {"spectrogram": {"window": 64, "hop": 32, "mels": 12}}


@pytest.mark.parametrize(
    ("axes", "shape", "told", "size"),
    [
        (2, (1, 12, 10), {"kind": "audio", "size": [320], "rate": 8000, **HEARD}, [320]),
        (2, (1, 12, 11), {"kind": "audio", "rate": 8000, **HEARD}, None),
        (1, (1, 400), {"kind": "signal", "rate": 100}, [400]),
        (3, (1, 6, 8, 10), {"kind": "volume"}, [6, 8, 10]),
    ],
    ids=["spectrogram", "spectrogram of any length", "trace", "volume"],
)
def test_an_onnx_file_states_the_size_of_samples_that_have_its_axes(tmp_path, axes, shape, told, size):
    torch.manual_seed(0)
    conv = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[axes - 1](1, 4, 3, padding=1)
    pool = (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d)[axes - 1](1)
    net = nn.Sequential(conv, nn.ReLU(), pool, nn.Flatten(), nn.Linear(4, 3)).eval()
    save(export(net, sample=shape), tmp_path / "net.onnx")
    made = pack("onnx", None, tmp_path / "net.onnx", tmp_path / "net.mar", config={"preprocess": told})
    assert (section(made)["kind"], section(made)["channels"]) == (told["kind"], 1)
    assert section(made)["size"] == size
