"""Where the truth is known: maps point at it, and the registry's sanity verdicts are what is measured again.

Nodules, white blood cells, the right one of two objects, and of two digits that a transformer names;
the networks are trained once for all tests.
"""

import known_truth
import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from foveal import explain
from foveal.attribution import all_methods, get_evidence_method
from foveal.capture import ClassTarget
from foveal.errors import UsageError
from foveal_audit.comparing.randomisation import RESEMBLES, check_method, check_randomisation
from foveal_audit.comparing.results import sum_up
from foveal_audit.comparing.running import Contender, Question, compare

#: Methods whose verdict rests on both networks, and not on the draw as that of gradcam++ does (on ResNet-20).
MEASURED = ("gradient", "gradcam", "hirescam", "layercam", "guided-backprop", "lrp-zplus")
#: Methods that no network but a transformer can be asked for: their verdict rests on that alone.
ATTENTIVE = ("attention", "attention-rollout", "gradient-rollout")
#: What `foveal.explain` does where nothing else is asked for.
DEFAULT = Contender("hirescam", "auto")


@pytest.fixture(scope="module")
def folder():
    found = known_truth.real_samples()
    if found is None:
        pytest.skip("Set FOVEAL_DATA to the folder with the real samples")
    return found


@pytest.fixture(scope="module")
def nodules():
    return known_truth.nodules()


@pytest.fixture(scope="module")
def nodule_net(nodules):
    """The patent's network on a small study, and twelve of its images."""
    return nodules.model, torch.stack([case.x for case in nodules.cases[:12]])


@pytest.fixture(scope="module")
def resnet(folder):
    """ResNet-20 that others trained, and twelve images."""
    images, _ = known_truth.cifar_images(folder / "cifar10", 2)
    return known_truth.trained_resnet(folder / "cifar10"), images[:12]


@pytest.fixture(scope="module")
def digits():
    """A transformer that names two digits among scrambled ones, after a third of the benchmark's pictures."""
    return known_truth.digits(pictures=2000)


def pointing(known, *contenders):
    question = Question(known.target, known.tolerance, faithful=False)
    return [
        one.measures["pointing"] for one in sum_up(compare(known.model, known.cases, contenders, question))
    ]


@pytest.mark.slow
def test_nodules_of_both_sites_are_hit_by_default(nodules):
    known = nodules
    assert explain(known.model, known.cases[0].x[None]).method == DEFAULT.method
    found, chance = pointing(known, DEFAULT, Contender("random map", "baseline"))
    assert found.count == 120
    assert found.mean >= 0.95
    assert chance.mean < 0.3
    for site in "AB":
        own = [case for case in known.cases if case.name.startswith(site)]
        assert len(own) == 60
        (found,) = pointing(known_truth.Known(known.model, own, known.training, known.target, 3), DEFAULT)
        assert found.mean >= 0.9, site


@pytest.mark.slow
def test_white_cells_are_hit_by_default(folder):
    known = known_truth.cells(folder / "blood-cells")
    found, chance = pointing(known, DEFAULT, Contender("random map", "baseline"))
    assert found.mean >= 0.9
    assert chance.mean < 0.3


@pytest.mark.slow
def test_each_of_two_objects_is_found_in_its_own_half(folder):
    known = known_truth.two_objects(folder / "cifar10", number=80)
    found, gradcam, chance = pointing(
        known, DEFAULT, Contender("gradcam", "auto"), Contender("centre", "baseline")
    )
    assert found.mean >= 0.95
    assert gradcam.mean == pytest.approx(found.mean, abs=1e-6)  # behind an average over space they are one
    assert chance.mean == 0.5


@pytest.mark.slow
@pytest.mark.parametrize("name", MEASURED)
def test_the_verdict_of_the_registry_is_the_measured_one(resnet, nodule_net, name):
    found = {check_method(*trained, name, stages=(0.5, 1.0)).verdict for trained in (resnet, nodule_net)}
    assert all_methods()[name].sanity == (found.pop() if len(found) == 1 else "mixed")


@pytest.mark.slow
@pytest.mark.parametrize("name", ATTENTIVE)
def test_the_verdict_on_attention_is_the_measured_one(digits, name):
    pictures = torch.stack([case.x for case in digits.cases[:24:2]])
    assert all_methods()[name].sanity == check_method(digits.model, pictures, name, draws=3).verdict


@pytest.mark.slow
def test_a_transformer_tells_which_digit_by_gradients_of_attention_and_not_by_attention_alone(digits):
    rollout, attention, chance = pointing(
        digits,
        Contender("gradient-rollout", "input"),
        Contender("attention", "input"),
        Contender("random map", "baseline"),
    )
    assert rollout.count == 120
    assert rollout.mean >= 0.65
    assert attention.mean <= 0.5  # the same map for both digits of a picture
    assert chance.mean < 0.2


@pytest.mark.slow
def test_the_grain_of_guided_gradcam_is_guided_backprop_which_fails_where_a_gradient_passes(nodule_net):
    model, x = nodule_net
    first = explain(model, x, method="gradcam")
    coarse = interpolate(first.maps.clamp(min=0), x.shape[2:], mode="bilinear", align_corners=False)[:, 0]
    shown = [one > 0 for one in coarse.numpy()]
    alike = {name: _alike_inside(model, x, name, shown) for name in ("guided-backprop", "gradient")}
    assert alike["guided-backprop"] >= RESEMBLES
    assert alike["gradient"] < RESEMBLES


def _alike_inside(model, x, name, shown):
    """Correlate maps where Grad-CAM lets them be seen, with the upper half of the network drawn anew."""
    classes = ClassTarget(explain(model, x).output.argmax(1))

    def maps_of(network, seed):
        maps = explain(network, x, method=name, targets=[classes]).maps[:, 0].numpy()
        return [map_[seen] if seen.any() else np.zeros(9) for map_, seen in zip(maps, shown, strict=True)]

    return check_randomisation(model, x, maps_of, stages=(0.5,)).similarity[0].rank


@pytest.mark.parametrize("name", ["guided-backprop", "guided-gradcam", "desalinet"])
def test_what_fails_may_be_viewed_and_never_kept_as_evidence(name):
    assert all_methods()[name].sanity == "fails"
    with pytest.raises(UsageError) as caught:
        get_evidence_method(name)
    assert str(caught.value).startswith(
        f"Method {name!r} fails the weight-randomisation check, it is for viewing only. Choose one of "
    )
    assert name not in str(caught.value).partition("Choose one of ")[2]
