"""coverage.csv."""

import csv
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveal_audit.bundle.coverage import CoverageRow, coverage_csv


def test_the_least_covered_come_first_and_what_was_not_examined_last():
    rows = [
        CoverageRow("b", "production", 0.5),
        CoverageRow("c", "production", None),
        CoverageRow("a", "production", 1 / 3000, "G-0000000a"),
    ]
    assert coverage_csv(rows) == (
        "sample,source,p_value,gap_group\n"
        "a,production,0.000333333,G-0000000a\n"
        "b,production,0.5,\n"
        "c,production,,\n"
    )  # fmt: skip


def test_no_production_gives_the_header_alone():
    assert coverage_csv([]) == "sample,source,p_value,gap_group\n"


@pytest.mark.parametrize("p_value", [math.nan, -0.1, 1.1, math.inf])
def test_what_is_no_probability_is_refused(p_value):
    with pytest.raises(ValueError, match="of 'x' is not a probability"):
        coverage_csv([CoverageRow("x", "production", p_value)])


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from(',"\n;'), min_size=1))
def test_any_name_comes_back_from_a_csv_reader(sample):
    text = coverage_csv([CoverageRow(sample, "production", 0.25)])
    assert list(csv.reader(text.splitlines(keepends=True)))[1] == [sample, "production", "0.25", ""]
