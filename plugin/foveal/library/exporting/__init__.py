"""Exports: a library's crops and what is known of them, in forms that other programs read."""

from __future__ import annotations

from foveal.library.exporting.export import FORMATS, Exported, export

__all__ = ["FORMATS", "Exported", "export"]
