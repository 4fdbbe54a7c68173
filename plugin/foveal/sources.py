"""Where a sample came from. Apart from the records, because commands that name sources need not load them."""

from __future__ import annotations

from typing import Literal

Source = Literal["training", "validation", "production"]
SOURCES: tuple[Source, ...] = ("training", "validation", "production")
