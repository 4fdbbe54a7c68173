"""Waveforms in DICOM files (PS3.3 C.10.9): electrocardiograms, pressures, sounds. Through pydicom."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from foveal.errors import UsageError
from foveal.samples.kinds import Decoded
from foveal.samples.medical.allowed import ALLOWED, allowed_tags
from foveal.samples.medical.dataset import discreet, open_dataset
from foveal.samples.numpy_files import as_sample
from foveal.samples.traces.sounds import check_length

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

#: Leads of an electrocardiogram as PS3.16 CID 3001 writes them.
_LEAD = re.compile(r"Lead (I|II|III|aV[RLF]|V[1-9]R?|[XYZ])( \((Einthoven|Frank)\))?")


def decode_waveform(data: bytes, name: str) -> Decoded:
    """Read the longest multiplex group of a DICOM waveform as a trace (T, C), in the units that it states.

    A file may hold several groups of different lengths and rates, as the rhythm and an averaged beat of an
    electrocardiogram. Its tags say which group was read (``WaveformGroup``: ``1 of 2``).

    Raises
    ------
    UsageError
        If the file is damaged or holds no waveform; names the sample and quotes nothing of the file.
    """
    dataset = open_dataset(data, name, ["WaveformSequence", *ALLOWED])
    with discreet(name):
        groups = dataset.get("WaveformSequence") or []
        if not groups:
            raise UsageError(f"Sample {name!r} holds no waveform", "Send a file with a WaveformSequence")
        number = max(range(len(groups)), key=lambda one: _seconds(groups[one]))
        group = groups[number]
        check_length(int(group.NumberOfWaveformSamples) * int(group.NumberOfWaveformChannels), name)
        values = np.asarray(dataset.waveform_array(number), np.float32)
        rate = float(group.SamplingFrequency)
        names = tuple(_name(channel) for channel in group.ChannelDefinitionSequence)
        tags = allowed_tags(dataset) | {"WaveformGroup": f"{number + 1} of {len(groups)}"}
    return Decoded(as_sample(values, name), tags, (1 / rate,) if rate > 0 else (), names)


def _seconds(group: Dataset) -> float:
    """Say how long a group lasts; one that does not say it comes last."""
    try:
        return int(group.NumberOfWaveformSamples) / float(group.SamplingFrequency)
    except (AttributeError, TypeError, ValueError, ZeroDivisionError):
        return 0.0


def _name(channel: object) -> str:
    """Name a channel by its code's meaning where that is a lead's: other text may name anybody."""
    source = getattr(channel, "ChannelSourceSequence", None)
    meaning = str(source[0].get("CodeMeaning", "")) if source else ""
    return meaning if _LEAD.fullmatch(meaning) else ""
