"""What a pasted facet needs: its place, its surroundings, or nothing but itself.

All numbers are in margins, standard deviations of the class's centred logit over clean samples, and taken
over the same pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from foveal.records import Window
from foveal.samples.values import Values, axes_of
from foveal_audit.judgement.asking import Bench, Scale
from foveal_audit.judgement.filling import fill_from, like
from foveal_audit.judgement.pairs import summarise
from foveal_audit.judgement.places import any_place, border_place, cut
from foveal_audit.judgement.signals import Signal
from foveal_audit.judgement.transfer import Pair, Transfer, paste_crop

_Values = NDArray[np.float64]
#: Ratios to an effect that is near zero say nothing; they are cut off here.
_MOST = 2.0

#: Signals of the profile: the facet's effect less that of a crop from elsewhere in its donor, as a share of
#: the same at the native place, 0 to 2; p: of "no effect there".
#: ``paste_elsewhere``: at a random place; ``paste_border``: at a random place that touches the border.
#: High: the facet acts wherever it is, like a stamp or a movable object. Low: it must be where it was.
#: ``context_independence``: at its own place in phase-scrambled hosts. High: it needs no scene, like a mark
#: burnt in; low: it acts together with what is around it.
ELSEWHERE, BORDER, INDEPENDENCE = "paste_elsewhere", "paste_border", "context_independence"


def transfer_profile(
    bench: Bench, pasted: Transfer, outcome: int, scale: Scale, rng: np.random.Generator
) -> dict[str, Signal]:
    """Measure where and on what the pasted facet acts, against its effect at the native place."""
    native = scale(pasted.with_facet, outcome) - scale(pasted.with_control, outcome)

    def against(hosts: Sequence[Values], windows: Sequence[Window]) -> Signal:
        gain, control = (
            scale(bench.logits(_pasted(pasted.pairs, hosts, windows, crop_of)), outcome)
            for crop_of in (_facet, _control)
        )
        found = summarise(gain, control, *pasted.shared, bound=np.inf)
        return Signal(_ratio(found.estimate, float(native.mean())), found.p)

    hosts = [bench.pixels(pair.host) for pair in pasted.pairs]
    places = [pair.window for pair in pasted.pairs]
    moved = {
        name: [choose(place, host, rng) for place, host in zip(places, hosts, strict=True)]
        for name, choose in _PLACES.items()
    }
    found = {name: against(hosts, windows) for name, windows in moved.items()}
    return found | {INDEPENDENCE: against([scrambled(host, rng) for host in hosts], places)}


_PLACES: dict[str, Callable[[Window, Values, np.random.Generator], Window]] = {
    ELSEWHERE: any_place,
    BORDER: border_place,
}


def _facet(pair: Pair) -> Values:
    return pair.facet


def _control(pair: Pair) -> Values:
    return pair.control


def _pasted(
    pairs: Sequence[Pair],
    hosts: Sequence[Values],
    windows: Sequence[Window],
    crop_of: Callable[[Pair], Values],
) -> list[Values]:
    return [
        fill_from(host, window, crop_of(pair))
        for pair, host, window in zip(pairs, hosts, windows, strict=True)
    ]


def _ratio(part: float, whole: float) -> float:
    return float(np.clip(part / whole, 0, _MOST)) if whole > 1e-9 else 0.0


#: Controls beyond the crop from elsewhere in the donor. Each signal is the share of the facet's effect that
#: the control has too, 0 to 2 (p: of "the facet does no more than the control"). ``control_plain``: the same
#: place of another sample without the facet; ``control_blurred``: the facet without its fine detail, high for
#: tints and shading; ``control_scrambled``: with its colours and grain but without its shape, high for
#: texture and noise; ``control_elsewhere``: a crop from elsewhere in the donor. ``strongest_control``: the
#: largest of these, which is what an unkind reader would hold against the effect.
PLAIN, BLURRED, SCRAMBLED, ELSEWHERE_CROP, STRONGEST = (
    "control_plain",
    "control_blurred",
    "control_scrambled",
    "control_elsewhere",
    "strongest_control",
)


def strongest_control(
    bench: Bench, pasted: Transfer, outcome: int, scale: Scale, rng: np.random.Generator
) -> dict[str, Signal]:
    """Measure how much of the facet's effect its controls have too."""
    clean = scale(pasted.clean, outcome)
    gain = scale(pasted.with_facet, outcome) - clean
    answers = {name: _ask_control(bench, pasted, make, rng) for name, make in _CONTROLS.items()}
    answers[ELSEWHERE_CROP] = pasted.with_control
    found = {}
    for name, logits in answers.items():
        control = scale(logits, outcome) - clean
        p = summarise(gain, control, *pasted.shared, bound=np.inf).p
        found[name] = Signal(_ratio(float(control.mean()), float(gain.mean())), p)
    return found | {STRONGEST: max(found.values(), key=lambda signal: signal.value)}


_Control = Callable[[Bench, Transfer, int, np.random.Generator], Values]


def _ask_control(bench: Bench, pasted: Transfer, make: _Control, rng: np.random.Generator) -> _Values:
    crops = [make(bench, pasted, row, rng) for row in range(len(pasted.pairs))]
    return bench.logits(
        [paste_crop(bench, pair, crop) for pair, crop in zip(pasted.pairs, crops, strict=True)]
    )


def _from_another(bench: Bench, pasted: Transfer, row: int, _: np.random.Generator) -> Values:
    """Cut the pair's place out of the next pair's host, which may be of another size."""
    other = bench.pixels(pasted.pairs[(row + 1) % len(pasted.pairs)].host)
    window = pasted.pairs[row].window
    sides = other.shape[:-1] * 2
    crop = cut(other, tuple(min(edge, side) for edge, side in zip(window, sides, strict=True)))
    return crop if crop.size else other


def _blurred(_bench: Bench, pasted: Transfer, row: int, _: np.random.Generator) -> Values:
    return blurred(pasted.pairs[row].facet)


def _scrambled(_bench: Bench, pasted: Transfer, row: int, rng: np.random.Generator) -> Values:
    return scrambled(pasted.pairs[row].facet, rng)


_CONTROLS: dict[str, _Control] = {PLAIN: _from_another, BLURRED: _blurred, SCRAMBLED: _scrambled}


def blurred(values: Values) -> Values:
    """Blur a crop (*s, C) by a quarter of its shorter side (Gaussian)."""
    places = tuple(range(axes_of(values)))
    radius = min(values.shape[:-1]) / 4
    smooth = gaussian_filter(values.astype(np.float32), radius, axes=places, mode="nearest")
    return like(smooth, values)


def scrambled(values: Values, rng: np.random.Generator) -> Values:
    """Give a sample (*S, C) with the same spectrum and random phases: grain and colours, but no shape.

    All channels are turned by the same phases, so that their colours keep going together (Theiler et al.
    1992; Prichard and Theiler 1994).
    """
    places, shape = tuple(range(axes_of(values))), values.shape[:-1]
    spectrum = np.fft.rfftn(values.astype(np.float64), axes=places)
    noise = np.fft.rfftn(rng.normal(size=shape))
    noise[(0,) * len(shape)] = 1.0  # the mean stays
    turned = spectrum * (noise / np.maximum(np.abs(noise), 1e-12))[..., None]
    return like(np.fft.irfftn(turned, s=shape, axes=places), values)
