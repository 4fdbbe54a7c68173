"""Projection radiographs as their file wants them shown: their values have no unit, only a meaning as grey.

Sources: DICOM PS3.3 C.11.2 (windows and tables of values of interest), PS3.4 N.2 (the order of the steps).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from foveal.samples.values import Values

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    Floats = NDArray[np.float64]

#: Modalities of projection radiography.
_PROJECTIONS = frozenset({"CR", "DX", "DR", "MG", "IO", "PX", "RG", "RF", "XA"})


def is_projection(dataset: Dataset) -> bool:
    """Tell whether a file is a projection radiograph."""
    return str(dataset.get("Modality") or "") in _PROJECTIONS


def presented(stored: NDArray[Any], dataset: Dataset) -> Values:
    """Give stored values (n, y, x, 1) as grey that fills its type: uint8, uint16 where more bits are stored.

    The modality's step, then the first table or window of values of interest, then MONOCHROME1 turned round.
    Without table and window the range of the stored bits is shown.
    """
    from pydicom.pixels.processing import apply_modality_lut  # noqa: PLC0415 - only those who read DICOM need it

    in_units = apply_modality_lut(stored, dataset)
    shown = (_by_table if "VOILUTSequence" in dataset else _by_window)(in_units, dataset)
    share = np.nan_to_num(np.clip(shown, 0, 1))
    if dataset.get("PhotometricInterpretation") == "MONOCHROME1":
        share = 1 - share
    kind = np.uint8 if int(dataset.get("BitsStored") or 8) <= 8 else np.uint16
    grey: Values = np.rint(share * np.iinfo(kind).max).astype(kind)
    return grey


def _by_table(in_units: NDArray[Any], dataset: Dataset) -> Floats:
    """Look values up in the file's first table."""
    from pydicom.pixels.processing import apply_voi  # noqa: PLC0415 - see above

    bits = int(dataset.VOILUTSequence[0].LUTDescriptor[2])
    share: Floats = apply_voi(in_units.astype(np.int64), dataset, index=0) / float(2**bits - 1)
    return share


def _by_window(in_units: NDArray[Any], dataset: Dataset) -> Floats:
    """Spread the file's first window, or all that its bits can mean, over 0 to 1."""
    values = in_units.astype(np.float64)
    if dataset.get("WindowCenter") is None or dataset.get("WindowWidth") is None:
        low, high = _ends_of_bits(dataset)
        return (values - low) / (high - low)
    spread = _SPREADS[str(dataset.get("VOILUTFunction") or "LINEAR")]
    return spread(values, _first(dataset.WindowCenter), max(_first(dataset.WindowWidth), 1e-6))


def _linear(values: Floats, center: float, width: float) -> Floats:
    share: Floats = (values - (center - 0.5)) / max(width - 1, 1e-6) + 0.5
    return share


def _exact(values: Floats, center: float, width: float) -> Floats:
    share: Floats = (values - center) / width + 0.5
    return share


def _sigmoid(values: Floats, center: float, width: float) -> Floats:
    with np.errstate(over="ignore"):
        share: Floats = 1 / (1 + np.exp(-4 * (values - center) / width))
    return share


#: The functions of a window, C.11.2.1.2 and C.11.2.1.3.
_SPREADS: dict[str, Callable[[Floats, float, float], Floats]] = {
    "LINEAR": _linear,
    "LINEAR_EXACT": _exact,
    "SIGMOID": _sigmoid,
}


def _first(value: Any) -> float:  # noqa: ANN401 - a DICOM value: one number or several
    return float(value[0] if hasattr(value, "__len__") and not isinstance(value, str) else value)


def _ends_of_bits(dataset: Dataset) -> tuple[float, float]:
    """Give the smallest and largest value that the stored bits can mean, rescaled."""
    bits = int(dataset.get("BitsStored") or 8)
    if "ModalityLUTSequence" in dataset:
        return 0.0, float(2 ** int(dataset.ModalityLUTSequence[0].LUTDescriptor[2]) - 1)
    signed = int(dataset.get("PixelRepresentation") or 0) == 1
    ends = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    slope, intercept = float(dataset.get("RescaleSlope") or 1), float(dataset.get("RescaleIntercept") or 0)
    low, high = sorted(end * slope + intercept for end in ends)
    return low, high
