"""A variational autoencoder (Kingma & Welling 2014) that starts as PCA and learns the rest.

From random weights a network of this size needs far more than a few hundred crops and a few seconds. Started
from PCA it has PCA's quality at step 0 and can only add what sums of crops cannot show.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .crops import Crops, Latents, Shape, shape_of
from .generator import Arrays, Generator, Origin
from .losses import feature_distance, kl_to_unit, laplacian_bands, laplacian_l1
from .mixture import Mixture
from .networks import Decoder, Encoder, start_from
from .pca import axes_for, principal_axes
from .settings import FitSettings, Perceptual

if TYPE_CHECKING:
    from .onnx_graph import GraphWriter

DEFAULT_STEPS = 250
_BATCH, _LARGE_BATCH = 32, 16  # the smaller one for crops of more than 48 x 48 pixels: cost grows with area
_RATE = 4e-3
_LINEAR_RATE = 1e-4  # the PCA parts are right already; a large rate would forget them
_KL_WEIGHT = 0.005
_PERCEPTUAL_WEIGHT = 2.0
_ADVERSARY_WEIGHT = 0.1  # more, and the adversary outweighs the picture
_LEAST_SCALE = 1e-3  # crops flatter than this are not amplified into noise


@dataclass
class VaeGenerator(Generator):
    """Convolutional decoder and encoder around a linear core."""

    kind: ClassVar[str] = "pca-vae"

    mean: NDArray[np.float32]
    scale: float
    encoder: Encoder
    decoder: Decoder

    def _decode(self, z: Latents) -> Crops:
        with torch.inference_mode():
            standard: NDArray[np.float32] = self.decoder(torch.from_numpy(z)).numpy()
        return (standard * np.float32(self.scale) + self.mean).clip(0.0, 1.0)

    def _encode(self, crops: Crops) -> Latents:
        with torch.inference_mode():
            latents: Latents = self.encoder(torch.from_numpy((crops - self.mean) / self.scale))[0].numpy()
        return latents

    def write_graph(self, graph: GraphWriter, z: str) -> str:
        """Write the decoder, then the way back from standardised to [0, 1]."""
        standard = self.decoder.write_graph(graph, z)
        return graph.clip(graph.affine(standard, np.float32(self.scale), self.mean))

    def tensors(self) -> Arrays:
        """Name the arrays of both networks."""
        state = {"mean": self.mean, "scale": np.array([self.scale], np.float32)}
        for part in ("encoder", "decoder"):
            state |= {f"{part}.{k}": v.numpy() for k, v in getattr(self, part).state_dict().items()}
        return state

    @classmethod
    def restore(
        cls, tensors: Arrays, shape: Shape, axis_sd: NDArray[np.float32], mixture: Mixture, origin: Origin
    ) -> VaeGenerator:
        """Undo :meth:`tensors`."""
        encoder, decoder = Encoder(shape, len(axis_sd)), Decoder(shape, len(axis_sd))
        encoder.load_state_dict(_below(tensors, "encoder."))
        decoder.load_state_dict(_below(tensors, "decoder."))
        scale = float(tensors["scale"][0])
        networks = encoder.eval(), decoder.eval()
        return cls(shape, axis_sd, mixture, tensors["mean"], scale, *networks, origin=origin)


class Adversary(Protocol):
    """Learns to tell decoded crops from real ones while the decoder learns; standardised crops come in."""

    def pull(self, real: Tensor, made: Tensor) -> Tensor:
        """Learn from one batch of each, and give the loss of the decoder that made the second."""


def fit_pca_vae(crops: Crops, settings: FitSettings) -> VaeGenerator:
    """Learn a PCA-initialised VAE from crops (n, C, *s) in [0, 1]."""
    return fit_vae(crops, settings, VaeGenerator, DEFAULT_STEPS)


def fit_vae(
    crops: Crops,
    settings: FitSettings,
    build: type[VaeGenerator],
    usual_steps: int,
    adversary: Adversary | None = None,
) -> VaeGenerator:
    """Learn a PCA-initialised VAE, with an adversary or without."""
    steps = usual_steps if settings.steps is None else settings.steps
    axes = principal_axes(crops, axes_for(len(crops)))
    shape = shape_of(crops)
    mean = axes.mean.reshape(shape)
    scale = max(float((crops - mean).std()), _LEAST_SCALE)
    rng = torch.Generator().manual_seed(settings.seed)
    encoder, decoder = Encoder(shape, axes.basis.shape[1]), Decoder(shape, axes.basis.shape[1])
    start_from(axes, scale, encoder, decoder)
    standard = torch.from_numpy((crops - mean) / np.float32(scale))
    raw = _in_pixels(torch.from_numpy(mean), scale, settings.perceptual)
    _train(encoder, decoder, standard, _Aims(raw, adversary), steps, rng)
    latents = sort_axes(encoder.eval(), decoder.eval(), standard)
    return build(
        shape=shape,
        axis_sd=latents.std(0),
        mixture=Mixture.fit(latents, settings.seed),
        origin=Origin(settings.asked, len(crops), settings.seed, steps),
        mean=mean,
        scale=scale,
        encoder=encoder,
        decoder=decoder,
    )


def _in_pixels(mean: Tensor, scale: float, perceptual: Perceptual | None) -> Perceptual | None:
    """Let the audited network see standardised crops as the pixels it knows."""
    if perceptual is None:
        return None
    return lambda x: perceptual((x * scale + mean).clamp(0.0, 1.0))


@dataclass(frozen=True)
class _Aims:
    """What a decoded crop should look like beyond its pixels: to the audited network, to an adversary."""

    perceptual: Perceptual | None
    adversary: Adversary | None


def _train(
    encoder: Encoder,
    decoder: Decoder,
    crops: Tensor,
    aims: _Aims,
    steps: int,
    rng: torch.Generator,
) -> None:
    """Take optimiser steps with a rate that falls to zero.

    Only our own parameters are differentiated: gradients must not pile up in the audited network.
    """
    slow = [encoder.linear.weight, *decoder.linear.parameters()]
    known = {id(parameter) for parameter in slow}
    fast = [p for part in (encoder, decoder) for p in part.parameters() if id(p) not in known]
    groups = [{"params": fast, "lr": _RATE}, {"params": slow, "lr": _LINEAR_RATE}]
    optimiser = torch.optim.Adam(groups, betas=(0.9, 0.98), fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: 1.0 - step / max(steps, 1))
    parameters = fast + slow
    for batch in _batches(crops, steps, rng):
        loss = _loss(encoder, decoder, batch, aims, rng)
        for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            parameter.grad = gradient
        optimiser.step()
        schedule.step()


def _loss(encoder: Encoder, decoder: Decoder, x: Tensor, aims: _Aims, rng: torch.Generator) -> Tensor:
    mean, log_variance = encoder(x)
    noise = torch.randn(mean.shape, generator=rng)
    made = decoder(mean + noise * (0.5 * log_variance).exp())
    loss = laplacian_l1(laplacian_bands(x), laplacian_bands(made))
    loss = loss + _KL_WEIGHT * kl_to_unit(mean, log_variance)
    if aims.perceptual is not None:
        with torch.no_grad():
            real = aims.perceptual(x)
        loss = loss + _PERCEPTUAL_WEIGHT * feature_distance(real, aims.perceptual(made))
    if aims.adversary is not None:
        loss = loss + _ADVERSARY_WEIGHT * aims.adversary.pull(x, made)
    return loss


def _batches(crops: Tensor, steps: int, rng: torch.Generator) -> Iterator[Tensor]:
    """Yield one shuffled batch per step; every crop once per round."""
    size = _BATCH if crops[0, 0].numel() <= 48 * 48 else _LARGE_BATCH
    order = torch.zeros(0, dtype=torch.int64)
    for _ in range(steps):
        while len(order) < size:
            order = torch.cat([order, torch.randperm(len(crops), generator=rng)])
        yield crops[order[:size]]
        order = order[size:]


@torch.no_grad()
def sort_axes(encoder: Encoder, decoder: Decoder, crops: Tensor) -> Latents:
    """Order the latent axes by how much each moves the picture.

    Parameters
    ----------
    encoder, decoder
        Changed in place; crops are reconstructed as before.
    crops
        (n, C, *s) standardised, to measure how far each axis is used.

    Returns
    -------
    ndarray of float32
        (n, d) the crops' latents in the new order.
    """
    latents = torch.cat([encoder(part)[0] for part in torch.split(crops, 256)])
    effect = torch.stack([_effect(decoder, latents, axis) for axis in range(latents.shape[1])])
    order = effect.argsort(descending=True, stable=True)
    both = torch.cat([order, order + len(order)])  # the head gives means, then log variances
    encoder.linear.weight.copy_(encoder.linear.weight[order].clone())
    encoder.head.weight.copy_(encoder.head.weight[both].clone())
    encoder.head.bias.copy_(encoder.head.bias[both].clone())
    for layer in (decoder.linear, decoder.detail):
        layer.weight.copy_(layer.weight[:, order].clone())
    return latents[:, order].numpy()


def _effect(decoder: Decoder, latents: Tensor, axis: int) -> Tensor:
    """Mean squared change of the picture between one standard deviation below and above the axis' mean."""
    ends = latents.mean(0).repeat(2, 1)
    ends[:, axis] += torch.tensor([-1.0, 1.0]) * latents[:, axis].std(correction=0)
    low, high = decoder(ends)
    return torch.mean((high - low) ** 2)


def _below(tensors: Arrays, prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): torch.from_numpy(v) for k, v in tensors.items() if k.startswith(prefix)}
