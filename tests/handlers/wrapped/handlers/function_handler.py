"""A module function with a service behind it, as in TorchServe's older examples."""

import io

import numpy as np
import torch
from network import Tiny
from PIL import Image


class Service:
    def __init__(self):
        self.net = None

    def initialize(self, context):
        self.net = Tiny()
        self.net.load_state_dict(torch.load("tiny.pt", weights_only=True))
        self.net.eval()
        self.handler = context.manifest["model"]["handler"]

    def predict(self, row):
        image = Image.open(io.BytesIO(row.pop("body"))).convert("RGB")
        x = torch.from_numpy(np.asarray(image, np.float32) / 255).permute(2, 0, 1)[None]
        return self.net(x)[0].tolist()


_service = Service()


def handle(data, context):
    if _service.net is None:
        _service.initialize(context)
    if data is None:
        return None
    with torch.no_grad():
        return [_service.predict(row) for row in data]


def other_name(data, context):
    answers = handle(data, context)
    return answers and [{"by": _service.handler, "scores": answer} for answer in answers]
