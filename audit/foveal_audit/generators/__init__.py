"""Generators: how each feature looks, learned from its library, measured, and written for the bundle.

:func:`learn_generator` does it all for one feature; :func:`export_generator` writes its folder.
"""

from .card import QualityCard, quality_card
from .errors import FEWEST_CROPS, TooFewCrops
from .export import export_generator
from .generator import Generator
from .learning import Learned, learn_generator
from .memorisation import CopyGuard
from .metrics import nearest_crops
from .registration import align_to, register_crops
from .registry import DEFAULT_KIND, KINDS, fit_generator
from .serving import fresh_crops
from .storage import load_generator

__all__ = [
    "DEFAULT_KIND",
    "FEWEST_CROPS",
    "KINDS",
    "CopyGuard",
    "Generator",
    "Learned",
    "QualityCard",
    "TooFewCrops",
    "align_to",
    "export_generator",
    "fit_generator",
    "fresh_crops",
    "learn_generator",
    "load_generator",
    "nearest_crops",
    "quality_card",
    "register_crops",
]
