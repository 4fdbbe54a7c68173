"""Sends parts of its answer before the whole."""

import io

import numpy as np
import torch
from PIL import Image
from ts.handler_utils.utils import send_intermediate_predict_response
from ts.torch_handler.base_handler import BaseHandler


class StreamingHandler(BaseHandler):
    def handle(self, data, context):
        images = [Image.open(io.BytesIO(row["body"])).convert("RGB") for row in data]
        x = torch.stack([torch.from_numpy(np.asarray(i, np.float32) / 255).permute(2, 0, 1) for i in images])
        scores = self.inference(x)
        for part in range(3):
            send_intermediate_predict_response(
                [f"{part} " for _ in data],
                context.request_ids,
                "Intermediate Prediction success",
                200,
                context,
            )
        return [str(row) for row in scores.tolist()]
