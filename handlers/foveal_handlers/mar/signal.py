"""Entry file of the archive of a classifier of signal traces; all logic is in the installed package."""

from foveal_handlers.handler import SampleHandler


class FovealSignal(SampleHandler):
    """Serves a classifier of signal traces and notes what it looked at."""
