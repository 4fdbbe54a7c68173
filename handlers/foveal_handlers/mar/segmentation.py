"""Entry file of a segmentation network's archive; all logic is in the installed package."""

from foveal_handlers.segmentation import SegmentationHandler


class FovealSegmentation(SegmentationHandler):
    """Serves a segmentation network and notes what it looks at."""
