"""The training view: look at the same samples after every epoch, and show how attention moves."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter
from types import TracebackType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import interpolate

from foveal.capture import ClassTarget, predicted_classes
from foveal.config import DEFAULT_METHOD
from foveal.errors import UsageError
from foveal.explaining.explanation import INPUT, Unit, explain
from foveal.samples.sheets import encode_movie
from foveal.watching.movement import Look, inside, moved_area, moved_cosine
from foveal.watching.pictures import draw_frame, draw_strip, show
from foveal.watching.recording import Recording
from foveal.watching.undisturbed import undisturbed


class Watch:
    """Looks at the same samples again and again while a network is trained.

    Call it once per epoch, inside ``mlflow.start_run()``::

        with foveal.Watch(model, images, target=labels) as watch:
            for epoch in range(epochs):
                train(model)
                watch(epoch)

    Below ``foveal/watch`` the run gets ``maps/epoch-0000.npy`` (raw maps), ``strip.png`` (rows samples,
    columns epochs), ``looks.json`` (numbers per sample) and, at the end, ``movie.gif``. Its metrics are
    ``foveal.attention.moved`` (one minus the cosine to the look before), ``foveal.attention.moved_area`` (one
    minus the overlap of the areas above half of the peak) and ``foveal.attention.inside`` (share of the
    positive evidence inside the masks), each the mean over the samples.

    Nothing of the training changes: modes, random numbers, gradients and hooks are as they were.

    Parameters
    ----------
    model
        The network that is trained, in whatever mode.
    samples
        Batch (B, C, *S), as the model takes it.
    target
        What is explained: a class per sample (B,), usually its label, so that looks can be compared; or
        text as :func:`foveal.explain` takes it. ``top`` follows the prediction, which may change.
    method, layer, options, seed
        As :func:`foveal.explain` takes them. A layer that is chosen by ``auto`` is kept from the first look.
    masks
        Where evidence belongs: (B, *S), values in [0, 1].
    names
        A name per sample, for the pictures.
    out
        A folder for the files as well; with it no MLflow run is needed.

    Raises
    ------
    UsageError
        If samples, masks, names or targets do not belong together. A look also raises it where no MLflow run
        is active and no folder was given, or layer, target or method do not fit the model.
    """

    def __init__(
        self,
        model: nn.Module,
        samples: Tensor,
        *,
        target: str | Sequence[int] | Tensor = "top",
        method: str = DEFAULT_METHOD,
        layer: str = "auto",
        options: Mapping[str, Any] | None = None,
        seed: int = 0,
        masks: Tensor | None = None,
        names: Sequence[str] | None = None,
        out: str | Path | None = None,
    ) -> None:
        self.looks: list[Look] = []
        self._model, self._x = model, samples.detach().clone()
        self._target = _read_target(target, len(samples))
        self._how: dict[str, Any] = {"method": method, "options": options, "seed": seed}
        self._layer, self._masks = layer, _checked_masks(masks, samples)
        self.names = _checked_names(names, len(samples))
        self._shown = [show(sample) for sample in self._x.float().cpu().numpy()]
        self._recording = Recording(None if out is None else Path(out))

    def __enter__(self) -> Watch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __call__(self, epoch: int | None = None) -> Look:
        """Look now, and record it.

        Parameters
        ----------
        epoch
            The step of the metrics; the number of the look where none is given.
        """
        self._recording.check()
        look = self._look(len(self.looks) if epoch is None else epoch)
        self.looks.append(look)
        maps = io.BytesIO()
        np.save(maps, look.maps)
        self._recording.put(f"maps/epoch-{look.epoch:04}.npy", maps.getvalue())
        self._recording.put("strip.png", _png(self.strip()))
        self._recording.put("looks.json", json.dumps(self.report(), indent=2).encode())
        self._recording.measure({name: _mean(values) for name, values in look.measures.items()}, look.epoch)
        return look

    def close(self) -> None:
        """Record the movie of all looks."""
        if self.looks:
            self._recording.put("movie.gif", self.movie())

    def strip(self) -> Image.Image:
        """Draw the looks: rows are samples, columns epochs, a dozen at most."""
        return draw_strip(self._shown, self.names, self._any_looks())

    def movie(self, suffix: str = ".gif") -> bytes:
        """Make a movie of all looks: ``.gif``, ``.png`` (animated, in full colour) or ``.webp``."""
        frames = [draw_frame(self._shown, self.names, look) for look in self._any_looks()]
        return encode_movie(frames, suffix)

    def report(self) -> dict[str, Any]:
        """Say in plain values how attention moved, look by look and sample by sample."""
        return {
            "samples": list(self.names),
            "method": self._how["method"],
            "layer": self.looks[-1].layer if self.looks else self._layer,
            "looks": [
                {
                    "epoch": look.epoch,
                    "predicted": look.predicted.tolist(),
                    "seconds": round(look.seconds, 4),
                    **{name: [_plain(value) for value in values] for name, values in look.measures.items()},
                }
                for look in self.looks
            ],
        }

    def _look(self, epoch: int) -> Look:
        start = perf_counter()
        with undisturbed(self._model):
            x = self._x.to(_device(self._model))
            explained = explain(self._model, x, layer=self._layer, targets=[self._target], **self._how)
        self._layer = explained.layer if explained.layer != INPUT else self._layer
        maps: NDArray[np.float32] = explained.maps[:, 0].cpu().numpy()
        predicted: NDArray[np.int64] = predicted_classes(explained.output).cpu().numpy()
        measures = self._measure(maps)
        return Look(epoch, maps, predicted, explained.layer, measures, perf_counter() - start)

    def _measure(self, maps: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
        measures: dict[str, NDArray[np.float64]] = {}
        if self.looks:
            before = self.looks[-1].maps
            measures["moved"] = moved_cosine(before, maps)
            measures["moved_area"] = moved_area(before, maps)
        if self._masks is not None:
            masks = interpolate(self._masks[:, None], maps.shape[1:], mode="area")[:, 0]
            measures["inside"] = inside(maps, masks.numpy())
        return measures

    def _any_looks(self) -> list[Look]:
        if not self.looks:
            raise UsageError("Nothing has been looked at yet", "Call the watch after an epoch first")
        return self.looks


def _read_target(target: str | Sequence[int] | Tensor, count: int) -> Unit:
    if isinstance(target, str):
        return target
    classes = torch.as_tensor(target).long()
    if classes.shape != (count,):
        raise UsageError(
            f"Targets of shape {tuple(classes.shape)} do not belong to {count} samples",
            "Give one class per sample",
        )
    return ClassTarget(classes)


def _checked_masks(masks: Tensor | None, samples: Tensor) -> Tensor | None:
    if masks is None:
        return None
    wanted = (len(samples), *samples.shape[2:])
    if tuple(masks.shape) != wanted:
        raise UsageError(
            f"Masks of shape {tuple(masks.shape)} do not belong to samples of shape {tuple(samples.shape)}",
            f"Give masks of shape {wanted}",
        )
    return masks.detach().float().cpu()


def _checked_names(names: Sequence[str] | None, count: int) -> tuple[str, ...]:
    if names is None:
        return tuple(f"sample {number}" for number in range(count))
    if len(names) != count:
        raise UsageError(f"{len(names)} names are given for {count} samples", "Give one name per sample")
    return tuple(names)


def _device(model: nn.Module) -> torch.device:
    return next((parameter.device for parameter in model.parameters()), torch.device("cpu"))


def _mean(values: NDArray[np.float64]) -> float:
    """Average over the samples that have a value; NaN where none has."""
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else float("nan")


def _plain(value: float) -> float | None:
    return round(float(value), 6) if np.isfinite(value) else None


def _png(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()
