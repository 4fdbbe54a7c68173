"""Takes what any envelope leaves of a request: bytes, or text in base64, bare or under a name."""

import base64
import io

import numpy as np
import torch
from PIL import Image
from ts.torch_handler.base_handler import BaseHandler


class EnvelopeHandler(BaseHandler):
    def preprocess(self, data):
        return torch.stack([self._read(row) for row in data])

    def postprocess(self, data):
        return data.tolist()

    def get_insights(self, x, _, target):
        return [[float(row.sum()), target] for row in x]

    def _read(self, row):
        content = row.get("data") if isinstance(row, dict) else row
        if isinstance(content, str):
            content = base64.b64decode(content)
        image = Image.open(io.BytesIO(content)).convert("RGB")
        return torch.from_numpy(np.asarray(image, np.float32) / 255).permute(2, 0, 1)
