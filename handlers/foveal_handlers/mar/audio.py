"""Entry file of the archive of a classifier of sounds; all logic is in the installed package."""

from foveal_handlers.handler import SampleHandler


class FovealAudio(SampleHandler):
    """Serves a classifier of sounds and notes what it looked at."""
