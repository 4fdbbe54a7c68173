from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
import yaml
from typer.testing import CliRunner

from foveal.archives import load_model
from foveal.archives.entries import KINDS
from foveal.archives.pack import pack as build
from foveal.commands import pack
from foveal.errors import UsageError

EXAMPLE = Path(__file__).parents[3] / "model_store" / "model-config.yaml"
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


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run the command in a folder with a model; errors come out as they are raised."""
    import torch  # noqa: PLC0415
    from torch import nn  # noqa: PLC0415

    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(NETWORK)
    scope = {}
    exec(NETWORK, scope)
    assert isinstance(scope["Net"](), nn.Module)
    torch.save(scope["Net"]().state_dict(), "net.pt")
    app = typer.Typer()
    app.callback()(lambda: None)
    pack.register(app)

    def run(*options):
        command = ["pack", "--model-file", "net.py", "--weights", "net.pt", "-o", "store/net.mar", *options]
        return CliRunner().invoke(app, command, catch_exceptions=True)

    return run


def test_an_archive_is_built_and_reported(run):
    result = run(
        "--size",
        "16",
        "--channels",
        "3",
        "--mean",
        "0.5,0.5,0.5",
        "--std",
        "0.2",
        "--labels",
        "a, b",
        "--json",
    )
    assert result.exit_code == 0
    report = json.loads(result.stdout)
    model = load_model("store/net.mar")
    assert report == {"archive": "store/net.mar", "name": "net", "sha256": model.sha256}
    assert model.labels == ("a", "b")
    assert model.transform.to_mapping() == {"size": [16, 16], "channels": 3, "mean": [0.5] * 3, "std": [0.2]}


def test_the_report_in_words(run):
    result = run("--name", "other")
    assert result.stdout == f"store/net.mar: model other, sha256 {load_model('store/net.mar').sha256}\n"


def test_the_example_configuration_can_be_packed(run):
    result = run("--config", str(EXAMPLE))
    assert result.exit_code == 0, result.exception
    model = load_model("store/net.mar", environ={})
    assert model.transform.size == (224, 224)
    assert model.config.keep.metadata == ("site", "scanner")


def test_the_example_configuration_shows_the_defaults(run, tmp_path):
    from dataclasses import replace  # noqa: PLC0415

    from foveal.archives.pack import SERVING_DEFAULTS  # noqa: PLC0415
    from foveal.config import FovealConfig, Keep  # noqa: PLC0415

    example = yaml.safe_load(EXAMPLE.read_text())
    assert {key: example[key] for key in SERVING_DEFAULTS} == SERVING_DEFAULTS
    read = FovealConfig.from_mapping(example["foveal"], environ={})
    assert read == replace(FovealConfig(), keep=Keep(("site", "scanner")))
    assert example["foveal"].keys() == FovealConfig().to_mapping().keys()


def test_a_kind_that_is_not_built_yet(run):
    result = run("--kind", "image")
    assert str(result.exception) == f"Kind 'image' cannot be packed. Kinds that can: {', '.join(KINDS)}."


@pytest.mark.parametrize(
    ("text", "size"),
    [("96", (96,)), ("64,96", (64, 96)), (" 8 , 9 ", (8, 9)), ("4,5,6", (4, 5, 6)), (None, None)],
)
def test_sizes(text, size):
    assert pack.parse_size(text) == size


@pytest.mark.parametrize("text", ["x", "0", "1,2,3,4", "-4", "1.5", "²"])
def test_what_is_no_size(text):
    with pytest.raises(UsageError) as caught:
        pack.parse_size(text)
    assert str(caught.value) == (
        f"--size {text} is no size. Give one side such as 96, or height and width such as 64,96."
    )


def test_numbers():
    assert pack.parse_numbers("0.5, 1,2e-1", "--mean") == (0.5, 1.0, 0.2)
    assert pack.parse_numbers(None, "--mean") is None
    with pytest.raises(UsageError) as caught:
        pack.parse_numbers("0.5,x", "--mean")
    assert str(caught.value) == (
        "--mean 0.5,x holds something that is no number. Give numbers such as 0.5,0.5,0.5."
    )


def test_labels_in_a_line_a_file_or_torchserves_json(tmp_path):
    (tmp_path / "labels.txt").write_text("round cell\n\nother, odd\n")
    (tmp_path / "names.json").write_text('{"1": "b", "0": ["n01", "a"]}')
    assert pack.parse_labels("a, b") == ("a", "b")
    assert pack.parse_labels(None) == ()
    assert pack.parse_labels(str(tmp_path / "labels.txt")) == ("round cell", "other, odd")
    assert pack.parse_labels(str(tmp_path / "names.json")) == ("a", "b")


@pytest.mark.parametrize("text", ["[1]", "{", '{"x": "a"}'])
def test_json_that_names_nothing(tmp_path, text):
    path = tmp_path / "names.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"is no index_to_name\.json"):
        pack.parse_labels(str(path))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "cannot be read as YAML (while parsing a flow node). Check --config."),
        ("- a", "holds no settings. See model_store/README.md for an example."),
    ],
)
def test_configurations_that_are_none(tmp_path, text, message):
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        pack.read_config(path)
    assert str(caught.value) == f"{path} {message}"


def test_no_configuration_there(tmp_path):
    with pytest.raises(UsageError, match=r"cannot be read as YAML \(.*No such file"):
        pack.read_config(tmp_path / "none.yaml")
    assert pack.read_config(None) == {}


def test_the_command_and_the_function_build_the_same(run):
    run("--size", "16")
    first = Path("store/net.mar").read_bytes()
    build("vision", Path("net.py"), Path("net.pt"), Path("store/again.mar"), name="net", size=(16, 16))
    assert Path("store/again.mar").read_bytes() == first
