"""Samples: decode them, list them and turn them into what a network takes."""

from foveal.samples.images import decode_image, encode_png, read_file, read_image
from foveal.samples.listing import SampleFile, list_samples
from foveal.samples.transform import ImageTransform

__all__ = [
    "ImageTransform",
    "SampleFile",
    "decode_image",
    "encode_png",
    "list_samples",
    "read_file",
    "read_image",
]
