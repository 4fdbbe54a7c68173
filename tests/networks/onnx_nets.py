"""Small networks in three parts (to the layer, the nodes, the scores), as ONNX files of either exporter."""

from __future__ import annotations

import io
import warnings

import numpy as np
import onnx
import torch
from onnx import ValueInfoProto
from small_nets import Block, seeded
from tiny_transformers import FlatAttention, FusedAttention, ModuleAttention
from torch import nn

from foveal.onnx_graphs.probing import open_session


class Parts(nn.Module):
    """``tail(nodes(trunk(x)))``: a layer with positions, nodes, scores."""

    def __init__(self, trunk, nodes, tail):
        super().__init__()
        self.trunk, self.nodes, self.tail = trunk, nodes, tail

    def forward(self, x):
        return self.tail(self.nodes(self.trunk(x)))


class Residual(Parts):
    """Strides, batch norms, shortcuts; an average and two Linears follow the layer."""

    def __init__(self):
        trunk = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(), Block(8, 12, 2))
        head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(12, 20), nn.Hardswish())
        super().__init__(trunk, head, nn.Linear(20, 5))

    sample = (3, 16, 16)


class Awkward(Parts):
    """Behind the layer whatever is rare: overlapping pools, group norm, enlarging, ConvTranspose."""

    def __init__(self):
        behind = [nn.MaxPool2d(3, 2, 1), nn.Conv2d(6, 6, 3, groups=2), nn.GroupNorm(3, 6), nn.GELU()]
        behind += [nn.Upsample(scale_factor=2, mode="bilinear"), nn.ConvTranspose2d(6, 4, 3, 2, 1)]
        behind += [nn.InstanceNorm2d(4), nn.AvgPool2d(3, 2, 1), nn.ELU(), nn.Flatten(), nn.LazyLinear(9)]
        nodes = nn.Sequential(*behind, nn.Sigmoid())
        super().__init__(nn.Sequential(nn.Conv2d(1, 6, 3, padding=1), nn.SiLU()), nodes, nn.Linear(9, 4))

    sample = (1, 12, 10)


class Tokens(nn.Module):
    """Patches, a class token before them, places."""

    def __init__(self, width):
        super().__init__()
        self.embed = nn.Conv2d(3, width, 4, 4)
        self.token, self.places = (
            nn.Parameter(torch.randn(1, 1, width)),
            nn.Parameter(torch.randn(1, 10, width)),
        )

    def forward(self, x):
        patches = self.embed(x).flatten(2).transpose(1, 2)
        return torch.cat([self.token.expand(x.shape[0], -1, -1), patches], 1) + self.places


class Mixer(nn.Module):
    """A transformer's block."""

    def __init__(self, width, attention):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = attention(width, 2)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, tokens):
        tokens = tokens + self.attention(self.norm1(tokens))
        return tokens + self.mlp(self.norm2(tokens))


class First(nn.Module):
    def forward(self, tokens):
        return tokens[:, 0]


class Transformer(Parts):
    """Reads a class token: behind the last attention, no patch leads to the scores."""

    def __init__(self, attention=FusedAttention):
        nodes = nn.Sequential(Mixer(8, attention), nn.LayerNorm(8), First())
        super().__init__(nn.Sequential(Tokens(8), Mixer(8, attention)), nodes, nn.Linear(8, 5))

    sample = (3, 12, 12)


class ModuleTransformer(Transformer):
    """The same with ``nn.MultiheadAttention``."""

    def __init__(self):
        super().__init__(ModuleAttention)


class WrittenTransformer(Transformer):
    """The same with attention written out, which old opsets hold too."""

    def __init__(self):
        super().__init__(FlatAttention)


class Trace(Parts):
    """One dimension, whose positions the head reads one by one."""

    def __init__(self):
        trunk = nn.Sequential(nn.Conv1d(2, 4, 5, 2, 2), nn.LeakyReLU())
        super().__init__(trunk, nn.Sequential(nn.Flatten(), nn.Linear(40, 6), nn.Tanh()), nn.Linear(6, 3))

    sample = (2, 20)


class Volume(Parts):
    """Three dimensions."""

    def __init__(self):
        trunk = nn.Sequential(nn.Conv3d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool3d(2))
        nodes = nn.Sequential(nn.Conv3d(4, 5, 2), nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten())
        super().__init__(trunk, nodes, nn.Linear(5, 3))

    sample = (1, 6, 8, 4)


_KINDS = (Residual, Awkward, Transformer, ModuleTransformer, WrittenTransformer, Trace, Volume)
NETS = {kind.__name__: kind for kind in _KINDS}


def build(name):
    torch.manual_seed(1)
    net = NETS[name]()
    net(torch.randn(1, *net.sample))  # lazy layers learn their width
    return seeded(lambda: net)


def export(net, opset=17, *, dynamo=False, batch=None, sample=None):
    """Write a network as ONNX; of a fixed batch size where one is given."""
    x = torch.randn(batch or 2, *(sample or net.sample))
    dynamic = {"dynamic_shapes": ({0: torch.export.Dim("batch")},), "external_data": False}
    if not dynamo:
        dynamic = {"dynamic_axes": {"x": {0: "batch"}, "scores": {0: "batch"}}}
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        names = {"input_names": ["x"], "output_names": ["scores"]}
        more = {} if batch else dynamic
        program = torch.onnx.export(
            net, (x,), None if dynamo else file, opset_version=opset, dynamo=dynamo, **names, **more
        )
    return program.model_proto if dynamo else onnx.load_from_string(file.getvalue())


def tensor_like(model, x, wanted):
    """Name the last tensor that holds these numbers; exporters name tensors as they like."""
    asked = onnx.ModelProto()
    asked.CopyFrom(model)
    names = [name for node in model.graph.node for name in node.output if name]
    asked.graph.output.extend(ValueInfoProto(name=name) for name in names)
    found = zip(names, open_session(asked, optimised=False).run(names, {"x": x}), strict=True)
    wanted = wanted.detach().numpy()
    errors = {name: np.abs(one - wanted).max() for name, one in found if one.shape == wanted.shape}
    close = [name for name, error in errors.items() if error <= 1e-3 * np.abs(wanted).max()]
    if not close:
        raise LookupError("no tensor of the file holds these numbers")
    return min(close[::-1], key=lambda name: errors[name])


def oracle(net, x, top, node_ids=None):
    """Give torch's scores, Grad-CAM maps of the likeliest classes, and of nodes."""
    leaf = net.trunk(torch.tensor(x)).detach().requires_grad_()
    nodes = net.nodes(leaf)
    scores = net.tail(nodes)
    classes = scores.topk(top, 1).indices
    maps = torch.stack([cam(net, leaf, scores.gather(1, classes[:, [k]])) for k in range(top)], 1)
    if node_ids is None:
        return scores.detach().numpy(), maps.numpy(), None
    ids = torch.tensor(node_ids)
    of_nodes = [cam(net, leaf, nodes.gather(1, ids[:, [k]])) for k in range(ids.shape[1])]
    return scores.detach().numpy(), maps.numpy(), torch.stack(of_nodes, 1).numpy()


def cam(net, leaf, score):
    (gradient,) = torch.autograd.grad(score.sum(), leaf, retain_graph=True)
    activations = leaf.detach()
    if isinstance(net, Transformer):
        activations, gradient = (one[:, 1:].mT.reshape(len(one), -1, 3, 3) for one in (activations, gradient))
    weights = gradient.flatten(2).mean(-1).reshape(*gradient.shape[:2], *[1] * (gradient.ndim - 2))
    return (weights * activations).sum(1)


def contributions(net, x):
    """Give gradient times activation of all nodes, for the likeliest class."""
    nodes = net.nodes(net.trunk(torch.tensor(x))).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(net.tail(nodes).max(1).values.sum(), nodes)
    return nodes.detach().numpy(), (gradient * nodes).detach().numpy()
