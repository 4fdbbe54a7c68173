"""The errors that onnxruntime raises (kinds of its own), and what to do where gradients do not help."""

from __future__ import annotations

from onnxruntime.capi import onnxruntime_pybind11_state as raised

#: What is left where there is no gradient.
PERTURB = "explain the model by perturbation (rise), which needs no gradient"

#: A file that does not open, or does not run.
FAULTS: tuple[type[Exception], ...] = (
    raised.Fail,
    raised.InvalidArgument,
    raised.InvalidGraph,
    raised.InvalidProtobuf,
    raised.NoSuchFile,
    raised.NotImplemented,
    raised.RuntimeException,
)
