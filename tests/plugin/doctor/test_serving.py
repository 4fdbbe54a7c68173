from __future__ import annotations

import socket

import pytest

from foveal.doctor.checks import CHECKS
from foveal.monitoring.workers import as_yaml, declared
from foveal.servers import free_port
from foveal.servers.dangers import DANGERS
from foveal.servers.ports import free_ports

RECOMMENDED = [
    "inference_address=http://127.0.0.1:8080",
    "management_address=http://127.0.0.1:8081",
    "metrics_address=http://127.0.0.1:8082",
    "disable_token_authorization=false",
    "enable_model_api=false",
    r"allowed_urls=file:///models/.*",
    "metrics_mode=prometheus",
]
NAMES = [danger.name for danger in DANGERS]

#: A line in an otherwise safe file, and the check that must fail.
FIXTURES = {
    "management_address=http://0.0.0.0:8081": "management-address",
    "grpc_management_address=0.0.0.0": "management-address",
    "metrics_address=http://0.0.0.0:8082": "metrics-address",
    "disable_token_authorization=true": "no-tokens",
    "enable_model_api=true": "model-api",
    "allowed_urls=file://.*|http(s)?://.*": "open-urls",
    "model_metrics_auto_detect=true": "auto-metrics",
    "install_py_dep_per_model=true": "model-dependencies",
    "limit_max_image_pixels=false": "unlimited-images",
    "enable_envvars_config=true": "environment-settings",
}


@pytest.mark.parametrize("lines", [RECOMMENDED, []])
def test_safe_files_pass(verdicts, configured, lines):
    found = verdicts(*NAMES, **configured(*lines))
    assert {status for status, *_ in found} == {"ok"}


@pytest.mark.parametrize(("line", "name"), FIXTURES.items())
def test_one_unsafe_line_fails_one_check(verdicts, configured, line, name):
    surroundings = configured(*RECOMMENDED, line)
    failed = [
        each for each in NAMES if "failure" in {status for status, *_ in verdicts(each, **surroundings)}
    ]
    assert failed == [name]
    ((_, what, paste),) = verdicts(name, **surroundings)
    assert what == f"{line} in {surroundings['config']}"
    mended = verdicts(name, **configured(*RECOMMENDED, line, paste))
    assert [status for status, *_ in mended] == ["ok"]
    allowed = verdicts(name, **surroundings, allowed=frozenset([name]))
    assert allowed == [("ok", f"{line} is allowed", "")]


def test_without_a_file_nothing_of_it_is_judged(verdicts):
    names = [*NAMES, "ports", "tokens-in-clear", "metrics-file", "metrics-mode"]
    assert set(names) < set(CHECKS)
    assert set(verdicts(*names)) == {
        (
            "skipped",
            "No config.properties is given; foveal serve makes a safe one itself",
            "foveal doctor --config config.properties",
        )
    }


@pytest.fixture
def on_free_ports(configured):
    """A file with free ports, but for the lines that are given."""

    def make(*lines):
        one, two, three, four, five = free_ports(5)
        return configured(
            f"inference_address=http://127.0.0.1:{one}",
            f"management_address=http://127.0.0.1:{two}",
            f"metrics_address=http://127.0.0.1:{three}",
            f"grpc_inference_port={four}",
            f"grpc_management_port={five}",
            *lines,
        )

    return make


def test_free_and_taken_ports(verdicts, on_free_ports):
    ((status, what, _),) = verdicts("ports", **on_free_ports())
    assert (status, what[:5]) == ("ok", "Free:")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert verdicts("ports", **on_free_ports(f"grpc_inference_port={port}")) == [
            (
                "failure",
                f"Another program listens at port {port}, meant for grpc_inference_port",
                f"grpc_inference_port={port + 10000}",
            )
        ]


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ((200, {}, b'{"status": "Healthy"}'), "ok"),
        ((400, {}, b'{"code": 400, "type": "InvalidKeyException", "message": "Token ..."}'), "ok"),
        ((404, {}, b"some other server"), "failure"),
    ],
)
def test_a_torchserve_that_runs_already(verdicts, on_free_ports, server, answer, status):
    url, _ = server({"/ping": answer})
    ((found, *_),) = verdicts("ports", **on_free_ports(f"inference_address={url}"))
    assert found == status


def test_plain_http_for_others(verdicts, configured):
    assert verdicts("tokens-in-clear", **configured("inference_address=https://0.0.0.0:8443"))[0][0] == "ok"
    assert verdicts("tokens-in-clear", **configured("inference_address=http://0.0.0.0:8080")) == [
        (
            "warning",
            "inference_address=http://0.0.0.0:8080 answers other machines over plain HTTP",
            "inference_address=http://127.0.0.1:8080",
        )
    ]


def test_metrics_that_are_not_declared(verdicts, configured, tmp_path):
    path = tmp_path / "metrics.yaml"
    path.write_text(as_yaml({"counter": declared()["counter"]}))
    ((status, what, paste),) = verdicts("metrics-file", **configured(f"metrics_config={path}"))
    assert (status, what) == ("warning", f"{path} does not declare foveal_attribution_seconds")
    assert paste == as_yaml({"histogram": declared()["histogram"]})
    path.write_text(as_yaml(declared()))
    assert verdicts("metrics-file", **configured(f"metrics_config={path}")) == [
        ("ok", f"{path} declares all metrics", "")
    ]


def test_torchserves_own_metrics_file_and_one_that_is_none(verdicts, configured, tmp_path):
    ((status, what, _),) = verdicts("metrics-file", **configured())
    assert status == "warning"
    assert "ts/configs/metrics.yaml does not declare foveal_crops_spooled_total" in what
    ((status, *_),) = verdicts("metrics-file", **configured(f"metrics_config={tmp_path}/none"))
    assert status == "failure"


def test_the_mode_of_metrics(verdicts, configured):
    assert verdicts("metrics-mode", **configured()) == [
        ("warning", "metrics_mode is 'log'", "metrics_mode=prometheus")
    ]
    assert verdicts("metrics-mode", **configured("metrics_mode=prometheus"))[0][0] == "ok"


def test_threads(verdicts):
    assert verdicts("threads", environ={"OMP_NUM_THREADS": "2"}) == [("ok", "OMP_NUM_THREADS=2", "")]
    for environ in ({}, {"OMP_NUM_THREADS": "many"}):
        assert verdicts("threads", environ=environ) == [
            ("warning", "OMP_NUM_THREADS is not set", "export OMP_NUM_THREADS=1")
        ]


def test_a_free_port_is_free():
    assert free_port() > 0
