"""Archives to wrap, as people have them."""

from __future__ import annotations

import io
import json
import os
import tarfile
import zipfile
from pathlib import Path

from model_archiver.model_archiver_config import ModelArchiverConfig
from model_archiver.model_packaging import generate_model_archive

from foveal.archives.mar import MANIFEST

HANDLER = """class Handler:
    def initialize(self, context): ...

    def handle(self, data, context):
        return data
"""
YAML = "# ours\nbatchSize: 4  # by measurement\nresponseTimeout: 33\n"
FORMATS = {"default": ".mar", "zip-store": ".mar", "tgz": ".tar.gz", "no-archive": ""}


def manifest(handler="h.py", **more):
    model = {"modelName": "tiny", "handler": handler, "modelVersion": "1.0", **more}
    return json.dumps({"createdOn": "21/11/2026", "runtime": "python", "model": model}, indent=2).encode()


def files(handler="h.py", config=None, **more):
    """Give the content of a small archive."""
    configured = {} if config is None else {"model-config.yaml": config.encode()}
    named = {} if config is None else {"configFile": "model-config.yaml"}
    return {
        "h.py": HANDLER.encode(),
        "weights.pt": bytes(range(256)) * 8,
        **configured,
        MANIFEST: manifest(handler, **named, **more),
    }


def zipped(path, content, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in content.items():
            archive.writestr(zipfile.ZipInfo(name, (2020, 1, 2, 3, 4, 6)), data, compression)
    return path


def tarred(path, content, prefix="tiny/"):
    with tarfile.open(path, "w:gz") as archive:
        for name, data in content.items():
            info = tarfile.TarInfo(prefix + name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def laid_out(folder, content):
    for name, data in content.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def archived(folder, form, config=None, handler="h.py"):
    """Let torch-model-archiver build an archive in one of its formats."""
    parts = laid_out(folder / "parts", {"h.py": HANDLER.encode(), "w.pt": bytes(range(256)) * 300})
    if config is not None:
        (parts / "model-config.yaml").write_text(config)
    settings = ModelArchiverConfig(
        model_name=f"m{os.getpid()}",
        version="1.0",
        handler=str(parts / handler) if handler == "h.py" else handler,
        serialized_file=str(parts / "w.pt"),
        config_file=None if config is None else str(parts / "model-config.yaml"),
        export_path=str(folder),
        archive_format=form,
    )
    generate_model_archive(settings)
    return folder / f"m{os.getpid()}{FORMATS[form]}"


def content_of(folder: Path):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
