"""The entry files that Foveal puts into archives; they are data here, the core never imports them."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from foveal.errors import EnvironmentFault

#: The entry file of each kind, inside the package foveal_handlers.mar, and its name in the archive. That name
#: must not be one that anybody imports: the archive's folder precedes the installed packages.
KINDS: dict[str, tuple[str, str]] = {
    "vision": ("vision.py", "foveal_vision_entry.py"),
    "signal": ("signal.py", "foveal_signal_entry.py"),
    "audio": ("audio.py", "foveal_audio_entry.py"),
    "volume": ("volume.py", "foveal_volume_entry.py"),
    "onnx": ("onnx.py", "foveal_onnx_entry.py"),
    "segmentation": ("segmentation.py", "foveal_segmentation_entry.py"),
}
#: The kind that is made of an ONNX file instead of code and weights.
ONNX = "onnx"
#: The kind whose networks give scores for every position; it takes any kind of sample.
SEGMENTATION = "segmentation"
#: The kind of samples that each takes where the preprocessing does not say so.
SAMPLES = {
    "vision": "image",
    "signal": "signal",
    "audio": "audio",
    "volume": "volume",
    "onnx": "image",
    "segmentation": "image",
}
#: The same for wrapped archives, and for ONNX files that segment.
WRAPPED = ("wrapped.py", "foveal_wrapped_entry.py")
ONNX_SEGMENTATION = ("onnx_segmentation.py", "foveal_onnx_segmentation_entry.py")
#: The entry files of the archives that ``foveal pack`` builds.
PACKED = (*KINDS.values(), ONNX_SEGMENTATION)


def read_entry(file: str) -> bytes:
    """Read an entry file of the package foveal_handlers.

    Raises
    ------
    EnvironmentFault
        When the package is not installed.
    """
    spec = importlib.util.find_spec("foveal_handlers")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / "mar" / file
        if path.is_file():
            return path.read_bytes()
    raise EnvironmentFault(
        "The package foveal_handlers is not installed beside foveal",
        "Install Foveal again: pip install foveal[serve]",
    )
