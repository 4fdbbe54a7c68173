"""Entry file of the archive of a classifier of volumes; all logic is in the installed package."""

from foveal_handlers.handler import SampleHandler


class FovealVolume(SampleHandler):
    """Serves a classifier of volumes and notes what it looked at."""
