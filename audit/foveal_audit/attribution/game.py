"""A cooperative game: which parts of the samples are seen decides the scores.

Captum's samplers explain one example with one score. Here the whole batch is that example and the parts are
its features: all samples and units share each perturbed forward, and each sample sees the same coalitions
whatever else is in its batch.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from foveal.attribution import Subject
from foveal.attribution.perturbation.passes import in_chunks, repetitions
from foveal.faithfulness.baselines import make_baseline
from foveal_audit.attribution.segments import draw_segments


class Game:
    """Parts of a subject's samples as players.

    Parameters
    ----------
    subject
        Whose batch it is.
    score
        Its ``scores`` or ``probabilities``.
    segments, kind
        How many parts and of what kind; see :func:`~foveal_audit.attribution.segments.draw_segments`.
    baseline
        What stands where a part is missing.
    """

    def __init__(
        self, subject: Subject, score: Callable[[Tensor], Tensor], *, segments: int, kind: str, baseline: str
    ) -> None:
        self.subject = subject
        self._score = score
        self._parts, self.players = draw_segments(subject.x, segments, kind)
        self._other = make_baseline(subject.x, baseline)
        self._known: dict[bytes, Tensor] = {}

    @property
    def everyone(self) -> Tensor:
        """The coalition (1, P) of all parts."""
        return torch.ones(1, self.players, device=self.subject.x.device)

    @property
    def at_once(self) -> int:
        """How many coalitions fit into one forward."""
        return repetitions(self.subject)

    def __call__(self, coalitions: Tensor) -> Tensor:
        """Score coalitions (R, P) of 0 and 1, each only once: (R, B * K)."""
        present = coalitions > 0.5
        keys = [row.tobytes() for row in present.cpu().numpy()]
        new = {key: row for key, row in zip(keys, present, strict=True) if key not in self._known}
        for chunk in in_chunks(new.items(), self.at_once):
            values = self._play(torch.stack([row for _, row in chunk]))
            self._known.update(zip((key for key, _ in chunk), values, strict=True))
        return torch.stack([self._known[key] for key in keys])

    def maps(self, values: Tensor) -> Tensor:
        """Lay the players' values (B * K, P) out over the samples: (B, K, *S)."""
        x, count = self.subject.x, self.subject.count
        by_sample = values.reshape(len(x), count, self.players)
        index = self._parts.flatten(1)[:, None].expand(-1, count, -1)
        return by_sample.gather(2, index).reshape(len(x), count, *x.shape[2:]).float()

    @torch.no_grad()
    def _play(self, present: Tensor) -> Tensor:
        """Score coalitions (R, P): (R, B * K)."""
        x = self.subject.x
        seen = present[:, self._parts][:, :, None]
        return self._score(torch.where(seen, x, self._other).flatten(0, 1)).reshape(len(present), -1)
