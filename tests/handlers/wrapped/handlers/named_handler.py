"""Keeps its network where nobody looks unless told."""

import io

import numpy as np
import torch
from network import Tiny
from PIL import Image


def load():
    network = Tiny()
    network.load_state_dict(torch.load("tiny.pt", weights_only=True))
    return network.eval()


def predict(network, data):
    images = [Image.open(io.BytesIO(row["body"])).convert("RGB") for row in data]
    x = torch.stack([torch.from_numpy(np.asarray(i, np.float32) / 255).permute(2, 0, 1) for i in images])
    with torch.inference_mode():
        return network(x).tolist()


class NamedHandler:
    def initialize(self, context):
        self.nets = {"first": 1, "second": [load()]}

    def handle(self, data, context):
        return predict(self.nets["second"][0], data)
