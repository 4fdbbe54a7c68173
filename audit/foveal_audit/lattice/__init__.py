"""Sliders through a generator's latent space: precomputed pictures offline, exact frames from a server.

:func:`make_lattice` gives what a report carries; :class:`Frames` answers the explorer.
"""

from .frames import Frame, Frames, RealCrops
from .lattice import Lattice, make_lattice

__all__ = ["Frame", "Frames", "Lattice", "RealCrops", "make_lattice"]
