"""The façade: the network's own modules under their own names, its masks untouched, its features found."""

import copy

import pytest
import torch
from small_segmenters import UNet
from torch import nn

from foveal import explain
from foveal.capture import Tap, choose_layer
from foveal.capture.choosing import choose_node_layer
from foveal.errors import UsageError
from foveal.segmenting.network import Segmented, Segmenter
from foveal.segmenting.scores import scores
from foveal.segmenting.settings import segmented


@pytest.fixture
def net():
    torch.manual_seed(1)
    return UNet(2, classes=3).eval()


@pytest.fixture
def x():
    return torch.rand(2, 1, 16, 16, generator=torch.Generator().manual_seed(2))


def test_modules_and_weights_are_the_networks_own(net):
    model = Segmenter(net)
    own = [name for name, _ in model.named_modules()]
    assert own == [name for name, _ in net.named_modules()]
    assert list(model.state_dict()) == list(net.state_dict())
    assert model.get_submodule("dec") is net.dec
    model.double()
    assert net.out.weight.dtype == torch.float64


def test_modes_are_the_networks(net):
    model = Segmenter(net)
    model.train()
    assert net.training
    assert net.dec.training
    model.eval()
    assert [one.training for one in (net, net.dec, model)] == [False] * 3


def test_scores_are_those_of_the_masks(net, x):
    with torch.no_grad():
        assert torch.equal(Segmenter(net)(x), scores(net(x), 0))
        both = Segmenter(net, whole=True)(x)
        assert isinstance(both, Segmented)
        assert torch.equal(both.output, net(x))


def test_a_tapped_forward_gives_the_plain_masks(net, x):
    model = Segmenter(net, whole=True)
    with torch.inference_mode():
        plain = net(x)
    with Tap(model, "dec", ["dec"]) as tap:
        assert tap.calibrate(x)
        forward = tap.forward(x)
    assert torch.equal(forward.prediction.output, plain)
    assert torch.equal(forward.output, scores(plain, 0))


def test_a_mask_that_differs_where_the_score_does_not_is_predicted_plainly(x):
    class Fussy(nn.Module):
        """Gives other logits, with the same margins, where it is differentiated."""

        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 2, 3, padding=1)
            self.out = nn.Conv2d(2, 2, 1)

        def forward(self, x):
            logits = self.out(self.conv(x))
            return logits + 0.5 if torch.is_grad_enabled() else logits

    net = Fussy().eval()
    with torch.no_grad():
        for value in net.parameters():  # halves: sums stay exact, whatever is added
            value.copy_((value * 8).round() / 8)
        x = (x * 8).round() / 8
        plain = net(x)
    with Tap(Segmenter(net, whole=True), "conv") as tap:
        assert not tap.calibrate(x)
        assert torch.equal(tap.forward(x).prediction.output, plain)


def test_features_are_the_last_before_the_scores(net, x):
    model = Segmenter(net)
    assert (choose_layer(model, x), choose_node_layer(model, x)) == ("dec", "dec")


def test_a_network_of_one_convolution_has_no_features(x):
    with pytest.raises(UsageError) as fault:
        choose_layer(Segmenter(nn.Sequential(nn.Conv2d(1, 2, 1)).eval()), x)
    assert fault.value.fault == "The model has no layer of features before its last one"
    assert fault.value.mend == "Name one with --layer"


def test_explained_as_a_classifier(net, x):
    found = explain(Segmenter(net), x, targets=["class:1", "dec:2"])
    assert found.maps.shape == (2, 2, 16, 16)
    assert found.layer == "dec"
    with torch.no_grad():
        won = net(x).argmax(1) == 1
    # HiResCAM of a class at the last features: nothing where the class was not found.
    exact = explain(Segmenter(net), x, targets="class:1", method="hirescam").maps[:, 0]
    for row in range(len(x)):
        if won[row].any():
            assert not exact[row][~won[row]].any()


@pytest.mark.parametrize("target", ["segment:1", "pixel:1,2,3", "class:1@max", "class:1@2,3"])
def test_scores_have_no_positions_to_choose_from(net, x, target):
    with pytest.raises(UsageError) as fault:
        explain(Segmenter(net), x, targets=target)
    assert str(fault.value) == (
        "The output that is explained has no positions. Write class:1, which of a segmentation network means "
        "all positions of the class."
    )


def test_nodes_without_positions_have_none_either(x):
    net = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(392, 4), nn.Linear(4, 2)
    ).eval()
    with pytest.raises(UsageError) as fault:
        explain(net, x, layer="1", targets="3:2@max")
    assert str(fault.value) == "The layer '3' that is explained has no positions. Write 3:2."


def test_nested_outputs_are_opened(net, x):
    class Nested(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = net

        def forward(self, x):
            return {"aux": x, "out": self.body(x)}

    with torch.no_grad():
        assert torch.equal(Segmenter(Nested().eval())(x), Segmenter(net)(x))
        assert torch.equal(Segmenter(Nested().eval(), output="aux")(x), scores(torch.cat([0 * x, x], 1), 0))


def test_a_copy_shares_nothing_with_the_original(net, x):
    other = copy.deepcopy(Segmenter(net))
    before = Segmenter(net)(x)
    with torch.no_grad():
        other.get_submodule("out").weight.zero_()
        assert not torch.equal(other(x), before)
        assert torch.equal(Segmenter(net)(x), before)


def test_a_classifier_is_refused(x):
    with pytest.raises(UsageError) as fault:
        Segmenter(nn.Sequential(nn.Flatten(), nn.Linear(256, 3)))(x)
    assert fault.value.fault == "The network's output is (2, 3), without positions"
    assert fault.value.mend == "Give a segmentation network, or leave 'segmentation' out of its settings"


def test_a_background_that_is_no_class_is_refused(net, x):
    with pytest.raises(UsageError) as fault:
        Segmenter(net, 3)(x)
    assert fault.value.fault == "Class 3 is to be the background of 3 classes"
    assert fault.value.mend == "Give a number from 0 to 2, or null where there is none"


def test_settings_tell_the_background(net):
    assert segmented(net, {}) is net
    assert segmented(net, {"model": {"class": "UNet"}}) is net
    assert segmented(net, {"model": {"segmentation": None}}).background == 0
    assert segmented(net, {"model": {"segmentation": {"background": 2}}}).background == 2
    assert segmented(net, {"model": {"segmentation": {"background": None}}}).background is None


@pytest.mark.parametrize(
    ("section", "fault", "mend"),
    [
        (
            {"backgroud": 1},
            "Unknown key 'backgroud' in the segmentation section",
            "Did you mean 'background'",
        ),
        ({"background": "sky"}, "The background is 'sky'", "Write the number of its class, or null for none"),
        ({"background": True}, "The background is True", "Write the number of its class, or null for none"),
        (3, "'segmentation' is 3 in the model section", "Write {background: 0}"),
    ],
)
def test_wrong_settings_are_refused(net, section, fault, mend):
    with pytest.raises(UsageError) as error:
        segmented(net, {"model": {"segmentation": section}})
    assert (error.value.fault, error.value.mend) == (fault, mend)
