"""A made-up audit and library, in which every text that people or files may choose tries to break out."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager

import numpy as np
import uvicorn

from foveal.records import Entry, Observation, SampleRecord, entry_id
from foveal.samples import encode_png
from foveal_audit.bundle.identity import make_id
from foveal_audit.bundle.schema import (
    Assessment,
    Config,
    Effect,
    Effects,
    EntryRef,
    Environment,
    Findings,
    GapFinding,
    LibraryRef,
    ModelRef,
    Signal,
)  # fmt: skip
from foveal_audit.explorer.app import make_app
from foveal_audit.generators import export_generator, learn_generator
from foveal_audit.units.appearance import resize_crop

#: Breaks out of text, of attributes, of scripts, and of what becomes of it in a script.
HOSTILE = '"\'><img src=x onerror="window.hacked=1"></script><script>window.hacked=1</script>{{7*7}}\u202e'
SVG = (
    b'<svg xmlns="http://www.w3.org/2000/svg" onload="window.hacked=1"><script>window.hacked=1</script></svg>'
)
MODEL = "5f" * 32
FEATURES = ("contribution:1", "fc1:7", f"fc1:{HOSTILE}")
SIDE = 24


def crop(rng, stamped):
    image = rng.integers(40, 120, (SIDE, SIDE, 1), dtype=np.uint8)
    y, x = np.mgrid[:SIDE, :SIDE] - 12
    if stamped:
        image[4:20, 6:9] = image[4:7, 6:18] = 240
    else:
        image[np.hypot(y, x) < 7] = 200
    return image


def observation(number, source, features=FEATURES, metadata=None):
    """One sample with an entry per feature; each tenth crop is a script in disguise."""
    rng = np.random.default_rng(number)
    name = f"{source}/{number:05}.png" if number % 5 else f"{source}/{number:05}{HOSTILE}.png"
    sample = SampleRecord(
        sample=name, row=0, source=source, time=f"2026-03-{1 + number % 28:02}T12:00:00Z",
        predicted=number % 2,
        scores=(0.5, 1.5), activations={"fc1": (0.0, 1.0)}, model_sha256=MODEL, config_sha256="c" * 64,
        sample_sha256=f"{number:064}", shape=(64, 64, 1), label=HOSTILE if number % 3 else "disc",
        metadata={"site": "A" if number % 2 else HOSTILE, HOSTILE: "x"} if metadata is None else metadata,
    )  # fmt: skip
    entries = [
        Entry(
            id=entry_id(name, 0, feature, at, MODEL), feature=feature, sample=name, row=0, source=source,
            window=(8 * at, 8, 8 * at + SIDE, 8 + SIDE), activation=1 + number % 17 + at / 10,
            share=0.5 / (at + 1),
            crop=SVG if at and number % 10 == 9 else encode_png(crop(rng, feature == FEATURES[0])),
            map=rng.normal(0.3, 1, (6, 6)).astype(np.float32), vector=np.empty(0, np.float32),
            predicted=sample.predicted, method=HOSTILE, layer=HOSTILE, threshold=0.5, time=sample.time,
            model_sha256=MODEL, config_sha256="c" * 64, label=sample.label, metadata=sample.metadata,
        )
        for at, feature in enumerate(features)
    ]  # fmt: skip
    return Observation(sample, tuple(entries))


def fill(library, number=40):
    """Put samples of both sources into a library."""
    for source in ("training", "production"):
        library.add([observation(n, source) for n in range(number)], source)


def facet(library, feature, number, verdict, score):
    """Make up what an audit says of one facet."""
    rows = (
        library.query(feature=feature).table(["id", "sample", "window", "activation", "source"]).to_pylist()
    )
    entries = [EntryRef(**{**row, "window": tuple(row["window"])}) for row in rows[::3]]
    effect = Effect(estimate=0.4, low=0.3, high=0.5, controls=0.01, p=0.001, pairs=40)
    return Assessment(
        id=make_id("A", MODEL, feature, number), feature=feature, facet=number,
        n_entries={"training": 40, "production": 40}, reliance=0.8, irrelevance=0.9, artefact_score=score,
        q_value=0.01, verdict=verdict, effects=Effects(removal=effect, paste=effect), entries=entries,
        signals={"position_lock": Signal(value=0.9, p=0.001), f"metadata:{HOSTILE}": Signal(value=0.2)},
        classes={HOSTILE: 0.7, "disc": 0.3}, reasons=[f"It lies in one place. {HOSTILE}"],
        counter_evidence=[HOSTILE],
    )  # fmt: skip


def findings(library, change="suspected"):
    """Make up what an audit of the library found."""
    gap = GapFinding(
        id=make_id("G", MODEL, "uncovered_group", 1), gap="uncovered_group", verdict="suspected",
        statement=f"A group that training lacks. {HOSTILE}", share_of_production=0.2, action="acquire",
        samples=["production/00001.png", f"production/00005{HOSTILE}.png"],
        nearest_training=["training/00001.png"],
        explained_by={HOSTILE: HOSTILE}, p_value=0.01, reasons=[HOSTILE],
    )  # fmt: skip
    facets = [
        facet(library, FEATURES[0], 0, "confirmed", 0.95),
        facet(library, FEATURES[1], 0, change, 0.6),
        facet(library, FEATURES[2], 0, "genuine", 0.1),
    ]
    return Findings.of(
        facets, [gap], seed=0, not_examined=[HOSTILE],
        model=ModelRef(name=f"model {HOSTILE}", sha256=MODEL, labels=[HOSTILE, "disc"], uri="nowhere.mar"),
        library=LibraryRef(name=library.name, run_id=library.run_id, uri=library.uri),
        config=Config(sha256="0" * 64), environment=Environment(sha256="0" * 64),
    )  # fmt: skip


def generator(library):
    pixels = [resize_crop(crop(np.random.default_rng(n), True)) for n in range(40)]
    learned = learn_generator(np.stack(pixels), kind="pca-gmm", seed=0)

    def write(folder):
        return export_generator(learned.generator, folder, learned.card, seed=0, crops=learned.crops,
                                originals=learned.originals, guard=learned.guard)  # fmt: skip

    return write


@contextmanager
def served(exhibits, guard):
    """Serve on a free port as the command does; gives the address."""
    listener = socket.socket(proto=socket.IPPROTO_TCP)  # else TCP_NODELAY is off, and answers wait 40 ms
    listener.bind(("127.0.0.1", 0))
    app = make_app(exhibits, guard)
    config = uvicorn.Config(app, log_level="warning", lifespan="off", timeout_graceful_shutdown=5)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
