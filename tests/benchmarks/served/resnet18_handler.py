"""A handler as people write them: decode, resize, cut the middle out, predict, name the five best."""

import io

import numpy as np
import torch
from PIL import Image
from resnet18_model import resnet18

MEAN = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
STD = torch.tensor([0.229, 0.224, 0.225])[:, None, None]


class Classifier:
    """Serves ResNet-18."""

    def initialize(self, context):
        """Load the network."""
        torch.set_num_threads(1)
        self.model = resnet18()

    def handle(self, data, context):
        """Answer a batch."""
        x = torch.stack([self.prepare(row.get("data") or row.get("body")) for row in data])
        with torch.inference_mode():
            scores = torch.softmax(self.model(x), dim=1)
        values, classes = scores.topk(5, dim=1)
        pairs = zip(classes.tolist(), values.tolist(), strict=True)
        return [dict(zip(map(str, names), found, strict=True)) for names, found in pairs]

    def prepare(self, content):
        """Make of an image what the network takes."""
        image = Image.open(io.BytesIO(content)).convert("RGB")
        scale = 256 / min(image.size)
        image = image.resize([round(side * scale) for side in image.size], Image.BILINEAR)
        left, top = ((side - 224) // 2 for side in image.size)
        image = image.crop((left, top, left + 224, top + 224))
        pixels = torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1)
        return (pixels / 255 - MEAN) / STD
