"""Micro-batches in threads, as in TorchServe's example."""

import io

import numpy as np
import torch
from PIL import Image
from ts.handler_utils.micro_batching import MicroBatching
from ts.torch_handler.base_handler import BaseHandler


class MicroHandler(BaseHandler):
    def __init__(self):
        super().__init__()
        self.handle = MicroBatching(self, micro_batch_size=2, parallelism={"inference": 2})

    def preprocess(self, data):
        images = [Image.open(io.BytesIO(row["body"])).convert("RGB") for row in data]
        return torch.stack(
            [torch.from_numpy(np.asarray(i, np.float32) / 255).permute(2, 0, 1) for i in images]
        )

    def postprocess(self, data):
        return data.tolist()
