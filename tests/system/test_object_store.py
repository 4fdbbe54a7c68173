"""A library whose pictures lie in an object store: S3's protocol over HTTP, no MLflow server between."""

from __future__ import annotations

import hashlib
import io

import boto3
import numpy as np
import pytest
from botocore.exceptions import NoCredentialsError
from mlflow import MlflowClient
from moto.server import ThreadedMotoServer
from PIL import Image
from ready_stores import ready_store

from foveal.errors import EnvironmentFault
from foveal.library import Library
from foveal.library.connection import Connection
from foveal.library.erasing import erase
from foveal.library.wanted import Wanted
from foveal.records import Entry, Observation, SampleRecord, entry_id
from foveal.servers.ports import free_port
from foveal.shipper import ship
from foveal.spool import Spool


@pytest.fixture(scope="module")
def address():
    """Start an object store, and give its address."""
    port = free_port()
    server = ThreadedMotoServer("127.0.0.1", port, verbose=False)
    server.start()
    yield f"http://127.0.0.1:{port}"
    server.stop()


@pytest.fixture(autouse=True)
def settings(address, tmp_path, monkeypatch):
    """Let MLflow know of the store by its own variables."""
    monkeypatch.setenv("FOVEAL_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", address)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "for-this-test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")


@pytest.fixture
def store(address, request):
    """Make a bucket of its own."""
    client = boto3.client("s3", endpoint_url=address)
    bucket = request.node.name.replace("_", "-")[:60].strip("-")
    client.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    return client, bucket


@pytest.fixture(scope="module")
def uri(tmp_path_factory):
    return ready_store(tmp_path_factory.mktemp("far") / "mlflow.db")


@pytest.fixture
def name(uri, store):
    """Make a library whose artifacts lie in that bucket."""
    name = store[1]
    MlflowClient(uri).create_experiment(f"foveal/{name}", f"s3://{name}/far")
    return name


def crop(name):
    file = io.BytesIO()
    pixels = np.random.default_rng(len(name)).integers(0, 255, (12, 12, 3), np.uint8)
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue() + name.encode()


def observation(name):
    shared = {
        "sample": name,
        "row": 0,
        "source": "production",
        "time": "2026-03-01T12:00:00.000+00:00",
        "predicted": 1,
        "model_sha256": "m" * 64,
        "config_sha256": "c" * 64,
    }
    digest = hashlib.sha256(name.encode()).hexdigest()
    sample = SampleRecord(**shared, scores=(0.5, 1.5), activations={}, sample_sha256=digest, shape=(8, 8, 3))
    entry = Entry(
        **shared,
        id=entry_id(name, 0, "contribution", 0, "m" * 64),
        feature="contribution",
        window=(0, 0, 4, 4),
        activation=1.0,
        share=0.5,
        crop=crop(name),
        map=np.ones((2, 2), np.float32),
        vector=np.ones(3, np.float32),
        method="hirescam",
        layer="layer4",
        threshold=0.0,
    )
    return Observation(sample, (entry,))


def everything_in(store):
    """Give all that the bucket holds, as one."""
    client, bucket = store
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    keys = [item["Key"] for page in pages for item in page.get("Contents", ())]
    return b"".join(client.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys)


def held(library):
    """Give the crops of a library by their samples."""
    entries = library.entries()
    return dict(zip(entries["sample"].to_pylist(), entries["crop"].to_pylist(), strict=True))


def test_what_is_added_is_read_back_and_added_once(store, name, uri):
    library = Library(name, uri)
    first = [observation(f"request-{n}") for n in range(5)]
    assert [library.add(first, "one").entries, library.add(first, "one").entries] == [5, 0]
    library.add([observation("request-9")], "two")
    again = Library(name, uri)
    assert held(again) == {f"request-{n}": crop(f"request-{n}") for n in (0, 1, 2, 3, 4, 9)}
    assert crop("request-3") in everything_in(store)


def test_a_spool_is_shipped_into_it(tmp_path, name, uri):
    with Spool(tmp_path / "spool") as spool:
        for number in range(20):
            spool.append(observation(f"request-{number}"))
    assert ship(tmp_path / "spool", Library(name, uri)).entries == 20
    assert ship(tmp_path / "spool", Library(name, uri)).entries == 0
    assert len(held(Library(name, uri))) == 20


def test_what_is_erased_is_nowhere_in_the_store(store, name, uri):
    library = Library(name, uri)
    library.add([observation(f"request-{n}") for n in range(5)], "one")
    assert crop("request-3") in everything_in(store)
    erase(library, Wanted("request-id", "request-3"))
    assert set(held(Library(name, uri))) == {f"request-{n}" for n in (0, 1, 2, 4)}
    assert crop("request-3") not in everything_in(store)
    assert crop("request-2") in everything_in(store)


def test_a_store_that_is_away_is_named(name, uri, monkeypatch):
    Library(name, uri).add([observation("request-1")], "one")
    away = f"http://127.0.0.1:{free_port()}"
    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", away)
    with pytest.raises(EnvironmentFault) as raised:
        Library(name, uri).add([observation("request-2")], "two")
    assert str(raised.value).startswith(f"The artifact store of MLflow at {uri} does not answer: ")
    assert str(raised.value).endswith(
        ". Start it, or give its address as MLflow wants it (for S3 MLFLOW_S3_ENDPOINT_URL)."
    )


def test_a_store_that_wants_other_credentials_refuses_access(uri):
    with pytest.raises(EnvironmentFault) as raised, Connection(uri).moving():
        raise NoCredentialsError
    assert str(raised.value) == (
        f"The artifact store of MLflow at {uri} refuses access: Unable to locate credentials. "
        "Give its credentials as MLflow wants them (for S3 AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY)."
    )


def test_errors_of_our_own_making_are_not_explained_away(uri):
    with pytest.raises(ZeroDivisionError), Connection(uri).moving():
        raise ZeroDivisionError
