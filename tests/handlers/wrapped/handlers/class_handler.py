"""A class on TorchServe's base, as most handlers are."""

import io

import numpy as np
import torch
from PIL import Image
from ts.torch_handler.base_handler import BaseHandler


class ClassHandler(BaseHandler):
    def preprocess(self, data):
        return torch.stack([self._read(row.get("data") or row.get("body")) for row in data])

    def postprocess(self, data):
        return [{"scores": row} for row in data.tolist()]

    def _read(self, content):
        image = Image.open(io.BytesIO(content)).convert("RGB")
        return torch.from_numpy(np.asarray(image, np.float32) / 255).permute(2, 0, 1)
