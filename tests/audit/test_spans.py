import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from foveal_audit.spans import FULL, Span, span_of


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_pictures_keep_the_whole_range_of_their_type(kind):
    top = np.iinfo(kind).max
    pixels = np.array([[[0], [top // 3], [top]]], kind)
    assert span_of([pixels, pixels]) == FULL
    shares = FULL.shares(pixels)
    np.testing.assert_array_equal(shares, pixels.astype(np.float32) / top)
    np.testing.assert_array_equal(FULL.values(shares, pixels.dtype), pixels)


def test_every_channel_of_a_trace_has_its_own_span_with_room_on_either_side():
    crop = np.array([[0.0, -100], [1, 300], [0.5, 0]], np.float32)
    span = span_of([crop] * 3)
    np.testing.assert_allclose([span.low, span.high], [[-0.05, -120], [1.05, 320]])
    np.testing.assert_allclose(span.shares(crop)[0], [0.05 / 1.1, 20 / 440], rtol=1e-6)


def test_one_spike_does_not_flatten_all_other_crops():
    crops = [np.array([[0.0], [1.0]], np.float32) for _ in range(400)]
    crops[7] = np.array([[0.0], [1000.0]], np.float32)
    assert span_of(crops).high[0] == pytest.approx(1.05)
    assert span_of(crops).shares(crops[7])[1, 0] == 1


@pytest.mark.parametrize("crops", [[], [np.full((4, 1), np.nan, np.float32)], [np.zeros((4, 1), np.int16)]])
def test_nothing_and_flat_lines_have_a_span_too(crops):
    span = span_of(crops)
    assert all(low < high for low, high in zip(span.low, span.high, strict=True))
    assert all(np.isfinite(span.shares(crop)).all() for crop in crops)


def test_what_is_no_number_lies_in_the_middle():
    shares = Span((0.0,), (10.0,)).shares(np.array([[np.nan], [np.inf], [-np.inf], [5.0]], np.float32))
    assert shares[:, 0].tolist() == [0.5, 1.0, 0.0, 0.5]


def test_crops_of_different_channels_share_one_span():
    crops = [np.array([[1.0, 3.0]], np.float32), np.array([[5.0]], np.float32)]
    assert len(span_of(crops).low) == 1


def test_a_span_of_whole_numbers_stays_within_the_type():
    span = Span((-40000.0,), (40000.0,))
    assert span.values(np.array([[0.0], [1.0]]), np.int16)[:, 0].tolist() == [-32768, 32767]


@given(
    hnp.arrays(
        st.sampled_from([np.int16, np.float32]),
        st.tuples(st.integers(1, 6), st.integers(1, 5), st.integers(1, 3)),
        elements=st.integers(-3000, 3000),
    )
)
@settings(max_examples=60, deadline=None)
def test_values_come_back_from_their_shares(values):
    span = span_of([values])
    again = span.values(span.shares(values), values.dtype)
    assert again.dtype == values.dtype
    np.testing.assert_allclose(again, values, atol=max(1.0, np.ptp(values.astype(float))) * 2e-3)


def test_a_span_is_written_down_and_read_back():
    span = Span((-1.0, 0.0), (2.5, 8.0))
    assert Span.of_json(span.to_json()) == span
    assert Span.of_json(FULL.to_json()) == FULL
    with pytest.raises(ValueError, match=r"^\(1.0,\) to \(\) is no span$"):
        Span.of_json({"low": [1], "high": []})
