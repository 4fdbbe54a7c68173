from __future__ import annotations

import socket

import pytest

from foveal.errors import EnvironmentFault
from foveal.servers import Ports, free_port, require_free
from foveal.servers.ports import free_ports


@pytest.fixture
def taken():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def test_free_ports_are_different_and_can_be_listened_on():
    ports = free_ports(20)
    assert len(set(ports)) == 20
    for port in ports:
        with socket.socket() as server:
            server.bind(("127.0.0.1", port))


def test_a_free_port_is_given_back():
    port = free_port()
    assert require_free(port, "--inference-port") == port


def test_a_taken_port_is_named(taken):
    with pytest.raises(EnvironmentFault) as caught:
        require_free(taken, "--inference-port")
    assert str(caught.value) == (
        f"Port {taken} cannot be used (Address already in use). "
        "Stop what listens there, or give another --inference-port; leave it out for any free one."
    )


def test_a_number_that_is_no_port():
    with pytest.raises(EnvironmentFault, match=r"Port 70000 cannot be used \(no port has that number\)"):
        require_free(70000, "--inference-port")


def test_ports_are_filled_in():
    wanted = free_port()
    chosen = Ports(inference=wanted).chosen()
    assert chosen["inference"] == wanted
    assert list(chosen) == [
        "inference",
        "management",
        "metrics",
        "grpc_inference",
        "grpc_management",
        "worker",
    ]
    assert len(set(chosen.values())) == 6


def test_a_taken_port_is_named_by_its_option(taken):
    with pytest.raises(EnvironmentFault, match="give another --grpc-inference-port"):
        Ports(grpc_inference=taken).chosen()
