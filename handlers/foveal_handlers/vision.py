"""The handler of image classifiers' archives, under the name that their entry files know it by."""

from foveal_handlers.handler import SampleHandler


class VisionHandler(SampleHandler):
    """Handler of archives that ``foveal pack --kind vision`` builds."""
