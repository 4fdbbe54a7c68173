"""What a wrapped handler's archive says about how it is to be watched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from foveal.archives.mar import archive_sha256, read_own_settings
from foveal.config import FovealConfig
from foveal.errors import UsageError
from foveal.samples.transform import ImageTransform
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
    """

    config: FovealConfig
    transform: ImageTransform | None
    spool: Path | None
    model_sha256: str

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
        return cls(config, transform, model_folder(config.spool.dir, name), archive_sha256(folder))


def _observes(config: FovealConfig) -> bool:
    """Tell whether any request is to be observed."""
    return config.sample_rate > 0 or config.sampling.uncertain > 0 or config.sampling.novel > 0


def _transform(preprocess: object) -> ImageTransform | None:
    """Read the preprocessing; a section of that name that is the handler's own is none of our business."""
    try:
        return ImageTransform.from_mapping(preprocess) if isinstance(preprocess, Mapping) else None
    except UsageError:
        return None
