"""Every training window of a facet, as the bundle lists it."""

from __future__ import annotations

import numpy as np

from foveal_audit.bundle.schema import Assessment
from foveal_audit.bundle.training import TrainingWindows
from foveal_audit.windows import WHOLE_PICTURE, Samples, Windows


def training_windows(assessment: Assessment, windows: Windows, samples: Samples) -> TrainingWindows:
    """List a facet's windows that are of training; a whole picture has no entry."""
    rows = np.flatnonzero(samples.of("training")[windows.owner])
    owner, ids = windows.owner[rows], windows.ids[rows].tolist()
    return TrainingWindows(
        facet=assessment.id,
        samples=samples.names[owner].tolist(),
        labels=samples.labels[owner].tolist(),
        windows=windows.boxes[rows].tolist(),
        activations=windows.activation[rows].tolist(),
        entries=["" if name.startswith(WHOLE_PICTURE) else name for name in ids],
    )
