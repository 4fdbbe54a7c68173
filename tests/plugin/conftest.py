"""Records to write down, and places to write them to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from ready_stores import ready_store

from foveal.records import SOURCES, Entry, Observation, SampleRecord, entry_id

settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

_TEXT = st.text(max_size=12)
_FLOAT32 = st.floats(width=32, allow_nan=False)
_METADATA = st.dictionaries(_TEXT, _TEXT | _TEXT.map(lambda text: text * 5000), max_size=3)
_LABEL = st.none() | _TEXT
_STEP = st.floats(0, 1e9)
_SHA = st.text("0123456789abcdef", min_size=8, max_size=8)
_GRID = hnp.arrays(
    np.float32, hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4), elements=_FLOAT32
)
_VECTOR = hnp.arrays(np.float32, st.integers(0, 5), elements=_FLOAT32)


@st.composite
def _observations(draw: st.DrawFn) -> Observation:
    """Any observation at all: odd names, empty vectors, 1-D to 3-D maps, long metadata."""
    shared = {
        "sample": draw(_TEXT),
        "row": draw(st.integers(0, 2**31 - 1)),
        "source": draw(st.sampled_from(SOURCES)),
        "time": draw(_TEXT),
        "predicted": draw(st.integers(0, 2**31 - 1)),
        "model_sha256": draw(_SHA),
        "config_sha256": draw(_SHA),
    }
    sample = SampleRecord(
        **shared,
        scores=tuple(draw(st.lists(_FLOAT32, max_size=4))),
        activations=draw(st.dictionaries(_TEXT, st.lists(_FLOAT32, max_size=4).map(tuple), max_size=3)),
        sample_sha256=draw(_SHA),
        shape=tuple(draw(st.lists(st.integers(0, 2**31 - 1), max_size=4))),
        label=draw(_LABEL),
        origin=draw(_LABEL),
        metadata=draw(_METADATA),
        spacing=draw(st.none() | st.lists(_STEP, min_size=1, max_size=3).map(tuple)),
    )
    entries = [
        Entry(
            id=f"{number}{draw(_SHA)}",
            feature=draw(_TEXT),
            window=tuple(draw(st.lists(st.integers(0, 2**31 - 1), max_size=6))),
            activation=draw(st.floats(allow_nan=False)),
            share=draw(st.floats(0, 1)),
            crop=draw(st.binary(max_size=40)),
            map=draw(_GRID),
            vector=draw(_VECTOR),
            method=draw(_TEXT),
            layer=draw(_TEXT),
            threshold=draw(st.floats(allow_nan=False)),
            label=draw(st.just(sample.label) | _LABEL),
            metadata=draw(st.just(sample.metadata) | _METADATA),
            band=draw(st.none() | st.tuples(_STEP, _STEP)),
            **shared,
        )
        for number in range(draw(st.integers(0, 3)))
    ]
    return Observation(sample, tuple(entries))


st.register_type_strategy(Observation, _observations())


def _entry(sample: SampleRecord, feature: str, number: int) -> Entry:
    rng = np.random.default_rng([number, sample.row])
    channels = 5 if feature == "contribution" else 0
    return Entry(
        id=entry_id(f"{sample.source}{sample.sample}", sample.row, feature, number, sample.model_sha256),
        feature=feature,
        sample=sample.sample,
        row=sample.row,
        source=sample.source,
        window=(number, 2, number + 16, 18),
        activation=number + 0.5,
        share=0.25,
        crop=b"\x89PNG" + rng.bytes(60),
        map=rng.normal(size=(3, 4)).astype(np.float32),
        vector=rng.normal(size=channels).astype(np.float32),
        predicted=sample.predicted,
        method="gradcam",
        layer="layer4",
        threshold=0.125,
        time=sample.time,
        model_sha256=sample.model_sha256,
        config_sha256=sample.config_sha256,
        label=sample.label,
        metadata=sample.metadata,
    )


@pytest.fixture(scope="session")
def observe() -> Callable[..., Observation]:
    """Make an observation of a sample, with one entry per named feature."""

    def make(
        name: str = "a.png", features: tuple[str, ...] = ("fc1:7", "contribution"), **fields
    ) -> Observation:
        known = {
            "row": 0,
            "source": "production",
            "time": "2026-03-01T12:00:00Z",
            "predicted": 1,
            "scores": (0.5, 1.5),
            "activations": {"fc1": (0.0, 2.0, 4.0)},
            "model_sha256": "m" * 64,
            "config_sha256": "c" * 64,
            "sample_sha256": "s" * 64,
            "shape": (64, 48, 3),
            "label": "nodule",
            "metadata": {"site": "Süd"},
        }
        sample = SampleRecord(sample=name, **{**known, **fields})
        return Observation(sample, tuple(_entry(sample, feature, n) for n, feature in enumerate(features)))

    return make


@pytest.fixture(scope="session")
def alike() -> Callable[[Observation, Observation], bool]:
    """Compare observations field by field, arrays with their shapes and types."""

    def plain(record: object) -> dict[str, object]:
        return {key: _comparable(value) for key, value in vars(record).items()}

    def same(one: Observation, other: Observation) -> bool:
        ours, theirs = ([plain(r) for r in (o.sample, *o.entries)] for o in (one, other))
        return ours == theirs

    return same


def _comparable(value: object) -> object:
    if isinstance(value, np.ndarray):
        return (value.shape, value.dtype.str, value.tobytes())
    return value


@pytest.fixture(scope="session")
def tracking_uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One MLflow store without a server; making its tables takes a second, so that tests share it."""
    return ready_store(tmp_path_factory.mktemp("mlflow") / "mlflow.db")


@pytest.fixture
def spool_folder(tmp_path: Path) -> Path:
    """One model's spool folder, not made yet."""
    return tmp_path / "spool" / "nodules"
