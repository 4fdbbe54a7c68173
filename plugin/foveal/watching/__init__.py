"""Watch a network while it is trained: how what it looks at moves from epoch to epoch."""

from foveal.watching.movement import Look, inside, moved_area, moved_cosine
from foveal.watching.watch import Watch

__all__ = ["Look", "Watch", "inside", "moved_area", "moved_cosine"]
