"""The same network in operators that hand on what is no number, to see which positions read which points.

Onnxruntime's maximum of a window leaves out what is no number, and fused activations may do so too. Who reads
whom does not depend on them: the mean of the same window reads the same points.
"""

from __future__ import annotations

from onnx import ModelProto, NodeProto

#: Operator -> one that reads the same; of those with more inputs (bounds) only the first is read.
_SAME = {
    "Clip": "Identity",
    "GlobalMaxPool": "GlobalAveragePool",
    "Max": "Sum",
    "MaxPool": "AveragePool",
    "Min": "Sum",
    "ReduceMax": "ReduceMean",
    "ReduceMin": "ReduceMean",
    "Relu": "Identity",
}
#: What a mean over windows does not know.
_UNKNOWN = frozenset(["dilations", "storage_order"])


def spreading(model: ModelProto) -> ModelProto | None:
    """Make the network whose tensors, under their own names, read what those of the original read.

    Parameters
    ----------
    model
        The file's content. It is not changed.

    Returns
    -------
    ModelProto or None
        None where a window's maximum is dilated or gives indices too, which a mean cannot.
    """
    made = ModelProto()
    made.CopyFrom(model)
    nodes = [node for node in made.graph.node if node.op_type in _SAME and not node.domain]
    if any(node.op_type == "MaxPool" and _is_special(node) for node in nodes):
        return None
    for node in nodes:
        node.op_type = _SAME[node.op_type]
        if node.op_type == "Identity":
            del node.input[1:]
        kept = [one for one in node.attribute if one.name not in _UNKNOWN]
        node.ClearField("attribute")
        node.attribute.extend(kept)
    return made


def _is_special(node: NodeProto) -> bool:
    spread = any(step != 1 for one in node.attribute if one.name == "dilations" for step in one.ints)
    return spread or len([name for name in node.output if name]) > 1
