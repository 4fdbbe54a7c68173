"""Whether an audited ONNX file says what torch says, and what explaining costs inside it.

Torchvision's classifiers with seeded random weights are exported and audited (``foveal onnx-audit``) at the
last block of each, on noise of 224 x 224. Two tables:

``python tests/benchmarks/onnx_cost.py``
    agreement of every exporter and opset with torch's autograd at double precision, batches of two
``python tests/benchmarks/onnx_cost.py --timed --out FILE``
    cost of the newer exporter's files of opset 17, one thread; below eight minutes on quiet cores

Finished rows are kept in ``--out`` and not measured again: an interrupted run goes on. Agreement:

===========  =================================================================================================
file         ``t`` for TorchScript's exporter or ``d`` for dynamo's, and the opset that was asked for
written      the opset of the file; the exporter's reason where there is none
identical    whether scores are the plain file's bit for bit; else how much they differ, of the largest
shallow      the same where maps are taken in the middle of the network
scores       by how much scores differ from float64, of the largest; behind the stroke torch's float32
maps         largest difference of the three likeliest classes' maps from float64, of their range; likewise
nodes        the same for the maps of 16 penultimate nodes; likewise
auto         whether ``auto`` finds the same layer (of vit_b_16 it takes the last block's input)
===========  =================================================================================================

Cost, CPU time; in every round all contenders have their turn in a new order; medians over the rounds of the
ratio to the round's plain onnxruntime forward:

===================  =========================================================================================
plain, ms            onnxruntime's plain forward
1 class, 3 classes   prediction with the maps of one, of three classes
3 classes, 16 nodes  prediction with the maps of three classes and of 16 nodes
torch plain          torch's plain forward
3 classes / torch    prediction with three maps as a share of torch's plain forward
===================  =========================================================================================
"""

from __future__ import annotations

import argparse
import copy
import io
import json
import logging
import random
import statistics
import sys
import time
import warnings
from functools import partial
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "networks"))

import numpy as np
import onnx
import torch
from onnx_nets import tensor_like
from torch import nn
from torch.onnx import OnnxExporterError
from torchvision_nets import ARCHITECTURES, SIDE, build

from foveal.onnx_graphs import AuditedSession, Request, audited
from foveal.onnx_graphs.cutting import Cutter
from foveal.onnx_graphs.probing import open_session

#: Exporter and opset.
FILES = {f"{'td'[dynamo]}{opset}": (dynamo, opset) for dynamo in (False, True) for opset in (13, 17, 20)}
TIMED = ["d17"]
NODES = 16
#: CPU seconds that one turn takes at least.
TURN = 0.2


def export(net, file):
    """Write a network as ONNX with a batch of any size."""
    dynamo, opset = FILES[file]
    x, target = torch.randn(2, 3, SIDE, SIDE), io.BytesIO()
    dynamic = {"dynamic_axes": {"x": {0: "batch"}, "scores": {0: "batch"}}}
    if dynamo:
        dynamic = {"dynamic_shapes": ({0: torch.export.Dim("batch")},), "external_data": False}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        names = {"input_names": ["x"], "output_names": ["scores"], "verbose": False}
        program = torch.onnx.export(
            net, (x,), None if dynamo else target, opset_version=opset, dynamo=dynamo, **names, **dynamic
        )
    return program.model_proto if dynamo else onnx.load_from_string(target.getvalue())


def opened(name):
    """Build a network, and say where its maps lie; densenet's last ReLU gets a name, which it has not."""
    net, parts = build(name), ARCHITECTURES[name]
    if name != "densenet121":
        return net, parts.layer, parts.nodes
    head = nn.AdaptiveAvgPool2d(1), nn.Flatten(), net.classifier
    return nn.Sequential(net.features, nn.ReLU(), *head).eval(), "1", None


class Torch:
    """Torch's own answer: one forward, grafted at the layer, and its gradients."""

    def __init__(self, net, layer, nodes, x):
        kept = {}

        def graft(_module, _args, output):
            kept["leaf"] = output.detach().clone().requires_grad_()
            return kept["leaf"].clone()

        def keep(_module, _args, output):
            kept["nodes"] = output

        hooks = [net.get_submodule(layer).register_forward_hook(graft)]
        hooks += [net.get_submodule(nodes).register_forward_hook(keep)] if nodes else []
        self.scores = net(torch.tensor(x))
        for hook in hooks:
            hook.remove()
        self.leaf, self.made = kept["leaf"], kept.get("nodes")
        self.nodes = None if self.made is None else _as_nodes(self.made)

    def maps(self, values, ids):
        """Give Grad-CAM maps (B, K, *grid) of chosen columns of values (B, n)."""
        chosen = torch.tensor(ids)
        return np.stack([self._map(values.gather(1, chosen[:, [k]])) for k in range(chosen.shape[1])], 1)

    def _map(self, score):
        (gradient,) = torch.autograd.grad(score.sum(), self.leaf, retain_graph=True)
        leaf = self.leaf.detach()
        if leaf.ndim == 3:
            side = int((leaf.shape[1] - 1) ** 0.5)
            leaf, gradient = (one[:, 1:].mT.unflatten(2, (side, side)) for one in (leaf, gradient))
        return (gradient.mean((2, 3), keepdim=True) * leaf).sum(1).numpy()


def _as_nodes(output):
    return output[:, 0] if output.ndim == 3 else output.flatten(2).mean(-1) if output.ndim == 4 else output


class Subject:
    """One exported network beside the one of torch, on a batch of two."""

    def __init__(self, name, file):
        self.net, self.at, self.nodes_at = opened(name)
        self.x = np.random.default_rng(0).standard_normal((2, 3, SIDE, SIDE)).astype(np.float32)
        self.model = export(self.net, file)
        self.truth = Torch(self.net, self.at, self.nodes_at, self.x)
        self.layer = tensor_like(self.model, self.x, self.truth.leaf)
        nodes = "" if self.truth.nodes is None else _node_tensor(self.model, self.x, self.truth)
        self.request = Request(self.layer, nodes=nodes, node_count=NODES)

    @property
    def opset(self):
        return max(one.version for one in self.model.opset_import if not one.domain)


def agreement(subject, _given):
    """Compare one exported network with torch."""
    net, x = copy.deepcopy(subject.net).double(), subject.x.astype(float)
    exact = Torch(net, subject.at, subject.nodes_at, x)
    made, description = audited(subject.model, subject.request)
    row = {"written": subject.opset, **compare(subject.model, made, subject.truth, exact, subject.x)}
    row["shallow"] = shallow(subject.model, subject.x)
    row["auto"] = "yes" if audited(subject.model)[1].layer == description.layer else "no"
    return row


def _node_tensor(model, x, truth):
    """Name the tensor of nodes; exporters may drop the axes of length one that the module gives."""
    for wanted in (truth.nodes, truth.made):
        try:
            return tensor_like(model, x, wanted)
        except LookupError:
            continue
    return ""


def compare(model, made, truth, exact, x):
    """Compare with the plain file, and with torch at double precision."""
    found = AuditedSession(made.SerializeToString()).run(x)
    plain = open_session(model).run(["scores"], {"x": x})[0]
    scores = [one.scores.detach().numpy() for one in (exact, truth)]
    row = {
        "identical": moved(plain, found.output),
        "shallow": "",
        "scores": both(scores[0], found.output, scores[1], np.abs(scores[0]).max()),
        "nodes": "-",
    }
    maps = [one.maps(one.scores, found.class_ids) for one in (exact, truth)]
    row["maps"] = both(maps[0], found.maps, maps[1], np.ptp(maps[0]))
    if found.node_ids is not None:
        maps = [one.maps(one.nodes, found.node_ids) for one in (exact, truth)]
        row["nodes"] = both(maps[0], found.node_maps, maps[1], np.ptp(maps[0]))
    return row


def both(exact, ours, torchs, scale):
    """Say by how much we and torch differ from double precision."""
    return " / ".join(f"{np.abs(one - exact).max() / scale:.0e}" for one in (ours, torchs))


def moved(plain, scores):
    """Say by how much scores differ from the plain file's."""
    if np.array_equal(plain, scores):
        return "yes"
    return f"{np.abs(plain - scores).max() / np.abs(plain).max():.0e}"


def shallow(model, x):
    """Take maps in the middle of the network, and see whether scores move."""
    spatial = [part.tensor for part in Cutter(model).parts if part.sides]
    made, _ = audited(model, Request(spatial[len(spatial) // 2]))
    plain = open_session(model).run(["scores"], {"x": x})[0]
    return moved(plain, AuditedSession(made.SerializeToString()).run(x).output)


def cost(subject, given):
    """Give every contender its turn in each round, in an order drawn anew; medians of ratios to plain."""
    calls = contenders(subject, subject.x[:1].repeat(given.batch, 0))
    seconds, order = {key: [] for key in calls}, random.Random(0)
    times = {key: max(1, round(TURN / cpu_seconds(call, 1))) for key, call in calls.items()}
    for _ in range(given.rounds):
        for key in order.sample(list(calls), len(calls)):
            seconds[key].append(cpu_seconds(calls[key], times[key]))
    ratios = {key: ratio(own, seconds["plain"]) for key, own in seconds.items() if key != "plain"}
    ratios["3 classes / torch"] = ratio(seconds["3 classes"], seconds["torch plain"])
    return {"plain, ms": f"{1000 * statistics.median(seconds['plain']):.1f}", **ratios}


def contenders(subject, x):
    """Name what is timed."""
    plain, tensor = open_session(subject.model), torch.tensor(x)
    one, three = Request(subject.layer, top=1), Request(subject.layer)
    requests = {"1 class": one, "3 classes": three, "3 classes, 16 nodes": subject.request}
    calls = {"plain": lambda: plain.run(None, {"x": x})}
    for key, request in requests.items():
        session = AuditedSession(audited(subject.model, request)[0].SerializeToString())
        calls[key] = partial(session.run, x)
    return calls | {"torch plain": lambda: _forward(subject.net, tensor)}


def ratio(own, others):
    """Give the median over the rounds of a ratio of times."""
    return f"{statistics.median(a / b for a, b in zip(own, others, strict=True)):.2f}"


def _forward(net, x):
    with torch.inference_mode():
        return net(x)


def cpu_seconds(call, calls):
    """Time a call, in CPU seconds per run."""
    call()
    before = time.process_time()
    for _ in range(calls):
        call()
    return (time.process_time() - before) / calls


def table(rows):
    """Write the rows in markdown."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    lines = [columns, ["---"] * len(columns), *([str(row.get(key, "")) for key in columns] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def measured(name, file, given):
    """Make one row; it holds the exporter's reason where there is no such file."""
    named = {"network": name, "file": file}
    try:
        subject = Subject(name, file)
    except OnnxExporterError as error:
        return named | {"written": f"none: {str(error).splitlines()[0]}"}
    return named | (cost if given.timed else agreement)(subject, given)


def parse(words=None):
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--timed", action="store_true", help="measure cost instead of agreement")
    parser.add_argument("--networks", nargs="+", choices=ARCHITECTURES, default=list(ARCHITECTURES))
    parser.add_argument(
        "--files", nargs="+", choices=FILES, help="all; with --timed those of opset 17, dynamo"
    )
    parser.add_argument("--rounds", type=int, default=15, help="how often everyone has a turn")
    parser.add_argument("--batch", type=int, default=1, help="samples per call, where it is timed")
    parser.add_argument("--out", type=Path, help="finished rows")
    given = parser.parse_args(words)
    given.files = given.files or (TIMED if given.timed else list(FILES))
    given.out = given.out or Path("onnx_cost.jsonl" if given.timed else "onnx_agreement.jsonl")
    return given


def main():
    """Measure what is missing, and print the table."""
    torch.set_num_threads(1)
    logging.disable()  # dynamo's exporter logs a traceback where it keeps a later opset than asked for
    given = parse()
    rows = [json.loads(line) for line in given.out.read_text().splitlines()] if given.out.is_file() else []
    done = {(row["network"], row["file"]): row for row in rows}
    wanted = [(name, file) for name in given.networks for file in given.files]
    for name, file in wanted:
        if (name, file) not in done:
            done[name, file] = row = measured(name, file, given)
            with given.out.open("a") as kept:
                print(json.dumps(row), file=kept)
            print(*row.values(), file=sys.stderr)  # noqa: T201 - it takes minutes
    print(table([done[one] for one in wanted]))  # noqa: T201 - a table is what this is for


if __name__ == "__main__":
    main()
