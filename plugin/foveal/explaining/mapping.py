"""One method on one model, ready for sample after sample: the hooks are put on once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from types import TracebackType
from typing import Any

from torch import Tensor, nn

from foveal.attribution import LayerMethod, check_options, get_method
from foveal.capture import Tap, TappedSubject, parse_target
from foveal.explaining.explanation import INPUT, attribute, place_of, target_layers


@dataclass(frozen=True, eq=False)
class Mapped:
    """What a mapper gives for a batch.

    Attributes
    ----------
    output
        The model's own scores (B, n) or (B, n, *S).
    maps
        Raw signed float32 maps (B, K, *grid).
    """

    output: Tensor
    maps: Tensor


class Mapper:
    """Makes the maps of fixed targets by a fixed method; a context manager.

    Parameters
    ----------
    model
        The network, in eval mode; only hooks are added, and they go with :meth:`close`.
    method
        Name of an attribution method.
    layer
        Name of the layer for methods that need one, or ``auto``, which is chosen on the first batch.
    targets
        As :func:`foveal.explain` takes them.
    options, seed, training
        As :func:`foveal.explain` takes them.

    Raises
    ------
    UsageError
        For an unknown method or option, or a target that cannot be read.
    """

    def __init__(
        self,
        model: nn.Module,
        method: str,
        *,
        layer: str = "auto",
        targets: Sequence[str] = ("top",),
        options: Mapping[str, Any] | None = None,
        seed: int = 0,
        training: Tensor | None = None,
    ) -> None:
        self.method = get_method(method)
        self.options = dict(options or {})
        check_options(self.method, self.options)
        self._model, self._wanted, self._seed, self._training = model, layer, seed, training
        self._targets = [parse_target(target) for target in targets]
        self._tap: Tap | None = None
        self._place: str | None = None

    def __enter__(self) -> Mapper:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Take the hooks off; the model is as it was."""
        if self._tap is not None:
            self._tap.close()

    @property
    def layer(self) -> str:
        """Where the maps lie: a layer's name, or ``input``; as it was asked for until the first batch."""
        if self._tap is None:
            return self._wanted
        return self._tap.layer if self._place else INPUT

    def __call__(self, x: Tensor, timings: dict[str, float] | None = None) -> Mapped:
        """Predict and map a batch (B, C, *S); milliseconds per step go into `timings`.

        Raises
        ------
        UsageError
            If layer, target or method do not fit the model.
        """
        times: dict[str, float] = {} if timings is None else timings
        tap = self._tapped(x)
        if isinstance(self.method, LayerMethod):
            with timed(times, "predict"):
                forward = tap.forward(x)
            with timed(times, "attribute"):
                return Mapped(forward.output, forward.attribute(self._targets, self.method.name))
        with timed(times, "predict"):
            layer = tap.layer if self._place else None
            subject = TappedSubject(
                tap, x, self._targets, layer=layer, seed=self._seed, training=self._training
            )
        with timed(times, "attribute"):
            return Mapped(subject.output, attribute(self.method, subject, self.options))

    def prepare(self, x: Tensor) -> None:
        """Choose the layer and put the hooks on, which the first batch does otherwise."""
        self._tapped(x)

    def _tapped(self, x: Tensor) -> Tap:
        """Put the tap on when the first batch has shown what the layers look like."""
        if self._tap is None:
            self._place = place_of(self.method, self._model, x, self._wanted)
            self._tap = Tap(self._model, self._place, target_layers(self._targets))
            if self._place:
                self._tap.calibrate(x)
        return self._tap


@contextmanager
def timed(timings: dict[str, float], step: str) -> Iterator[None]:
    """Enter the milliseconds that the block takes."""
    start = perf_counter()
    yield
    timings[step] = round((perf_counter() - start) * 1e3, 3)
