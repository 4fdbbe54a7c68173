from __future__ import annotations

import pytest

from foveal.errors import UsageError
from foveal.servers.configuration import host_and_port, is_loopback, is_on, only_loopback, read_properties


def test_a_file_is_read_as_java_reads_it(tmp_path):
    path = tmp_path / "config.properties"
    path.write_bytes(
        b"# a comment\n! another\na=1\n b : two \nc three\nallowed_urls=https://s3\\\\.x/.*,\\\n  file://.*\n"
        b"name=Z\\u00e4hler\nlatin=\xe4\nempty=\na=2\n"
    )
    assert read_properties(path) == {
        "a": "2",
        "b": "two",
        "c": "three",
        "allowed_urls": "https://s3\\.x/.*,file://.*",
        "name": "Zähler",
        "latin": "ä",
        "empty": "",
    }


def test_files_that_cannot_be_read(tmp_path):
    missing = tmp_path / "none"
    with pytest.raises(UsageError) as caught:
        read_properties(missing)
    assert str(caught.value) == (
        f"The configuration {missing} cannot be read (No such file or directory). "
        "Give a TorchServe's config.properties."
    )
    (tmp_path / "bad").write_text("a=\\u12")
    with pytest.raises(UsageError, match="cannot be read"):
        read_properties(tmp_path / "bad")


@pytest.mark.parametrize(
    ("address", "loopback"),
    [
        ("http://127.0.0.1:8081", True),
        ("https://127.8.9.1", True),
        ("http://localhost:8081", True),
        ("http://[::1]:8081", True),
        ("unix:/tmp/socket", True),
        ("127.0.0.1", True),
        ("::1", False),  # without brackets nobody knows where the port begins
        ("http://0.0.0.0:8081", False),
        ("0.0.0.0", False),
        ("http://[::]:8081", False),
        ("http://10.0.0.7:8081", False),
        ("http://localhost.evil.example:8081", False),
        ("http://127.0.0.1@evil.example", False),
        ("http://:8081", False),
        ("http://[::1:8081", False),
        ("", False),
    ],
)
def test_who_reaches_an_address(address, loopback):
    assert is_loopback(address) is loopback


def test_an_address_taken_apart():
    assert host_and_port("http://h:8080") == ("h", 8080)
    assert host_and_port("h") == ("h", None)
    assert host_and_port("http://h:99999") == ("", None)


def test_all_addresses_together():
    assert only_loopback({})
    assert not only_loopback({"grpc_inference_address": "0.0.0.0"})


def test_switches():
    assert is_on({"a": " TRUE "}, "a")
    assert not is_on({"a": "yes"}, "a")
    assert is_on({}, "a", default=True)
