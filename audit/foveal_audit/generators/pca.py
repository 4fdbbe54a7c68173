"""PCA with a Gaussian mixture over its scores: under a second, never diverges, and the start of the VAE.

On registered crops it is hard to beat below a hundred of them; it cannot show variants that are not sums of
the variants it has seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

from .crops import Crops, Latents, Shape, flat, shape_of
from .generator import Arrays, Generator, Origin
from .mixture import Mixture
from .settings import FitSettings

if TYPE_CHECKING:
    from .onnx_graph import GraphWriter

MOST_AXES, FEWEST_AXES = 32, 4
CROPS_PER_AXIS = 8  # with more axes, draws mix the noise of single crops into pictures nobody has seen
_NEGLIGIBLE = 1e-7  # standard deviation in pixel units below which an axis is numerical dust


@dataclass(frozen=True)
class PrincipalAxes:
    """The mean crop and its main directions of change.

    Attributes
    ----------
    mean
        (D,) with D = C h w.
    basis
        (D, d): columns are unit directions times their standard deviation, so that latents have unit scale.
    whitening
        (d, D): its product with a centred crop gives the latents; the pseudo-inverse of ``basis``.
    """

    mean: NDArray[np.float32]
    basis: NDArray[np.float32]
    whitening: NDArray[np.float32]

    def scores(self, crops: Crops) -> Latents:
        """Give the latents (n, d) of crops (n, C, *s)."""
        return np.asarray((crops.reshape(len(crops), -1) - self.mean) @ self.whitening.T, np.float32)


def axes_for(n_crops: int) -> int:
    """Give the number of axes that so many crops can support."""
    return max(FEWEST_AXES, min(MOST_AXES, n_crops // CROPS_PER_AXIS))


def principal_axes(crops: Crops, axes: int) -> PrincipalAxes:
    """Find the directions of greatest variance.

    Parameters
    ----------
    crops
        (n, C, *s).
    axes
        Number of axes wanted; fewer come back when the crops span fewer, but at least one.

    Returns
    -------
    PrincipalAxes
        Ordered by variance. Each direction's largest entry is positive, which fixes the sign.
    """
    rows = flat(crops)
    mean = rows.mean(0)
    directions, sds = _leading(rows - mean, min(axes, len(rows) - 1 or 1, rows.shape[1]))
    kept = max(1, int((sds > _NEGLIGIBLE).sum()))
    directions, sds = directions[:, :kept], sds[:kept]
    inverse = np.divide(1.0, sds, out=np.zeros_like(sds), where=sds > _NEGLIGIBLE)
    parts = (mean, directions * sds, (directions * inverse).T)
    return PrincipalAxes(*(np.ascontiguousarray(part, np.float32) for part in parts))


def _leading(centred: NDArray[np.float64], axes: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give unit directions (D, k) and their standard deviations (k,), through the smaller Gram matrix."""
    n, size = centred.shape
    tall = n >= size
    gram = centred.T @ centred if tall else centred @ centred.T
    values, vectors = eigh(gram, subset_by_index=(len(gram) - axes, len(gram) - 1))
    values, vectors = values[::-1].clip(min=0), vectors[:, ::-1]
    directions = vectors if tall else centred.T @ vectors
    directions = directions / np.maximum(np.linalg.norm(directions, axis=0), 1e-30)
    peak = np.take_along_axis(directions, np.abs(directions).argmax(0)[None], axis=0)
    return directions * np.where(peak < 0, -1.0, 1.0), np.sqrt(values / n)


@dataclass
class PcaGenerator(Generator):
    """Linear decoder and encoder."""

    kind: ClassVar[str] = "pca-gmm"

    axes: PrincipalAxes

    def _decode(self, z: Latents) -> Crops:
        rows = z @ self.axes.basis.T + self.axes.mean
        return np.asarray(rows.reshape(-1, *self.shape).clip(0, 1), np.float32)

    def _encode(self, crops: Crops) -> Latents:
        return self.axes.scores(crops)

    def write_graph(self, graph: GraphWriter, z: str) -> str:
        """Write one Gemm."""
        rows = graph.gemm(z, self.axes.basis, self.axes.mean)
        return graph.clip(graph.reshape(rows, self.shape))

    def tensors(self) -> Arrays:
        """Name the arrays."""
        return {f"axes.{name}": array for name, array in vars(self.axes).items()}

    @classmethod
    def restore(
        cls, tensors: Arrays, shape: Shape, axis_sd: NDArray[np.float32], mixture: Mixture, origin: Origin
    ) -> PcaGenerator:
        """Undo :meth:`tensors`."""
        parts = (tensors[f"axes.{name}"] for name in ("mean", "basis", "whitening"))
        return cls(shape, axis_sd, mixture, PrincipalAxes(*parts), origin=origin)


def fit_pca_gmm(crops: Crops, settings: FitSettings) -> PcaGenerator:
    """Learn a PCA-GMM from crops (n, C, *s) in [0, 1]."""
    axes = principal_axes(crops, axes_for(len(crops)))
    scores = axes.scores(crops)
    return PcaGenerator(
        shape=shape_of(crops),
        axis_sd=scores.std(0),
        mixture=Mixture.fit(scores, settings.seed),
        origin=Origin(settings.asked, len(crops), settings.seed),
        axes=axes,
    )
