"""Small segmentation networks: toys whose fields can be counted, and the demo's U-net."""

from __future__ import annotations

import torch

from foveal_audit.studies.spot_network import CONVOLUTIONS, POOLINGS, UNet

__all__ = ["CONVOLUTIONS", "POOLINGS", "UNet", "positive"]


def positive(net):
    """Make every weight and bias positive: then every input that is read moves the output."""
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.abs_().add_(0.1)
    return net.eval()
