"""Fails as the request asks for."""

import torch
from network import Tiny
from ts.utils.util import PredictionException

FAULTS = {
    b"memory": lambda: MemoryError("none left"),
    b"refused": lambda: PredictionException("not this one", 422),
    b"cuda": lambda: RuntimeError("CUDA error: out of memory"),
    b"other": lambda: KeyError("other"),
}


class FailingHandler:
    def __init__(self):
        self.model = Tiny().eval()

    def initialize(self, context):
        pass

    def handle(self, data, context):
        content = bytes(data[0]["body"])
        if content == b"short":
            return []
        if content == b"shape":
            return self.model(torch.zeros(1, 7, 4, 4)).tolist()
        fault = FAULTS[content]()
        raise fault
