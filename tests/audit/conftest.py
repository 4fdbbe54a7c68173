"""A made-up audit, drawn with numpy: nodules, a marker burnt in at one site, calcified nodules unseen."""

from __future__ import annotations

from datetime import datetime, timezone

import numpy as np
import planted
import pytest
from ready_stores import ready_store

from foveal.collecting import collect
from foveal.library import Library
from foveal.library.connection import quiet
from foveal_audit.bundle.coverage import CoverageRow
from foveal_audit.bundle.evidence import AuditResult, FacetEvidence, GapEvidence
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
    NodeRow,
    Signal,
)

MODEL = "5f" * 32
SIDE = 32
LETTER = ["11110", "10001", "10001", "11110", "10100", "10010", "10001"]


def tissue(rng):
    """Draw soft texture, 0 to 1, (32, 32)."""
    field = np.zeros((SIDE, SIDE))
    for cells in (4, 8, 16, 32):
        coarse = rng.normal(size=(cells, cells))
        field += np.kron(coarse, np.ones((SIDE // cells, SIDE // cells))) * (3 / cells)
    return np.clip(0.28 + 0.09 * field, 0, 1)


def nodule(rng, spikes=0, calcified=False):
    """Draw a bright disc, with spikes or a calcified core."""
    y, x = np.mgrid[:SIDE, :SIDE] - np.array([16, 16])[:, None, None] - rng.normal(0, 1.2, (2, 1, 1))
    radius, angle = np.hypot(y, x), np.arctan2(y, x)
    edge = rng.uniform(6, 8) + (
        3.2 * np.maximum(0, np.cos(spikes * angle + rng.uniform(0, 6))) ** 3 if spikes else 0
    )
    image = tissue(rng) + 0.42 / (1 + np.exp((radius - edge) / 0.7))
    return image + (0.5 * (radius < 3) if calcified else 0)


def marker(rng):
    """Draw a burnt-in R above a ruler."""
    image = tissue(rng)
    top, left = 6 + rng.integers(0, 2), 12 + rng.integers(0, 2)
    letter = np.kron(np.array([[int(c) for c in row] for row in LETTER]), np.ones((2, 2)))
    image[top : top + 14, left : left + 10][letter > 0] = 0.95
    image[24, 4:29] = 0.9
    image[21:25, 4:29:4] = 0.9
    return image


def blob(rng, centre, spread):
    """Draw a raw map on the layer's grid, (8, 8), with a negative side."""
    y, x = np.mgrid[:8, :8] - np.array(centre)[:, None, None]
    return (np.exp(-(y**2 + x**2) / spread) - 0.15 + rng.normal(0, 0.03, (8, 8))).astype(np.float32)


def pixels(image):
    return (np.clip(image, 0, 1) * 255).round().astype(np.uint8)[..., None]


def entry(rng, i, corner, source="training", where="site_b"):
    y, x = corner
    box = (int(y), int(x), int(y) + SIDE, int(x) + SIDE)
    name = f"{where}/{i:05d}.png"
    return EntryRef(sample=name, window=box, activation=rng.uniform(2, 6), source=source, id=f"{i:024x}")


def facet_fields(feature, facet, **fields):
    base = {
        "id": make_id("A", MODEL, feature, facet),
        "feature": feature,
        "facet": facet,
        "n_entries": {"training": 240, "production": 91},
        "reliance": 0.5,
        "irrelevance": 0.1,
        "artefact_score": 0.1,
        "q_value": 0.4,
        "verdict": "genuine",
    }
    return base | fields


def marker_facet(rng):
    entries = [entry(rng, 17 * i, (rng.integers(0, 3), 62 + rng.integers(0, 3))) for i in range(120)]
    removal = Effect(estimate=0.42, low=0.35, high=0.49, controls=0.01, p=0.001, pairs=96)
    paste = Effect(estimate=0.31, low=0.22, high=0.4, controls=0.02, p=0.001, pairs=96)
    mediation = Effect(estimate=0.71, low=0.58, high=0.83, p=0.001, pairs=96)
    return Assessment(
        **facet_fields(
            "contribution:12",
            0,
            n_entries={"training": 331, "production": 104},
            reliance=0.87,
            irrelevance=0.94,
            artefact_score=0.9,
            q_value=0.0004,
            verdict="suspected",
            entries=entries,
            effects=Effects(removal=removal, paste=paste, mediation=mediation),
            signals={
                "position_lock": Signal(value=0.97, p=0.001),
                "stamp_likeness": Signal(value=0.81, p=0.001),
                "conditional_association:site": Signal(value=0.63, p=0.002),
                "recognised_without": Signal(value=0.92),
            },
            classes={"spiculated": 0.91, "lobulated": 0.06, "smooth": 0.03},
            reasons=[
                "Removing it takes 0.42 off the probability of “spiculated”, another piece as large 0.01.",
                "97% of its windows lie in the top right corner, whatever the sample shows.",
                "Its crops from different patients are near-copies of each other, as a stamp would be.",
                "It occurs at site B (98% of its entries) and keeps to that site within every class.",
            ],
            counter_evidence=[
                "6% of its entries are answered “lobulated”.",
                "No object mask was given: if it lies outside the nodule was not tested.",
            ],
        )
    )


def nodule_facet(rng):
    entries = [entry(rng, i, rng.integers(0, 64, 2), where="site_a") for i in range(80)]
    effect = Effect(estimate=0.61, low=0.55, high=0.68, controls=0.03, p=0.001, pairs=96)
    return Assessment(
        **facet_fields(
            "contribution:3",
            0,
            n_entries={"training": 219, "production": 60},
            reliance=0.95,
            irrelevance=0.08,
            artefact_score=0.07,
            q_value=0.71,
            entries=entries,
            effects=Effects(removal=effect),
            classes={"spiculated": 0.97, "lobulated": 0.03},
            reasons=["Nothing sets its position, look or site apart from the class it stands for."],
        )
    )


def gap_finding():
    samples = [f"request-{i:04x}" for i in range(0, 61 * 37, 37)]
    return GapFinding(
        id=make_id("G", MODEL, "uncovered_group", 0),
        gap="uncovered_group",
        verdict="suspected",
        statement="61 production samples (12%) show nodules with a bright core; none in training has one.",
        share_of_production=0.122,
        samples=samples,
        nearest_training=[f"site_a/{i:05d}.png" for i in (4, 31, 87)],
        explained_by={"scanner": "Aquila 2", "association (Cramér's V)": 0.31},
        action="acquire",
        feature="contribution:7",
        p_value=0.002,
        reasons=[
            "Their distance to the nearest training crop is larger than for 99% of held-out training crops."
        ],
        counter_evidence=["The model answers “smooth” for 44 of the 61, which an expert may find right."],
    )


def crops_of(rng, draw, n, **how):
    return [pixels(draw(rng, **how)) for _ in range(n)]


def facet_evidence(rng, assessment, draw, centre, n=12, **how):
    return FacetEvidence(
        assessment=assessment,
        crops=crops_of(rng, draw, n, **how),
        maps=[blob(rng, centre, 5) for _ in range(n)],
        refs=assessment.entries[:n],
        generated=crops_of(rng, draw, 8, **how),
        nearest=crops_of(rng, draw, 8, **how),
        card={
            "coverage": 0.74,
            "density": 1.02,
            "c2st": 0.55,
            "n": 331,
            "activation": {"real": 0.62, "generated": 0.59},
        },
        generator_dir=f"generators/{assessment.feature}",
    )


def plain_facets():
    rest = [("undecidable", 0.3, 0.5, 0.35), ("not_relied_on", 0.01, 0.6, 0.02), ("genuine", 0.7, 0.2, 0.15)]
    return [
        Assessment(
            **facet_fields(
                f"contribution:{14 + i}",
                i % 2,
                verdict=verdict,
                reliance=a,
                irrelevance=b,
                artefact_score=c,
                q_value=None if i == 1 else 0.2,
                classes={"smooth": 0.6, "none": 0.4},
                reasons=["41 of 240 entries come from one site; too few to tell site from class."],
            )
        )
        for i, (verdict, a, b, c) in enumerate(rest)
    ]


def node_rows(rng):
    return [
        NodeRow(
            feature=f"fc1:{i}",
            n_entries=0 if i in (2, 5) else int(rng.integers(300, 576)),
            share=0 if i in (2, 5) else 0.1,
            threshold=None if i in (2, 5) else rng.uniform(0.5, 3),
            top_class=None if i in (2, 5) else "spiculated",
            note="never active" if i in (2, 5) else "",
        )
        for i in range(8)
    ]


def findings_fields(rng):
    return {
        "model": ModelRef(
            name="nodules",
            sha256=MODEL,
            labels=["none", "smooth", "lobulated", "spiculated", "ground-glass"],
            uri="model_store/nodules.mar",
        ),
        "library": LibraryRef(
            name="nodules",
            run_id="0a1b2c3d4e5f60718293a4b5c6d7e8f9",
            uri="http://127.0.0.1:5000/#/experiments/3/runs/0a1b",
            shards={"collect-training-000": "a1" * 32, "segment-17-0004": "b2" * 32},
            samples={"training": 2500, "production": 500},
            entries={"training": 3712, "production": 745},
        ),
        "config": Config(
            sha256="c0" * 32,
            seed=0,
            method="hirescam",
            layer="features.7",
            reliance_threshold=0.3,
            q=0.05,
            controls=["random crop"],
        ),
        "environment": Environment(
            sha256="e0" * 32, python="3.11.7", torch="2.13.0", numpy="2.4.6", foveal="0.1.0"
        ),
        "seed": 0,
        "created": datetime(2026, 11, 21, 8, 7, tzinfo=timezone.utc),
        "timings": {"units": 10.8, "generators": 31.2},
        "not_examined": [
            "contribution:17 (9 entries): fewer than the 16 that a facet needs.",
            "3 production samples were dropped by the spool's quota.",
        ],
        "node_pipeline": node_rows(rng),
    }


def coverage_rows(rng, gap):
    rows = [
        CoverageRow(f"request-{i:04x}", "production", float(rng.uniform(0.05, 1))) for i in range(1, 120, 2)
    ]
    return (
        rows
        + [CoverageRow(sample, "production", 0.002, gap.id) for sample in gap.samples]
        + [CoverageRow("request-none", "production", None)]
    )


def audit_result(findings_changes=None):
    rng = np.random.default_rng(7)
    stamp, nodules, gap = marker_facet(rng), nodule_facet(rng), gap_finding()
    others = plain_facets()
    findings = Findings.of(
        [nodules, stamp, *others], [gap], **(findings_fields(rng) | (findings_changes or {}))
    )
    return AuditResult(
        findings=findings,
        facets=[
            facet_evidence(rng, stamp, marker, (3, 4)),
            facet_evidence(rng, nodules, nodule, (4, 4), spikes=7),
            *(facet_evidence(rng, one, tissue, (2, 6), n=4) for one in others[:2]),
        ],
        gaps=[
            GapEvidence(
                gap,
                crops_of(rng, nodule, 8, calcified=True),
                [entry(rng, i, (20, 30), "production", "request") for i in range(8)],
                crops_of(rng, nodule, 8),
            )
        ],
        coverage=coverage_rows(rng, gap),
    )


@pytest.fixture
def make_result():
    """Build a made-up audit; keyword arguments replace fields of its findings."""
    return lambda **changes: audit_result(changes)


@pytest.fixture
def result(make_result):
    """One artefact suspected, one training-set gap, three other facets."""
    return make_result()


@pytest.fixture(scope="module")
def module_result():
    """The same audit, made once for all tests of a module."""
    return audit_result()


@pytest.fixture(scope="session")
def planted_library(tmp_path_factory):
    """A real library of planted pictures: 200 for training, 60 of production, in a store without a server."""
    folder = tmp_path_factory.mktemp("planted")
    quiet()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)  # MLflow puts the artifacts of a database into the working folder
        patch.setenv("FOVEAL_CACHE_DIR", str(folder / "cache"))
        library = Library("planted", ready_store(folder / "mlflow.db"))
        for source, number, seed in (("training", 200, 0), ("production", 60, 1)):
            collect(planted.model(), planted.write_images(folder, source, number, seed), source, library)
        yield library
