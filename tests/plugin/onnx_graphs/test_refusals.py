"""What cannot be explained is refused, by name, with what to do instead."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx_nets import build, export

from foveal.errors import EnvironmentFault, UsageError
from foveal.onnx_graphs import AuditedSession, Request, audited, checked, reading
from foveal.onnx_graphs.checking import Check, _refuse
from foveal.onnx_graphs.reading import load
from foveal.onnx_graphs.saving import save

PERTURB = "explain the model by perturbation (rise), which needs no gradient."


def network(*between, opset=17, inputs=("x",), kind=TensorProto.FLOAT, sides=(6, 6), last="y"):
    """A convolution, whatever is asked for, an average and a product."""
    rng = np.random.default_rng(0)
    stored = [
        numpy_helper.from_array(rng.normal(size=shape).astype(np.float32), name)
        for name, shape in (("w", (4, 1, 3, 3)), ("v", (4, 2)))
    ]
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], "conv"),
        *between,
        helper.make_node("GlobalAveragePool", ["b" if between else "a"], ["c"], "pool"),
        helper.make_node("Flatten", ["c"], ["d"], "flatten"),
        helper.make_node("Gemm", ["d", "v"], ["y"], "gemm"),
    ]
    given = [helper.make_tensor_value_info(name, kind, ["b", 1, *sides]) for name in inputs]
    made = [onnx.ValueInfoProto(name=last)]
    graph = helper.make_graph(nodes, "net", given, made, stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def refused(model, **request):
    with pytest.raises(UsageError) as caught:
        audited(model, Request(**request))
    return str(caught.value)


def test_an_operator_without_rule_is_named_with_its_node():
    model = network(helper.make_node("LRN", ["a"], ["b"], "norm7", size=3))
    assert refused(model, layer="a") == (
        "There is no way back through node 'norm7' (LRN): this operator has no rule. "
        f"Name a layer behind it with --layer, or {PERTURB}"
    )
    assert audited(model)[1].layer == "b"


def test_a_node_without_name_goes_by_what_it_makes():
    model = network(helper.make_node("LRN", ["a"], ["b"], size=3))
    assert refused(model, layer="a").startswith("There is no way back through node 'b' (LRN): ")


def test_operators_of_other_domains_are_named_with_them():
    model = network(helper.make_node("Gelu", ["a"], ["b"], "fused", domain="com.microsoft"))
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    assert refused(model, layer="a").startswith(
        "There is no way back through node 'fused' (com.microsoft:Gelu): this operator has no rule. "
    )


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        (
            helper.make_node("Pow", ["a", "a"], ["b"], "odd"),
            "through node 'odd' (Pow): its input 'a' changes from sample to sample. ",
        ),
        (
            helper.make_node("PRelu", ["a", "a"], ["b"], "odd"),
            "through node 'odd' (PRelu): its input 'a' is computed from the sample. ",
        ),
        (
            helper.make_node("MaxPool", ["a"], ["b", "i"], "odd", kernel_shape=[2, 2]),
            None,
        ),
    ],
)
def test_what_a_rule_cannot_do_is_said(node, reason):
    model = network(node)
    if reason is None:
        assert audited(model, Request("a"))[1].layer == "a"  # indices that nobody takes are no matter
    else:
        assert reason in refused(model, layer="a")


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (
            {"layer": "aa"},
            "There is no tensor 'aa' between input and scores. Did you mean 'a'.",
        ),
        ({"layer": "cc"}, "There is no tensor 'cc' between input and scores. Did you mean 'b' or 'a'."),
        ({"layer": "c"}, "Tensor 'c' of shape (batch, 4, 1, 1) has no positions. Name another with --layer."),
        (
            {"nodes": "y2"},
            "There is no tensor 'y2' between input and scores. Did you mean 'y'.",
        ),
        (
            {"layer": "b", "nodes": "bb"},
            "There is no tensor 'bb' between input and scores. Did you mean 'b'.",
        ),
        (
            {"layer": "b", "nodes": "a"},
            (
                "The nodes 'a' do not depend on the layer 'b'. "
                "Name a tensor behind the layer with --nodes, or an earlier one with --layer."
            ),
        ),
        (
            {"sample_shape": (3, 6, 6)},
            "Samples of shape 3,6,6 do not fit the file's 1,6,6. Mend --shape, or the preprocess section.",
        ),
    ],
)
def test_tensors_that_do_not_fit(request_, message):
    assert refused(network(helper.make_node("Relu", ["a"], ["b"], "relu")), **request_) == message


def test_tokens_are_no_nodes():
    model = export(build("Transformer"))
    layer = audited(model)[1].layer
    assert refused(model, nodes=layer) == (
        f"Tensor {layer!r} of shape (batch, 10, 8) holds no nodes. "
        "Name one of shape (batch, nodes) with --nodes."
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"opset": 11}, "The ONNX file is of opset 11. Export it again at opset 13 or later."),
        (
            {"inputs": ("x", "z")},
            "The ONNX file takes 2 tensors ('x', 'z'). Export the network with one input.",
        ),
        (
            {"kind": TensorProto.INT32},
            "The ONNX file takes int32 numbers as 'x'. Export the network for float32 samples.",
        ),
        (
            {"sides": ("h", "w")},
            "The ONNX file leaves the shape of a sample open. Give one, such as --shape 3,224,224.",
        ),
        (
            {"last": "c"},
            (
                "The first output 'c' is float32 of shape (2, 4, 1, 1) at a batch of 2. "
                "Export a network whose first output is one score per class, or one for every position."
            ),
        ),
    ],
)
def test_files_that_are_no_classifier(settings, message):
    assert refused(network(**settings)) == message


def test_a_shape_closes_what_the_file_leaves_open():
    made, description = audited(network(sides=("h", "w")), Request(sample_shape=(1, 8, 6)))
    assert (description.sample_shape, description.grid) == ((1, 8, 6), (6, 4))
    checked(network(sides=("h", "w")), made, description)


def test_a_network_without_positions():
    flat = helper.make_node("ReduceMean", ["x"], ["d"], "mean", axes=[2, 3], keepdims=0)
    model = network()
    del model.graph.node[:3]
    model.graph.node.insert(0, flat)
    model.graph.initializer[1].CopyFrom(numpy_helper.from_array(np.ones((1, 2), np.float32), "v"))
    assert refused(model) == (
        "The network has no tensor with positions through which everything passes. Name one with --layer."
    )


def test_a_file_that_does_not_run():
    message = refused(network(helper.make_node("Add", ["a", "v"], ["b"], "bad")))
    assert message.startswith("onnxruntime does not run the file: ")
    assert message.endswith("Mend the file, or export it again.")


def test_weights_that_no_single_file_holds(monkeypatch):
    monkeypatch.setattr(reading, "LARGEST", 20)
    assert refused(network()) == ("The ONNX file holds 0.0 GB of weights. Give one of less than 0 GB.")


def test_twice_is_too_often():
    made, _ = audited(network())
    assert refused(made) == ("The ONNX file has been audited before. Give the file that it was made from.")


def test_files_that_are_not_there_or_something_else(tmp_path):
    with pytest.raises(
        UsageError, match=r"^There is no file '.*gone.onnx'. Give the path of an .onnx file.$"
    ):
        load(tmp_path / "gone.onnx")
    for content in (b"no protobuf", b""):
        (tmp_path / "text.onnx").write_bytes(content)
        with pytest.raises(UsageError) as caught:
            load(tmp_path / "text.onnx")
        path = str(tmp_path / "text.onnx")
        assert str(caught.value) == f"{path!r} is no ONNX file. Give a file that onnx.checker accepts."


def test_a_plain_file_is_not_run_as_an_audited_one(tmp_path):
    save(network(), tmp_path / "plain.onnx")
    with pytest.raises(UsageError) as caught:
        AuditedSession(tmp_path / "plain.onnx")
    path = str(tmp_path / "plain.onnx")
    assert str(caught.value) == f"{path!r} is no audited ONNX file. Make one with `foveal onnx-audit`."
    with pytest.raises(UsageError) as caught:
        AuditedSession(tmp_path / "gone.onnx")
    path = str(tmp_path / "gone.onnx")
    assert str(caught.value) == (
        f"onnxruntime does not open {path!r}. Give a file that `foveal onnx-audit` has written."
    )


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(EnvironmentFault) as caught:
        save(network(), tmp_path / "gone" / "a.onnx")
    path = str(tmp_path / "gone" / "a.onnx")
    assert (
        str(caught.value)
        == f"{path!r} cannot be written: No such file or directory. Name another place with -o."
    )


@pytest.mark.parametrize(
    ("check", "message"),
    [
        (
            Check(False, 0.02, 0.0, 0.0),
            "The scores differ from the original's by 2.0e-02 of the largest, where 1e-06 is rounding. ",
        ),
        (
            Check(True, 0.0, float("nan"), None),
            "The maps differ from finite differences by nan of their range, where 5e-02 is rounding. ",
        ),
        (
            Check(True, 0.0, 0.0, 0.5),
            "The maps differ between batch sizes by 5.0e-01 of their range, where 1e-03 is rounding. ",
        ),
    ],
)
def test_what_a_check_refuses(check, message):
    with pytest.raises(UsageError) as caught:
        _refuse(check)
    assert str(caught.value) == f"{message}Name another layer with --layer, or {PERTURB}"


def test_a_wrong_step_back_is_caught():
    """A file whose gradients are doubled on their way is not let through."""
    model = network(helper.make_node("Sigmoid", ["a"], ["b"], "gate"))
    made, description = audited(model, Request("a"))
    checked(model, made, description)
    step = next(node for node in made.graph.node if node.name.startswith("foveal/Sub"))
    step.op_type = "Add"
    with pytest.raises(UsageError, match=r"^The maps differ from finite differences by "):
        checked(model, made, description)


@pytest.mark.parametrize(("last", "compared"), [(1e-3, True), (1e-9, False)])
def test_scores_that_hardly_move_are_not_compared(last, compared):
    """Of a network that was never trained a large constant may drown what its layer says."""
    model = network(
        helper.make_node("Mul", ["a", "small"], ["s"], "scale"),
        helper.make_node("Add", ["s", "one"], ["b"], "shift"),
    )
    for name, value in (("small", last), ("one", 1.0)):
        model.graph.initializer.append(numpy_helper.from_array(np.full(1, value, np.float32), name))
    made, description = audited(model, Request("a"))
    found = checked(model, made, description).differences
    assert (found is not None and found < 1e-2) == compared


def test_further_outputs_that_lead_on():
    split = helper.make_node("Split", ["a"], ["s", "t"], "halves", axis=1)
    norm = helper.make_node("LayerNormalization", ["a", "g"], ["n", "m"], "norm", axis=-1)
    model = network(norm, helper.make_node("Add", ["n", "m"], ["b"], "sum"))
    model.graph.initializer.append(numpy_helper.from_array(np.ones(4, np.float32), "g"))
    assert "through node 'norm' (LayerNormalization): more than its first output leads on. " in refused(
        model, layer="a"
    )
    joined = helper.make_node("Concat", ["t", "s"], ["b"], "join", axis=1)
    assert audited(network(split, joined), Request("a"))[1].layer == "a"


def test_another_precision_on_the_way():
    there = helper.make_node("Cast", ["a"], ["h"], "there", to=TensorProto.DOUBLE)
    again = helper.make_node("Cast", ["h"], ["b"], "again", to=TensorProto.FLOAT)
    assert "through node 'again' (Cast): it turns float64 into float32. " in refused(
        network(there, again), layer="a"
    )


def test_places_that_the_sample_says():
    """They happened to be the same in both runs; that is no promise."""
    nodes = [
        helper.make_node("ReduceMax", ["a"], ["top"], "top", keepdims=0),
        helper.make_node("Cast", ["top"], ["places"], "places", to=TensorProto.INT64),
        helper.make_node("Sub", ["places", "places"], ["zero"], "zero"),
        helper.make_node("Unsqueeze", ["zero", "axis"], ["list"], "list"),
        helper.make_node("Concat", ["list", "list"], ["pair"], "pair", axis=0),
        helper.make_node("Gather", ["a", "pair"], ["b"], "rows", axis=2),
    ]
    model = network(*nodes)
    model.graph.initializer.append(numpy_helper.from_array(np.array([0]), "axis"))
    assert "through node 'rows' (Gather): its input 'pair' changes from sample to sample. " in refused(
        model, layer="a"
    )


def test_sequences_before_the_layer_do_not_matter_and_behind_it_are_named():
    model = network(
        helper.make_node("SequenceConstruct", ["a", "a"], ["q"], "row"),
        helper.make_node("SequenceAt", ["q", "one"], ["s"], "pick"),
        helper.make_node("Add", ["a", "s"], ["b"], "sum"),
    )
    model.graph.initializer.append(numpy_helper.from_array(np.array(1, np.int64), "one"))
    made, description = audited(model)
    assert description.layer == "b"
    assert checked(model, made, description).differences < 1e-3
    assert refused(model, layer="a").startswith("There is no way back through node 'pick' (SequenceAt): ")
