"""Files of every kind with something loud or bright in one place, and networks that look for it there."""

from __future__ import annotations

import numpy as np
import torch
import wfdb
from nibabel import Nifti1Image
from torch import nn

from foveal.archives.model import AuditedModel
from foveal.config import FovealConfig
from foveal.samples.kinds import get_kind, read_transform
from foveal.samples.traces.playing import encode_wav

#: Steps per second of the record and of the sound, and millimetres per voxel of the scan (z, y, x).
ECG_RATE, SOUND_RATE = 250, 8000
VOXEL = (4.0, 0.5, 0.5)
#: Where each is loud or bright, in steps, and the sound's frequency in Hz.
LOUD = {"record": (500, 600), "sound": (3200, 4000), "scan": (4, 8, 12, 8, 16, 24)}
TONE = 2000.0


class Loud(nn.Module):
    """Looks for high values on any number of axes: the second class has many of them."""

    def __init__(self, axes, size):
        super().__init__()
        conv = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[axes - 1]
        self.blur = conv(1, 2, size, stride=size, bias=False)
        self.fc = nn.Linear(2, 2)
        with torch.no_grad():
            self.blur.weight[0] = 1 / size**axes
            self.blur.weight[1] = -1 / size**axes
            self.fc.weight.copy_(torch.tensor([[-1.0, 1.0], [1.0, -1.0]]))
            self.fc.bias.zero_()

    def forward(self, x):
        return self.fc(torch.relu(self.blur(x)).flatten(2).mean(-1))


#: Section, axes of the network's input and its blur.
_NETWORKS = {
    "record": ({"kind": "signal", "size": [1000], "channels": 1}, 1, 20),
    "sound": (
        {
            "kind": "audio", "rate": SOUND_RATE, "size": [8000], "channels": 1,
            "spectrogram": {"window": 256, "hop": 128, "log": False},
        },
        2,
        3,
    ),
    "scan": ({"kind": "volume", "size": [12, 24, 32], "channels": 1}, 3, 2),
}  # fmt: skip


def model_of(name, **section):
    """Give the model that looks at samples of one sort."""
    own, axes, blur = _NETWORKS[name]
    side = np.subtract(LOUD[name][len(LOUD[name]) // 2 :], LOUD[name][: len(LOUD[name]) // 2]).tolist()
    config = {"features": ["class:1"], "rule": "nonzero", "layer": "blur", "window": side, "max_windows": 1}
    return AuditedModel(
        name=name,
        module=Loud(axes, blur).eval(),
        transform=read_transform({**own, **section}),
        labels=("dark", "bright"),
        config=FovealConfig.from_mapping(config, environ={}),
        sha256="f" * 64,
        source="python:placed_samples:model",
    )


def kind_of(name):
    """Give the kind of samples of one sort."""
    return get_kind(_NETWORKS[name][0]["kind"])


def _quiet(shape, number):
    return np.random.default_rng(number).normal(0, 0.01, shape).astype(np.float32)


def _record(folder, number):
    trace = _quiet((1000, 1), number).astype(np.float64)
    trace[slice(*LOUD["record"])] += 2
    wfdb.wrsamp(
        f"r{number}", fs=ECG_RATE, units=["mV"], sig_name=["II"], p_signal=trace, fmt=["16"],
        write_dir=str(folder),
    )  # fmt: skip
    return folder / f"r{number}.hea"


def _sound(folder, number):
    values = _quiet((8000, 1), number)
    part = np.arange(*LOUD["sound"])
    values[part, 0] += np.sin(2 * np.pi * TONE * part / SOUND_RATE)
    (folder / f"s{number}.wav").write_bytes(encode_wav(values, (1 / SOUND_RATE,)))
    return folder / f"s{number}.wav"


def _scan(folder, number):
    z0, y0, x0, z1, y1, x1 = LOUD["scan"]
    values = _quiet((12, 24, 32), number)
    values[z0:z1, y0:y1, x0:x1] += 3
    image = Nifti1Image(values.transpose(2, 1, 0), np.diag([*VOXEL[::-1], 1.0]))
    image.header.set_xyzt_units("mm")
    image.to_filename(folder / f"v{number}.nii")
    return folder / f"v{number}.nii"


_WRITERS = {"record": _record, "sound": _sound, "scan": _scan}


def write_placed(name, folder, count=1):
    """Write samples of one sort; gives their files."""
    return [_WRITERS[name](folder, number) for number in range(count)]
