"""Bundles to export."""

import pytest

from foveal_audit.bundle.writing import write_bundle


@pytest.fixture
def make_bundle(make_result, tmp_path):
    """Write a bundle without pictures; keyword arguments replace fields of its findings."""

    def make(name="bundle", **changes):
        def card(place):
            (place / "card.json").write_text("{}")

        report = {"report.html": lambda _: "<p>report</p>"}
        return write_bundle(
            make_result(**changes), tmp_path / name, documents=report, generators={"contribution:12": card}
        )

    return make


@pytest.fixture
def bundle(make_bundle):
    return make_bundle()
