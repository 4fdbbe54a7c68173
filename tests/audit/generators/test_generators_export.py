import hashlib
import json
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import onnx
import onnxruntime
import pytest
from PIL import Image

from foveal.errors import UsageError
from foveal_audit.generators import (
    KINDS,
    CopyGuard,
    export_generator,
    fit_generator,
    load_generator,
    nearest_crops,
    quality_card,
)
from foveal_audit.generators.export import FILES
from foveal_audit.generators.montage import samples_montage
from foveal_audit.generators.onnx_graph import onnx_model
from foveal_audit.generators.pictures import as_pictures, enlarge
from foveal_audit.generators.storage import weights_bytes
from foveal_audit.generators.texture import Texture
from foveal_audit.generators.walk import walk_crops, walk_latents, write_walk


@pytest.fixture(scope="module")
def card(vae, library):
    return quality_card(vae, library[:80], library[80:])


@pytest.fixture(scope="module")
def folder(vae, library, card, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle") / "generators" / "fc1_7"
    written = export_generator(vae, folder, card, seed=3, crops=library)
    assert written == tuple(folder / name for name in FILES)
    return folder


def run_onnx(model, z):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    assert [(i.name, i.type) for i in session.get_inputs()] == [("z", "tensor(float)")]
    return session.run(["crops"], {"z": z})[0]


def test_exactly_the_six_files_are_written(folder):
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    assert all(path.stat().st_size > 0 for path in folder.iterdir())


def test_the_same_generator_gives_the_same_bytes(vae, library, card, folder, tmp_path):
    again = export_generator(vae, tmp_path, card, seed=3, crops=library)
    assert [path.read_bytes() for path in again] == [(folder / path.name).read_bytes() for path in again]


@pytest.mark.parametrize("n", [1, 7])
def test_the_exported_decoder_draws_what_the_generator_draws(vae, folder, n):
    z = vae.draw(n, 5) * 2
    np.testing.assert_allclose(run_onnx(str(folder / "generator.onnx"), z), vae.decode(z), atol=1e-4)


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 9, 13), (2, 33, 40), (3, 64, 64)])
def test_any_shape_of_any_kind_comes_out_of_onnx(spiky, kind, shape):
    generator = fit_generator(spiky(100, shape), kind=kind, steps=2)
    assert generator.kind == kind
    z = generator.draw(3, 0)
    found = run_onnx(onnx_model(generator).SerializeToString(), z)
    assert found.shape == (3, *shape)
    np.testing.assert_allclose(found, generator.decode(z), atol=1e-4)


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 32, 20)])
def test_grain_comes_out_of_onnx_for_the_same_noise(spiky, shape):
    crops = spiky(40, shape)
    plain = fit_generator(crops, kind="pca-gmm")
    grained = replace(plain, texture=Texture.fit(crops - plain.decode(plain.encode(crops))))
    z, noise = grained.draw(3, 0), grained.texture.draw(3, 0)
    model = onnx_model(grained).SerializeToString()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    (found,) = session.run(["crops"], {"z": z, "noise": noise})
    np.testing.assert_allclose(found, grained.sample(3, 0), atol=1e-4)
    (still,) = session.run(["crops"], {"z": z, "noise": 0 * noise})
    np.testing.assert_allclose(still, plain.decode(z), atol=1e-4)


def test_the_graph_names_its_batch_and_sizes(folder):
    graph = onnx.load(folder / "generator.onnx").graph
    sizes = [
        [d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim]
        for v in (*graph.input, *graph.output)
    ]
    assert sizes == [["N", 12], ["N", 1, 32, 32]]


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_generator_comes_back_whole(spiky, tmp_path, kind):
    crops = spiky(100, (3, 12, 16))
    generator = fit_generator(crops, kind=kind, seed=4, steps=2)
    generator = replace(generator, texture=Texture.fit(crops - generator.decode(generator.encode(crops))))
    (tmp_path / "weights.safetensors").write_bytes(weights_bytes(generator))
    again = load_generator(tmp_path)
    assert type(again) is type(generator)
    assert (again.shape, again.latent_dim, again.origin) == (
        generator.shape,
        generator.latent_dim,
        generator.origin,
    )
    np.testing.assert_array_equal(again.axis_sd, generator.axis_sd)
    np.testing.assert_array_equal(again.sample(5, 1), generator.sample(5, 1))
    np.testing.assert_array_equal(again.encode(again.sample(5, 1)), generator.encode(generator.sample(5, 1)))
    assert weights_bytes(again) == weights_bytes(generator)


def test_a_folder_without_a_generator_is_named(tmp_path):
    with pytest.raises(UsageError) as caught:
        load_generator(tmp_path)
    assert str(caught.value) == (
        f"No generator in {tmp_path}: weights.safetensors is missing. Name a folder below generators/."
    )


def rewritten(data, **changes):
    """The same file with other metadata."""
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    about = json.loads(header["__metadata__"]["foveal"])
    header["__metadata__"]["foveal"] = json.dumps(about | changes)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data[8 + size :]


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda data: data[:100], "header"),
        (lambda data: b"\x80\x04K\x01.", "header"),  # a pickle is not even looked into
        (lambda data: rewritten(data, format=2), "format 2 is not 1"),
        (lambda data: rewritten(data, shape=[3, 100000, 100000]), "its shape does not fit its tensors"),
        (lambda data: rewritten(data, kind="other"), "other"),
    ],
)
def test_a_damaged_file_is_refused(gmm, tmp_path, damage, reason):
    path = tmp_path / "weights.safetensors"
    path.write_bytes(damage(weights_bytes(gmm)))
    with pytest.raises(UsageError) as caught:
        load_generator(tmp_path)
    assert str(caught.value).startswith(f"{path} is not a generator (")
    assert reason in str(caught.value).lower()
    assert caught.value.mend == "Export it again"


def test_the_card_says_what_was_measured_and_vouches_for_the_weights(folder, card):
    written = json.loads((folder / "card.json").read_text("utf-8"))
    hashes, off = written.pop("sha256"), written.pop("quantised")
    assert written == card
    assert hashes == {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
        for name in ("generator.onnx", "generator.int8.onnx", "weights.safetensors")
    }
    sizes = [(folder / name).stat().st_size for name in ("generator.int8.onnx", "generator.onnx")]
    assert [off["bytes"], off["full_bytes"]] == sizes


def test_the_montage_shows_each_variant_above_its_nearest_real_crop(vae, library):
    made = vae.sample(16, 3)
    sheet = np.asarray(samples_montage(made, library))
    index, _ = nearest_crops(made, library)
    shown, real = (enlarge(as_pictures(x), 64) for x in (made, library[index]))
    assert sheet.shape == (2 * (2 * 70 + 18) + 6, 112 + 8 * 76, 3)
    for row, column in np.ndindex(2, 8):
        i, left, top = row * 8 + column, 112 + column * 76 + 3, row * 158 + 6 + 3
        np.testing.assert_array_equal(sheet[top : top + 64, left : left + 64], shown[i])
        np.testing.assert_array_equal(sheet[top + 73 : top + 137, left : left + 64], real[i])
        assert tuple(sheet[top - 2, left]) == (230, 159, 0)
        assert tuple(sheet[top + 71, left]) == (0, 114, 178)


def test_the_montage_shows_real_crops_as_they_were_cut(vae, library):
    made = vae.sample(2, 0)
    as_cut = 1 - library
    sheet = np.asarray(samples_montage(made, library, as_cut))
    expected = enlarge(as_pictures(as_cut[nearest_crops(made, library)[0]]), 64)
    np.testing.assert_array_equal(sheet[82:146, 115:179], expected[0])


def test_a_montage_of_few_is_small(vae, library):
    assert samples_montage(vae.sample(3, 0), library).height == 164


def test_samples_png_is_that_montage(folder, vae, library):
    expected = np.asarray(samples_montage(vae.sample(16, 3), library))
    with Image.open(folder / "samples.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture), expected)


def test_pictures_take_three_channels_as_colours_and_the_mean_of_others():
    crops = np.zeros((1, 3, 2, 2), np.float32)
    crops[0, 0] = 1
    assert as_pictures(crops)[0, 0, 0].tolist() == [255, 0, 0]
    assert as_pictures(crops[:, :2])[0, 0, 0].tolist() == [128, 128, 128]
    assert as_pictures(crops[:, :1])[0, 0, 0].tolist() == [255, 255, 255]


def frames(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.average_rate == 24
        assert stream.codec.name in ("h264", "mpeg4")
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(stream)])


def test_the_walk_is_five_seconds_of_what_the_generator_draws(folder, vae):
    found = frames(folder / "walk.mp4")
    assert found.shape == (120, 128, 128, 3)
    expected = as_pictures(vae.decode(walk_latents(vae, 120, 3)))
    small = found.reshape(120, 32, 4, 32, 4, 3).mean((2, 4))
    assert np.abs(small - expected).mean() < 8  # of 255: resampling and compression


def test_the_walk_is_smooth_and_closes(vae):
    path = walk_latents(vae, 120, 0).astype(float)
    loop = np.concatenate([path, path[:2]])
    steps = np.linalg.norm(np.diff(loop, axis=0), axis=1)
    bends = np.linalg.norm(np.diff(loop, n=2, axis=0), axis=1)
    assert steps.max() < 3 * steps.mean()
    assert bends.max() < 0.3 * steps.max()
    assert bends[-1] < 0.3 * steps.max()  # where the loop closes


def test_the_walk_passes_its_draws(vae):
    path = walk_latents(vae, 12, 7)
    np.testing.assert_allclose(path[::2], vae.draw(6, 7), atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "size"), [((1, 9, 13), (88, 128)), ((3, 8, 8), (128, 128)), ((1, 64, 20), (128, 40))]
)
def test_any_shape_makes_a_movie_with_even_sides(spiky, tmp_path, shape, size):
    generator = fit_generator(spiky(20, shape), kind="pca-gmm")
    write_walk(generator, tmp_path / "walk.mp4", seed=0, frames=6)
    assert frames(tmp_path / "walk.mp4").shape == (6, *size, 3)


def test_the_grain_of_a_walk_stands_still(library, gmm):
    grained = replace(gmm, texture=Texture.fit(library - gmm.decode(gmm.encode(library))))
    walk, bare = walk_crops(grained, 5, 0), walk_crops(gmm, 5, 0)
    grain = (walk - bare)[:, :, (bare > 0).all((0, 1)) & (walk > 0).all((0, 1)) & (walk < 1).all((0, 1))]
    assert grain.std() > 0.01
    np.testing.assert_allclose(grain, grain[:1].repeat(5, 0), atol=1e-5)


def test_frames_that_look_like_a_real_crop_are_not_in_the_movie(gmm, tmp_path):
    walk = walk_crops(gmm, 12, 0)
    guard = CopyGuard(walk[3:6], 1e-3)
    write_walk(gmm, tmp_path / "walk.mp4", seed=0, frames=12, guard=guard)
    assert len(frames(tmp_path / "walk.mp4")) == 9
    write_walk(gmm, tmp_path / "none.mp4", seed=0, frames=12, guard=CopyGuard(walk, 1e-3))
    assert not (tmp_path / "none.mp4").exists()


def test_of_a_generator_that_memorised_only_the_card_is_written(gmm, library, card, tmp_path):
    written = export_generator(gmm, tmp_path / "out", {**card, "memorised": True}, seed=0, crops=library)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["card.json"]
    assert written == (tmp_path / "out" / "card.json",)
    assert json.loads(written[0].read_text())["sha256"] == {}


def ring(side, radius):
    rows, columns = np.mgrid[:side, :side] - (side - 1) / 2
    return (np.abs(np.hypot(rows, columns) - radius) < 1).astype(np.float32)


def test_the_montage_is_the_picture_that_was_looked_at():
    """The golden picture: made rings of three sizes above the real ring nearest to each."""
    made = np.stack([ring(16, radius) for radius in (3.2, 5.1, 6.8)])[:, None] * 0.8
    real = np.stack([ring(16, radius) for radius in (7, 5, 3)])[:, None]
    sheet = np.asarray(samples_montage(made, real))
    with Image.open(Path(__file__).with_name("montage.png")) as golden:
        np.testing.assert_array_equal(sheet, np.asarray(golden))
