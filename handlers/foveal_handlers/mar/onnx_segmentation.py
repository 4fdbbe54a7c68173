"""Entry file of the archive of an ONNX segmentation network; all logic is in the installed package."""

from foveal_handlers.sessions import SegmentingSessionHandler


class FovealOnnxSegmentation(SegmentingSessionHandler):
    """Serves a segmentation network with onnxruntime and notes what it looks at."""
