"""Prediction difference analysis against loops over windows, for each way of filling them."""

from __future__ import annotations

from itertools import product
from math import log2

import pytest
import torch
from toy_subject import ToySubject

from foveal.attribution import get_method
from foveal.attribution.perturbation.patch_gaussian import PatchGaussian
from foveal.errors import UsageError

prediction_difference = get_method("prediction-difference").attribute


def _subject(sides=(7, 6), channels=2, training=9, **fields):
    random = torch.Generator().manual_seed(0)
    weight = torch.randn(channels * torch.Size(sides).numel(), 3, generator=random, dtype=torch.float64)
    x = torch.randn(2, channels, *sides, generator=random, dtype=torch.float64)
    given = (
        torch.randn(training, channels, *sides, generator=random, dtype=torch.float64) if training else None
    )
    return ToySubject(lambda rows: (rows.flatten(1) @ weight) / 3, x, training=given, **fields)


def _bits(p, classes, laplace=100_000):
    q = (p * laplace + 1) / (laplace + classes)
    return log2(q / (1 - q))


def _starts(side, window, stride):
    return sorted({*range(0, side - window + 1, stride), side - window})


def _twin(subject, sample, unit, window, stride, fills):
    """Average the evidence over windows; `fills` gives the contents of a window, one after the other."""
    x = subject.x[sample]
    sides = x.shape[1:]
    total, count = torch.zeros(sides, dtype=x.dtype), torch.zeros(sides)
    plain = float(subject.probabilities(x[None])[0, unit])
    for corner in product(*(_starts(side, window, stride) for side in sides)):
        where = tuple(slice(low, low + window) for low in corner)
        values = []
        for content in fills(x, corner, where):
            changed = x.clone()
            changed[(slice(None), *where)] = content
            values.append(float(subject.probabilities(changed[None])[0, unit]))
        without = sum(values) / len(values)
        lost = _bits(plain, 3) - _bits(without, 3) if subject.classes else plain - without
        total[where] += lost
        count[where] += 1
    return (total / count).float()


@pytest.mark.parametrize("classes", [True, False])
@pytest.mark.parametrize("sides", [(9,), (7, 6), (4, 5, 4)])
def test_equals_loops_where_the_mean_fills(sides, classes):
    subject = _subject(sides, classes=classes)
    maps = prediction_difference(subject, window=3, stride=2, fill="mean")

    def fills(x, _corner, _where):
        yield x.flatten(1).mean(1).reshape(-1, *[1] * len(sides))

    for sample, unit in product(range(2), range(3)):
        torch.testing.assert_close(maps[sample, unit], _twin(subject, sample, unit, 3, 2, fills))


def test_equals_loops_where_training_samples_fill():
    subject = _subject()
    maps = prediction_difference(subject, window=3, stride=2, samples=4, fill="marginal")
    for sample, unit in product(range(2), range(3)):
        random = torch.Generator().manual_seed(0)

        def fills(_x, _corner, where, random=random):
            for chosen in torch.randint(9, (4,), generator=random).tolist():
                yield subject.training[chosen][(slice(None), *where)]

        torch.testing.assert_close(maps[sample, unit], _twin(subject, sample, unit, 3, 2, fills))


@pytest.mark.parametrize("pad", [0, 1, 9])
def test_equals_loops_where_a_gaussian_fills(pad):
    subject = _subject((6, 5), channels=1)
    maps = prediction_difference(subject, window=2, stride=2, samples=3, pad=pad)
    patch = (min(2 + 2 * pad, 6), min(2 + 2 * pad, 5))
    for sample, unit in product(range(2), range(3)):
        random = torch.Generator().manual_seed(0)
        gaussian = PatchGaussian.fit(subject.training, patch, random)

        def fills(x, corner, _where, random=random, gaussian=gaussian):
            noise = torch.randn((3, 4), generator=random, dtype=torch.float64)
            yield from _conditioned(gaussian, x[0], corner, patch, pad, noise)

        expected = _twin(subject, sample, unit, 2, 2, fills)
        torch.testing.assert_close(maps[sample, unit], expected, atol=1e-5, rtol=1e-4)


def _conditioned(gaussian, x, corner, patch, pad, noise):
    """Write the conditional Gaussian with inverses, value by value."""
    start = [
        min(max(0, low - pad), side - own) for low, side, own in zip(corner, x.shape, patch, strict=True)
    ]
    seen = x[start[0] : start[0] + patch[0], start[1] : start[1] + patch[1]].flatten()
    places = list(product(range(patch[0]), range(patch[1])))
    offset = [low - own for low, own in zip(corner, start, strict=True)]
    window = [
        n for n, place in enumerate(places)
        if all(off <= one < off + 2 for off, one in zip(offset, place, strict=True))
    ]  # fmt: skip
    around = [n for n in range(len(places)) if n not in window]
    C, mean = gaussian.covariance, gaussian.mean
    gain = C[window][:, around] @ torch.linalg.inv(C[around][:, around])
    expected = mean[window] + gain @ (seen[around] - mean[around])
    root = torch.linalg.cholesky(C[window][:, window] - gain @ C[around][:, window])
    for row in noise:
        yield (expected + root @ row).clamp(gaussian.low[0], gaussian.high[0]).reshape(2, 2)


def test_statistics_are_those_of_patches():
    """Training samples that are constant: all values of a patch vary as one."""
    levels = torch.linspace(-1, 1, 64, dtype=torch.float64)
    gaussian = PatchGaussian.fit(
        levels.reshape(-1, 1, 1, 1).expand(-1, 1, 8, 8), (3, 2), torch.Generator().manual_seed(0)
    )
    assert gaussian.mean.abs().max() < 0.05
    assert (gaussian.covariance - levels.var()).abs().max() < 0.02
    assert (float(gaussian.low), float(gaussian.high)) == (-1, 1)


def test_what_the_surroundings_tell_is_no_evidence():
    """In a world of constant samples a window holds nothing that is not known from around it."""
    levels = torch.linspace(-1, 1, 64).reshape(-1, 1, 1, 1).expand(-1, 1, 12, 12)
    x = torch.full((1, 1, 12, 12), 0.9)
    marked = x.clone()
    marked[..., 4:8, 4:8] = -0.9
    for given, surprising in ((x, False), (marked, True)):
        subject = ToySubject(lambda rows: rows.mean((2, 3)) * 10, given, classes=False, training=levels)
        maps = prediction_difference(subject, window=4, stride=4, pad=2)
        assert (maps.abs().max() > 0.5) == surprising


def test_auto_is_conditional_with_training_samples_and_mean_without():
    torch.testing.assert_close(
        prediction_difference(_subject(), window=3),
        prediction_difference(_subject(), window=3, fill="conditional"),
    )
    torch.testing.assert_close(
        prediction_difference(_subject(training=0), window=3),
        prediction_difference(_subject(training=0), window=3, fill="mean"),
    )


def test_one_logit_against_class_one():
    """Its probability is told with a minus: the evidence is that of the other class, and as large."""
    x = torch.randn(1, 1, 6, 6, dtype=torch.float64)

    class Single(ToySubject):
        sign = 1.0

        def probabilities(self, x):
            return self.sign * torch.sigmoid(self.scores(x))

    subject = Single(lambda rows: rows.sum((2, 3)) / 3, x)
    for_one = prediction_difference(subject, window=3)
    subject.sign = -1.0
    torch.testing.assert_close(prediction_difference(subject, window=3), -for_one, atol=1e-4, rtol=1e-3)


def test_what_is_no_probability_is_explained_by_its_difference():
    x = torch.randn(1, 1, 6, 6, dtype=torch.float64)

    class Contrast(ToySubject):
        def probabilities(self, x):
            return self.scores(x).softmax(1) - 0.5

    subject = Contrast(lambda rows: rows.flatten(2).sum(2) * torch.tensor([1.0, -1.0]), x)
    maps = prediction_difference(subject, window=6, fill="mean")
    expected = subject.probabilities(x) - subject.probabilities(x.mean().expand_as(x))
    torch.testing.assert_close(maps[..., 0, 0], expected.float(), atol=1e-6, rtol=1e-5)


def test_says_what_is_missing():
    with pytest.raises(UsageError) as caught:
        prediction_difference(_subject(training=0), fill="marginal")
    assert str(caught.value) == "Fill 'marginal' needs training samples. Give some, or the fill 'mean'."
    subject = _subject()
    subject.training = subject.training[..., :3]
    with pytest.raises(UsageError) as caught:
        prediction_difference(subject, fill="marginal")
    assert str(caught.value) == (
        "Training samples of shape (2, 7, 3) do not fit samples of shape (2, 7, 6). "
        "Give them as the model takes them."
    )
    with pytest.raises(UsageError) as caught:
        prediction_difference(subject, window=3, stride=4)
    assert str(caught.value) == "Option 'stride' is 4, beyond a window of 3. Give 3 or less."
    with pytest.raises(UsageError) as caught:
        prediction_difference(_subject((70, 70)), window=40, pad=3)
    assert str(caught.value) == (
        "A window and its surroundings have 4232 values, more than 4096. "
        "Set a smaller window or pad, or the fill 'marginal'."
    )
