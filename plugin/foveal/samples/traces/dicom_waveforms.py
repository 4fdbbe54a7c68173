"""Waveforms in DICOM files (PS3.3 C.10.9): electrocardiograms, pressures, sounds. Through pydicom."""

from __future__ import annotations

import re

import numpy as np

from foveal.errors import UsageError
from foveal.samples.kinds import Decoded
from foveal.samples.medical.dataset import discreet, open_dataset
from foveal.samples.numpy_files import as_sample
from foveal.samples.traces.sounds import check_length

#: Leads of an electrocardiogram as PS3.16 CID 3001 writes them.
_LEAD = re.compile(r"Lead (I|II|III|aV[RLF]|V[1-9]R?|[XYZ])( \((Einthoven|Frank)\))?")


def decode_waveform(data: bytes, name: str) -> Decoded:
    """Read the first multiplex group of a DICOM waveform as a trace (T, C), in the units that it states.

    Raises
    ------
    UsageError
        If the file is damaged or holds no waveform; names the sample and quotes nothing of the file.
    """
    dataset = open_dataset(data, name, ["WaveformSequence"])
    with discreet(name):
        groups = dataset.get("WaveformSequence") or []
        if not groups:
            raise UsageError(f"Sample {name!r} holds no waveform", "Send a file with a WaveformSequence")
        group = groups[0]
        check_length(int(group.NumberOfWaveformSamples) * int(group.NumberOfWaveformChannels), name)
        values = np.asarray(dataset.waveform_array(0), np.float32)
        rate = float(group.SamplingFrequency)
        names = tuple(_name(channel) for channel in group.ChannelDefinitionSequence)
    return Decoded(as_sample(values, name), spacing=(1 / rate,) if rate > 0 else (), channels=names)


def _name(channel: object) -> str:
    """Name a channel by its code's meaning where that is a lead's: other text may name anybody."""
    source = getattr(channel, "ChannelSourceSequence", None)
    meaning = str(source[0].get("CodeMeaning", "")) if source else ""
    return meaning if _LEAD.fullmatch(meaning) else ""
