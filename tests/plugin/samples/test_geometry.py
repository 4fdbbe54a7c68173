"""Finding which part of an image a network saw."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter

from foveal.samples.geometry import FrameFinder, Geometry, image_size

MEAN, STD = (
    torch.tensor([0.485, 0.456, 0.406])[:, None, None],
    torch.tensor([0.229, 0.224, 0.225])[:, None, None],
)


def picture(width, height, seed=0):
    noise = np.random.default_rng(seed).random((height, width, 3))
    smooth = gaussian_filter(noise, (height / 40, width / 40, 0))
    scaled = (smooth - smooth.min()) / (smooth.max() - smooth.min())
    return Image.fromarray((scaled * 255).astype(np.uint8))


def encoded(image, kind="PNG"):
    out = io.BytesIO()
    image.save(out, kind)
    return out.getvalue()


def tensor(image):
    return (torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1) / 255 - MEAN) / STD


def squeezed(image):
    return tensor(image.resize((224, 224)))


def centred(image, side=256, cut=224):
    scale = side / min(image.size)
    wide, tall = (round(one * scale) for one in image.size)
    left, top = (wide - cut) // 2, (tall - cut) // 2
    return tensor(image.resize((wide, tall)).crop((left, top, left + cut, top + cut)))


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("size", [(300, 200), (200, 300), (640, 480), (224, 224)])
def test_a_squeezed_image_was_seen_whole(size, kind):
    image = picture(*size)
    found = FrameFinder().find(encoded(image, kind), squeezed(image))
    assert found == ((size[1], size[0], 3), (0, 0, size[1], size[0]))


@pytest.mark.parametrize(("side", "cut"), [(256, 224), (232, 224), (224, 224), (320, 240)])
@pytest.mark.parametrize("size", [(300, 200), (500, 640), (400, 400)])
def test_a_middle_that_was_cut_out_is_found(size, side, cut):
    image = picture(*size)
    (height, width, _), (y0, x0, y1, x1) = FrameFinder().find(encoded(image), centred(image, side, cut))
    expected = min(size) * cut / side
    assert (height, width) == (size[1], size[0])
    assert abs((y1 - y0) - expected) <= 0.015 * min(size)
    assert abs((x1 - x0) - expected) <= 0.015 * min(size)
    assert abs((y0 + y1) - height) <= 1
    assert abs((x0 + x1) - width) <= 1


def test_the_geometry_is_looked_for_once(monkeypatch):
    finder, image = FrameFinder(), picture(300, 200)
    finder.find(encoded(image), centred(image))
    monkeypatch.setattr("foveal.samples.geometry.decode_image", lambda *_: pytest.fail("decoded again"))
    size, frame = finder.find(encoded(picture(400, 800, seed=1)), centred(picture(400, 800, seed=1)))
    assert size == (800, 400, 3)
    assert frame == Geometry(finder.geometry.share).frame((800, 400), (224, 224))


def test_an_input_that_does_not_look_like_the_image_has_no_frame():
    finder = FrameFinder()
    assert finder.find(encoded(picture(300, 200)), torch.randn(3, 224, 224)) is None
    assert finder.find(encoded(Image.new("RGB", (50, 50))), torch.zeros(3, 224, 224)) is None
    assert finder.find(b"no image", torch.zeros(3, 8, 8)) is None


def test_it_gives_up_after_a_few_images(monkeypatch):
    finder, calls = FrameFinder(), []
    monkeypatch.setattr("foveal.samples.geometry._look", lambda *_: calls.append(1))
    for _ in range(50):
        finder.find(encoded(picture(30, 20)), torch.randn(3, 8, 8))
    assert len(calls) == 8


def test_frames_stay_inside_the_image():
    for height, width in [(1, 1), (1, 900), (7, 3), (224, 225)]:
        for share in (None, 0.7, 0.875, 1.0):
            y0, x0, y1, x1 = Geometry(share).frame((height, width), (224, 224))
            assert 0 <= y0 < y1 <= height
            assert 0 <= x0 < x1 <= width


def test_sizes_come_from_headers():
    assert image_size(encoded(picture(30, 20))) == (20, 30, 3)
    assert image_size(encoded(Image.new("L", (5, 6)))) == (6, 5, 1)
    assert image_size(encoded(Image.new("P", (5, 6)))) == (6, 5, 3)
    assert image_size(b"") is None
