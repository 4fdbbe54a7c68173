"""Elements of the report and the explorer: plain scripts, no build step, nothing from outside.

A script is put together from its parts and the style sheet of its element; it needs no permission in a page's
policy but its own hash, or ``script-src 'self'`` where it is served as a file.
"""

from .scripts import NAMES, script, sha256

__all__ = ["NAMES", "script", "sha256"]
