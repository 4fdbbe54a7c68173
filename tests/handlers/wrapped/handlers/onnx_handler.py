"""A handler that runs an ONNX file with onnxruntime, as people write them."""

import io
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image


class Service:
    def __init__(self):
        self.session = None

    def initialize(self, context):
        folder = Path(context.system_properties["model_dir"])
        file = folder / context.manifest["model"]["serializedFile"]
        self.session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
        self.input = self.session.get_inputs()[0].name

    def handle(self, data, context):
        images = [Image.open(io.BytesIO(row["body"])).convert("RGB").resize((16, 16)) for row in data]
        x = np.stack([np.asarray(one, np.float32).transpose(2, 0, 1) / 255 for one in images])
        (scores,) = self.session.run(None, {self.input: x})
        return [row.tolist() for row in scores]
