import numpy as np
import pytest

from foveal.errors import UsageError
from foveal_audit.generators import KINDS, TooFewCrops, fit_generator
from foveal_audit.generators.registry import DEFAULT_KIND


def test_fewer_than_twelve_crops_are_refused(library):
    with pytest.raises(TooFewCrops) as caught:
        fit_generator(library[:11])
    assert str(caught.value) == (
        "11 crops are too few to learn a generator, at least 12 are needed. "
        "Collect more samples that show the feature."
    )
    assert (caught.value.n, caught.value.needed, caught.value.exit_code) == (11, 12, 2)


def test_an_empty_library_is_refused_too():
    with pytest.raises(TooFewCrops, match="0 crops are too few"):
        fit_generator(np.zeros((0, 1, 16, 16), np.float32))


@pytest.mark.parametrize(("n", "kind"), [(12, "pca-gmm"), (39, "pca-gmm"), (40, "pca-vae")])
def test_few_crops_get_the_simpler_kind_and_it_is_written_down(library, n, kind):
    generator = fit_generator(library[:n], kind="pca-vae", steps=1)
    assert generator.kind == kind
    assert (generator.origin.asked, generator.origin.n_crops) == ("pca-vae", n)


def test_an_unknown_kind_names_the_nearest(library):
    with pytest.raises(UsageError) as caught:
        fit_generator(library, kind="pca-vea")
    assert str(caught.value) == "Unknown kind of generator 'pca-vea'. Did you mean 'pca-vae' or 'pca-gmm'."


def test_every_kind_is_what_it_says():
    assert DEFAULT_KIND in KINDS
    for name, kind in KINDS.items():
        assert kind.restores.kind == name
        assert kind.instead is None or KINDS[kind.instead].fewest < kind.fewest


@pytest.mark.parametrize(
    ("crops", "message"),
    [
        (np.zeros((20, 16)), r"crops must be \(n, channels, one to three sides\), got shape \(20, 16\)"),
        (np.zeros((20, 1, 7, 16)), r"crops need sides of at least 8, got \(7, 16\)"),
        (np.full((20, 1, 16, 16), 128.0), r"crops must be finite and lie in \[0, 1\]"),
        (np.full((20, 1, 16, 16), np.nan), r"crops must be finite and lie in \[0, 1\]"),
    ],
)
def test_crops_are_checked_at_the_door(crops, message):
    with pytest.raises(ValueError, match=message):
        fit_generator(crops)


def test_whole_numbers_and_doubles_are_taken(library):
    doubles = fit_generator(library.astype(float), kind="pca-gmm")
    np.testing.assert_array_equal(doubles.sample(2, 0), fit_generator(library, kind="pca-gmm").sample(2, 0))
