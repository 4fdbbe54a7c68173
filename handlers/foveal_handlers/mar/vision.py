"""Entry file of an image classifier's archive; all logic is in the installed package."""

from foveal_handlers.vision import VisionHandler


class FovealVision(VisionHandler):
    """Serves an image classifier and notes what it looked at."""
