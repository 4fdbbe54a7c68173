"""Entry file of the archive of an ONNX network; all logic is in the installed package."""

from foveal_handlers.sessions import SessionHandler


class FovealOnnx(SessionHandler):
    """Serves an ONNX network with onnxruntime and notes what it looked at."""
