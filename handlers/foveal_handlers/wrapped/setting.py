"""What a wrapped handler's archive says about how it is to be watched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from foveal.archives.mar import archive_sha256, read_own_settings
from foveal.config import FovealConfig
from foveal.errors import UsageError
from foveal.onnx_graphs.carried import CARRIED
from foveal.samples.kinds import Transform, read_transform
from foveal.segmenting.settings import Section, read_section
from foveal.spool.segments import model_folder


@dataclass(frozen=True)
class Setting:
    """The settings of one served model.

    Attributes
    ----------
    config
        How to watch.
    transform
        The preprocessing, where the archive states it in our words.
    spool
        The model's folder in the spool; None where nothing is to be observed.
    model_sha256
        Hash of the archive.
    onnx
        The archive's ONNX file, where it holds one and what is needed to look into it.
    segmentation
        What it says of a segmentation network in such a file.
    """

    config: FovealConfig
    transform: Transform | None
    spool: Path | None
    model_sha256: str
    onnx: Path | None = None
    segmentation: Section | None = None

    @classmethod
    def read(cls, context: Any) -> Setting:  # noqa: ANN401 - TorchServe's
        """Read the settings: those that `foveal wrap` wrote, else a section of the model's own configuration.

        To be read before the handler starts: handlers unpack files into their folder.
        """
        folder = Path(context.system_properties["model_dir"])
        settings = {**(context.model_yaml_config or {}), **read_own_settings(folder)}
        config = FovealConfig.from_mapping(settings.get("foveal") or {})
        transform = _transform(settings.get("preprocess"))
        name = str((context.manifest or {})["model"]["modelName"])
        if config.spool.dir is None or not _observes(config):
            return cls(config, transform, None, "")
        spool, onnx = model_folder(config.spool.dir, name), _onnx(folder, context.manifest["model"])
        section = read_section(settings) if onnx is not None else None
        return cls(config, transform, spool, archive_sha256(folder), onnx, section)


def _observes(config: FovealConfig) -> bool:
    """Tell whether any request is to be observed."""
    return config.sample_rate > 0 or config.sampling.uncertain > 0 or config.sampling.novel > 0


def _onnx(folder: Path, model: Mapping[str, Any]) -> Path | None:
    """Name the ONNX file of an archive that carries what is needed to look into it."""
    path = folder / str(model.get("serializedFile") or "")
    return path if path.suffix == ".onnx" and path.with_name(CARRIED).is_file() else None


def _transform(preprocess: object) -> Transform | None:
    """Read the preprocessing; a section of that name that is the handler's own is none of our business."""
    try:
        return read_transform(preprocess) if isinstance(preprocess, Mapping) else None
    except UsageError:
        return None
