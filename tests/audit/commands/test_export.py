"""foveal export."""

import json

import pytest
import typer
from typer.testing import CliRunner

from foveal.errors import EnvironmentFault, UsageError
from foveal_audit.bundle.writing import write_bundle
from foveal_audit.commands import export, verify


@pytest.fixture
def run():
    app = typer.Typer()
    export.register(app)
    verify.register(app)
    return lambda *words: CliRunner().invoke(app, list(map(str, words)))


@pytest.fixture
def bundle(result, tmp_path):
    return write_bundle(result, tmp_path / "bundle", documents={})


def test_a_file_is_written_and_is_what_is_printed_otherwise(run, bundle, tmp_path):
    out = tmp_path / "findings.sarif"
    assert run("export", bundle, "--format", "sarif", "-o", out).exit_code == 0
    assert json.loads(out.read_text())["version"] == "2.1.0"
    assert run("export", bundle, "--format", "sarif").output == out.read_text()


def test_a_format_that_does_not_exist(run, bundle):
    error = run("export", bundle, "--format", "pdf").exception
    assert isinstance(error, UsageError)
    assert str(error).startswith("There is no format 'pdf'. ")


def test_a_folder_that_does_not_exist(run, bundle, tmp_path):
    out = tmp_path / "nowhere" / "x.json"
    error = run("export", bundle, "--format", "in-toto", "-o", out).exception
    assert isinstance(error, EnvironmentFault)
    why = "No such file or directory"
    assert str(error) == f"cannot write {out}: {why}. Give a file in a folder that exists."


def test_the_bundle_itself_stays_as_it_is(run, bundle):
    error = run("export", bundle, "--format", "sarif", "-o", bundle / "x.sarif").exception
    assert isinstance(error, UsageError)
    assert not (bundle / "x.sarif").exists()


def test_what_is_no_bundle(run, tmp_path):
    error = run("export", tmp_path, "--format", "sarif").exception
    fault = f"{tmp_path} is not a bundle: it holds no manifest.json"
    assert str(error) == f"{fault}. Give the folder that `foveal audit -o` wrote."
