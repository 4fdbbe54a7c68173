"""Ids and hashes: the same thing always gets the same name."""

import hashlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveal_audit.bundle.identity import canonical_json, make_id, sha256_file, sha256_json, six_digits


def test_an_id_is_the_start_of_a_hash_that_anybody_can_recompute():
    expected = hashlib.sha256(b"abc\0contribution:12\x000").hexdigest()[:8]
    assert make_id("A", "abc", "contribution:12", 0) == f"A-{expected}"


def test_ids_differ_by_kind_model_feature_and_facet():
    ids = {
        make_id("A", "m", "fc1:1", 2),
        make_id("G", "m", "fc1:1", 2),
        make_id("A", "n", "fc1:1", 2),
        make_id("A", "m", "fc1:12", 2),
        make_id("A", "m", "fc1:1", 3),
    }
    assert len(ids) == 5


def test_canonical_json_does_not_depend_on_the_order_of_keys():
    assert canonical_json({"b": 1, "a": [2.5]}) == canonical_json({"a": [2.5], "b": 1})
    assert sha256_json({"b": 1, "a": 2}) == sha256_json({"a": 2, "b": 1})


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_canonical_json_refuses_what_is_no_number(value):
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json({"a": value})


def test_a_file_is_hashed_over_more_than_one_block(tmp_path):
    content = bytes(range(256)) * 9000
    (tmp_path / "f").write_bytes(content)
    assert sha256_file(tmp_path / "f") == hashlib.sha256(content).hexdigest()


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_rounding_twice_changes_nothing_and_loses_less_than_a_millionth(value):
    rounded = six_digits(value)
    assert six_digits(rounded) == rounded
    assert math.isclose(rounded, value, rel_tol=5.1e-6) or abs(value) < 1e-300
