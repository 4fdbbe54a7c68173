"""The writer: nothing twice, nothing for nothing, and lengths that grow with the batch."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, ValueInfoProto, helper

from foveal.onnx_graphs.extents import LARGE, SMALL, Extent, fixed, groups, product
from foveal.onnx_graphs.probing import open_session
from foveal.onnx_graphs.writing import Writer

AXES = st.lists(st.integers(1, 4), min_size=1, max_size=4)


def run(writer, output, x):
    ends = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None] * x.ndim), ValueInfoProto(name=output)
    graph = helper.make_graph(writer.nodes, "g", ends[:1], ends[1:], writer.constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", writer.opset)], ir_version=8)
    return open_session(model).run([output], {"x": x})[0]


def test_what_is_asked_for_twice_is_written_once():
    writer = Writer(17, "float32", "x")
    assert writer.op("Mul", "x", 2.0) == writer.op("Mul", "x", 2.0)
    assert writer.op("Mul", "x", 3.0) != writer.op("Mul", "x", 2.0)
    assert writer.op("Transpose", "x", perm=[1, 0]) != writer.op("Transpose", "x", perm=[0, 1])
    assert (len(writer.nodes), len(writer.constants)) == (4, 2)


@given(st.permutations(range(4)), st.permutations(range(4)))
def test_orders_that_cancel_leave_nothing(first, second):
    writer = Writer(17, "float32", "x")
    once = writer.transpose("x", first)
    twice = writer.transpose(once, second)
    x = np.arange(24, dtype=np.float32).reshape(1, 2, 3, 4)
    expected = x.transpose(first).transpose(second)
    if twice == "x":
        np.testing.assert_array_equal(expected, x)
    else:
        np.testing.assert_array_equal(run(writer, twice, x), expected)
    assert writer.transpose(once, np.argsort(first).tolist()) == "x"


@pytest.mark.parametrize("batch", [1, 2, 5])
@given(data=st.data())
def test_lengths_grow_with_the_batch(batch, data):
    parts = data.draw(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=4))
    writer = Writer(13, "float32", "x")
    extents = [Extent(base + SMALL * rate, base + LARGE * rate) for base, rate in parts]
    found = writer.lengths(extents)
    wanted = [base + batch * rate for base, rate in parts]
    if isinstance(found, str):
        np.testing.assert_array_equal(run(writer, found, np.zeros((batch, 1), np.float32)), wanted)
    else:
        assert found == wanted
        assert all(rate == 0 for _, rate in parts)


@pytest.mark.parametrize("opset", [13, 18])
def test_a_mean_is_written_as_the_opset_has_it(opset):
    writer = Writer(opset, "float32", "x")
    x = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)
    found = run(writer, writer.mean("x", [-1, 1]), x)
    np.testing.assert_allclose(found, x.mean((1, 2), keepdims=True), rtol=1e-5)


@given(AXES, st.data())
def test_runs_of_axes_hold_as_many_numbers(sides, data):
    """Both shapes are cuts of the same list of factors, as those of a Reshape are."""

    def cut():
        places = sorted(data.draw(st.sets(st.integers(1, len(sides)))) | {len(sides)})
        return tuple(
            product(fixed(one) for one in sides[a:b]) for a, b in zip([0, *places], places, strict=False)
        )

    old, new = cut(), cut()
    found = groups(old, new)
    for ours, theirs in found:
        assert product(old[axis] for axis in ours) == product(new[axis] for axis in theirs)
    assert [axis for ours, _ in found for axis in ours] == [a for a, one in enumerate(old) if one != fixed(1)]
    assert [axis for _, theirs in found for axis in theirs] == [
        a for a, one in enumerate(new) if one != fixed(1)
    ]
