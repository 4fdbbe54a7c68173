"""Where a sliding kernel stops: strides, dilations and padding, settled along every axis of positions."""

from __future__ import annotations

from dataclasses import dataclass

from foveal.onnx_graphs.extents import Shape
from foveal.onnx_graphs.stepping import Step


@dataclass(frozen=True)
class Sliding:
    """How a kernel slides, a number for each axis of positions.

    Attributes
    ----------
    kernel, strides, dilations
        Of the operator.
    before, after
        Padding; `after` is what the sizes ask for, negative where the last positions are never reached.
    """

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]

    def spans(self) -> list[int]:
        """Give how far a kernel reaches, less one."""
        return [rate * (size - 1) for rate, size in zip(self.dilations, self.kernel, strict=True)]

    def undone(self) -> dict[str, list[int]]:
        """Give the settings of the ConvTranspose that leads back to the sizes before."""
        return {
            "strides": list(self.strides),
            "dilations": list(self.dilations),
            "pads": [*self.before, *(max(0, one) for one in self.after)],
            "output_padding": [max(0, -one) for one in self.after],
        }


def sliding(step: Step, wide: Shape, narrow: Shape, kernel: tuple[int, ...]) -> Sliding:
    """Settle how a kernel slides.

    Parameters
    ----------
    step
        The node.
    wide, narrow
        Shapes (B, C, *S) before and behind a convolution or pooling; the other way round where it widens.
    kernel
        Sizes of the kernel.
    """
    axes = len(kernel)
    if not all(one.is_fixed for one in (*wide[2:], *narrow[2:])):
        raise step.refusal("the batch lies along its positions")
    strides = tuple(step.attribute("strides") or [1] * axes)
    dilations = tuple(step.attribute("dilations") or [1] * axes)
    needed = [
        stride * (small.small - 1) + rate * (size - 1) + 1 - large.small
        for stride, rate, size, small, large in zip(
            strides, dilations, kernel, narrow[2:], wide[2:], strict=True
        )
    ]
    before = _before(step, needed)
    after = tuple(total - one for total, one in zip(needed, before, strict=True))
    return Sliding(kernel, strides, dilations, before, after)


def _before(step: Step, needed: list[int]) -> tuple[int, ...]:
    mode = step.attribute("auto_pad", "NOTSET")
    if mode == "SAME_UPPER":
        return tuple(max(0, total) // 2 for total in needed)
    if mode == "SAME_LOWER":
        return tuple(-(-max(0, total) // 2) for total in needed)
    pads = step.attribute("pads") or [0] * (2 * len(needed))
    return tuple(0 for _ in needed) if mode == "VALID" else tuple(pads[: len(needed)])
