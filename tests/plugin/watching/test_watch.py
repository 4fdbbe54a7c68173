"""A watch sees attention move, records it in a real MLflow store, and leaves the training as it was."""

from __future__ import annotations

import copy
import io
import json
import random
import subprocess
import sys
import warnings

import mlflow
import numpy as np
import pytest
import torch
from mlflow import MlflowClient
from PIL import Image
from small_nets import ResidualNet, SharedNet, seeded
from torch import nn

import foveal
from foveal.errors import UsageError
from foveal.watching import inside, moved_area, moved_cosine


@pytest.fixture
def run(tracking_uri, tmp_path, monkeypatch):
    """An active run in a real store."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri)
    experiment = MlflowClient(tracking_uri).create_experiment(tmp_path.name, (tmp_path / "kept").as_uri())
    with mlflow.start_run(experiment_id=experiment) as run:
        yield run


def network():
    """A network in training, with all that a look might disturb."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Dropout(0.5),
        nn.MaxPool2d(2), nn.Conv2d(4, 6, 3, padding=1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 2),
    )  # fmt: skip
    net.train()
    net[1].eval()
    return net


def random_states():
    """The states of the generators that our methods might have touched, beside torch's."""
    return random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002 - the global one is meant


def train(net, steps, watch=None):
    """Train on noise; look after every step where there is a watch."""
    torch.manual_seed(1)
    optimizer = torch.optim.SGD(net.parameters(), 0.1, momentum=0.9)
    for step in range(steps):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(torch.rand(4, 1, 16, 16)), torch.randint(0, 2, (4,)))
        loss.backward()
        if watch is not None:
            watch(step)
        optimizer.step()
    return net


def test_the_training_is_bit_for_bit_the_same(tmp_path):
    plain = train(network(), 4)
    watched = network()
    numbers = random_states()
    with foveal.Watch(watched, torch.rand(2, 1, 16, 16), target=[0, 1], out=tmp_path) as watch:
        train(watched, 4, watch)
    assert len(watch.looks) == 4
    for (name, one), (_, other) in zip(plain.state_dict().items(), watched.state_dict().items(), strict=True):
        assert torch.equal(one, other), name
    assert random_states() == numbers


def test_flags_gradients_and_hooks_are_given_back(tmp_path):
    net = network()
    net(torch.rand(2, 1, 16, 16)).sum().backward()
    net[5].weight.requires_grad_(False)
    flags = [module.training for module in net.modules()]
    gradients = [None if p.grad is None else p.grad.clone() for p in net.parameters()]
    watch = foveal.Watch(net, torch.rand(2, 1, 16, 16), method="rise", options={"samples": 8}, out=tmp_path)
    state, state_of_torch = copy.deepcopy(net.state_dict()), torch.get_rng_state()
    watch()
    assert torch.equal(torch.get_rng_state(), state_of_torch)
    assert [module.training for module in net.modules()] == flags
    assert [p.requires_grad for p in net.parameters()].count(False) == 1
    for parameter, gradient in zip(net.parameters(), gradients, strict=True):
        assert gradient is None or torch.equal(parameter.grad, gradient)
    assert all(torch.equal(value, state[name]) for name, value in net.state_dict().items())
    assert not any(module._forward_hooks for module in net.modules())


def test_flags_are_given_back_when_a_look_fails(tmp_path):
    net = network()
    with pytest.raises(UsageError, match="Unknown layer 'conv9'"):
        foveal.Watch(net, torch.rand(2, 1, 16, 16), layer="conv9", out=tmp_path)()
    assert [module.training for module in net] == [True, False, *[True] * 8]


def test_a_look_is_what_explain_gives(tmp_path):
    net, x = seeded(SharedNet), torch.rand(3, 1, 16, 16)
    look = foveal.Watch(net, x, target=[2, 0, 1], layer="conv1", method="layercam", out=tmp_path)(7)
    each = [
        foveal.explain(net, x[[n]], layer="conv1", method="layercam", targets=f"class:{k}").maps[0, 0]
        for n, k in enumerate([2, 0, 1])
    ]
    torch.testing.assert_close(torch.from_numpy(look.maps), torch.stack(each))
    assert (look.epoch, look.layer) == (7, "conv1")
    assert np.array_equal(np.load(tmp_path / "maps/epoch-0007.npy"), look.maps)


def test_the_run_gets_maps_pictures_and_metrics(run):
    net, x = seeded(ResidualNet), torch.rand(3, 3, 32, 32)
    masks = torch.zeros(3, 32, 32)
    masks[:, :16] = 1
    with foveal.Watch(net, x, target=[0, 1, 2], masks=masks, names=["a", "b", "c"]) as watch:
        for epoch in (0, 5, 10):
            watch(epoch)
            with torch.no_grad():
                for parameter in net.parameters():
                    parameter.add_(0.05 * torch.randn(parameter.shape))
    client, run_id = MlflowClient(mlflow.get_tracking_uri()), run.info.run_id
    names = {item.path for item in client.list_artifacts(run_id, "foveal/watch")}
    assert names == {f"foveal/watch/{name}" for name in ("maps", "strip.png", "looks.json", "movie.gif")}
    maps = [item.path for item in client.list_artifacts(run_id, "foveal/watch/maps")]
    assert maps == [f"foveal/watch/maps/epoch-{epoch:04}.npy" for epoch in (0, 5, 10)]
    kept = mlflow.artifacts.load_text(f"runs:/{run_id}/foveal/watch/looks.json")
    looks = json.loads(kept)["looks"]
    for name, steps in (("moved", [5, 10]), ("moved_area", [5, 10]), ("inside", [0, 5, 10])):
        history = client.get_metric_history(run_id, f"foveal.attention.{name}")
        assert [metric.step for metric in history] == steps
        for metric in history:
            (look,) = (one for one in looks if one["epoch"] == metric.step)
            values = [value for value in look[name] if value is not None]
            assert metric.value == pytest.approx(np.mean(values), abs=1e-5)
            assert 0 <= metric.value <= 2
    movie = Image.open(client.download_artifacts(run_id, "foveal/watch/movie.gif"))
    assert movie.n_frames == 3


def test_without_a_run_or_a_folder_it_says_so():
    with pytest.raises(UsageError) as caught:
        foveal.Watch(seeded(SharedNet), torch.rand(1, 1, 16, 16))(0)
    assert str(caught.value) == (
        "No MLflow run is active to record what the network looks at. "
        "Call this inside mlflow.start_run(), or give Watch a folder with out=."
    )


def test_a_store_that_fails_is_told_once_and_does_not_stop_the_training(run, monkeypatch):
    def broken(*_args, **_options):
        raise OSError("disk full")

    monkeypatch.setattr(MlflowClient, "log_artifact", broken)
    monkeypatch.setattr(MlflowClient, "log_metric", broken)
    watch = foveal.Watch(seeded(SharedNet), torch.rand(1, 1, 16, 16))
    with pytest.warns(UserWarning, match=r"disk full.*The training goes on unrecorded") as told:
        watch(0)
    assert len([one for one in told if "unrecorded" in str(one.message)]) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        watch(1)
    assert len(watch.looks) == 2


def test_a_folder_needs_no_mlflow(tmp_path):
    code = (
        "import sys, torch, foveal\n"
        "from small_nets import SharedNet, seeded\n"
        f"foveal.Watch(seeded(SharedNet), torch.rand(1, 1, 16, 16), out={str(tmp_path)!r})(0)\n"
        "assert 'mlflow' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(sys.path)})
    assert (tmp_path / "strip.png").is_file()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": [0]}, "Targets of shape (1,) do not belong to 2 samples. Give one class per sample."),
        (
            {"masks": torch.zeros(2, 8, 8)},
            (
                "Masks of shape (2, 8, 8) do not belong to samples of shape (2, 1, 16, 16). "
                "Give masks of shape (2, 16, 16)."
            ),
        ),
        ({"names": ["a"]}, "1 names are given for 2 samples. Give one name per sample."),
    ],
)
def test_what_does_not_belong_together_is_told(options, message):
    with pytest.raises(UsageError) as caught:
        foveal.Watch(seeded(SharedNet), torch.rand(2, 1, 16, 16), **options)
    assert str(caught.value) == message


def test_nothing_to_show_before_the_first_look():
    with pytest.raises(UsageError, match=r"Nothing has been looked at yet. Call the watch after an epoch"):
        foveal.Watch(seeded(SharedNet), torch.rand(1, 1, 16, 16)).strip()


class Axes(nn.Module):
    """A convolution and a mean over any number of axes."""

    def __init__(self, axes):
        super().__init__()
        self.conv = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[axes - 1](2, 4, 3, padding=1)
        self.fc = nn.Linear(4, 2)

    def forward(self, x):
        return self.fc(torch.relu(self.conv(x)).flatten(2).mean(-1))


@pytest.mark.parametrize("shape", [(40,), (16, 20), (6, 12, 14)])
def test_signals_images_and_volumes(tmp_path, shape):
    torch.manual_seed(0)
    masks = torch.zeros(3, *shape)
    masks[:, : shape[0] // 2] = 1
    watch = foveal.Watch(Axes(len(shape)), torch.rand(3, 2, *shape), masks=masks, out=tmp_path)
    first, second = watch(), watch()
    assert first.maps.shape == (3, *shape)
    assert second.measures["moved"].max() < 1e-6
    assert second.measures["moved_area"].max() == 0
    assert watch.strip().width > 200
    assert Image.open(io.BytesIO(watch.movie(".png"))).n_frames == 2


def test_many_epochs_keep_the_strip_readable(tmp_path):
    watch = foveal.Watch(seeded(SharedNet), torch.rand(1, 1, 16, 16), out=tmp_path)
    for _ in range(12):
        watch()
    width = watch.strip().width
    for _ in range(5):
        watch()
    assert watch.strip().width == width


def test_movement_by_hand():
    maps = np.zeros((5, 1, 4), np.float32)
    maps[:4, 0, 0] = 1
    after = np.zeros_like(maps)
    after[0, 0, 0], after[1, 0, 1], after[2, 0, 0] = 5, 1, -1
    # The same at another size, elsewhere, opposite, gone, and empty both times.
    assert moved_cosine(maps, after).tolist() == pytest.approx([0, 1, 2, 1, 0])
    assert moved_area(maps, after).tolist() == pytest.approx([0, 1, 1, 1, 0])
    wide = np.array([[[1.0, 0.6, 0.6, 0.2]]], np.float32)
    shifted = np.array([[[0.2, 0.6, 0.6, 1.0]]], np.float32)
    assert moved_area(wide, shifted).tolist() == [0.5]
    masks = np.zeros((1, 1, 4))
    masks[..., 0], masks[..., 1] = 1, 0.5
    assert inside(wide, masks).tolist() == pytest.approx([1.3 / 2.4])
    assert np.isnan(inside(-wide, masks)).all()
