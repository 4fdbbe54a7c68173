"""Weights that an ONNX file keeps beside it: files that are not there, or not to be read."""

from __future__ import annotations

import onnx
import pytest
from onnx_archives import externally, written

from foveal.errors import UsageError
from foveal.onnx_graphs.external import weights_fault
from foveal.onnx_graphs.reading import load

AGAIN = "Save it again with the weights beside it: onnx.save(model, path, save_as_external_data=True)."


@pytest.fixture
def file(tmp_path):
    return externally(written(tmp_path))


def refused(path):
    with pytest.raises(UsageError) as caught:
        load(path)
    return str(caught.value)


def moved(path, location):
    """Write into the file that its weights are elsewhere."""
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = location
    path.write_bytes(model.SerializeToString())
    return path


def weights_of(path):
    return path.with_name(f"{path.stem}.data")


def test_weights_that_are_there(file):
    assert weights_fault(file) is None
    assert load(file).graph.node


def test_a_file_that_was_not_copied_along(file):
    weights_of(file).unlink()
    name = weights_of(file).name
    assert refused(file) == (
        f"'{file}' keeps weights in '{name}', which is not there. Copy '{name}' beside the .onnx file."
    )
    assert refused(moved(file, "sub/w.bin")) == (
        f"'{file}' keeps weights in 'sub/w.bin', which is not there. Copy 'sub/w.bin' beside the .onnx file."
    )


@pytest.mark.parametrize("location", ["../w.bin", "/etc/hosts", "a/../../w.bin"])
def test_a_place_outside_of_the_folder(file, location):
    file.parent.with_name("w.bin").touch()
    assert refused(moved(file, location)) == (
        f"'{file}' keeps weights in '{location}', outside of its folder. {AGAIN}"
    )


def test_a_link(file):
    weights = weights_of(file)
    weights.symlink_to(weights.rename(weights.with_name("real.data")))
    assert refused(file) == (
        f"'{file}' keeps weights in '{weights.name}', which is a link. "
        "Copy the file itself beside the .onnx file."
    )


def test_weights_that_were_cut_short(file):
    weights_of(file).write_bytes(b"cut")
    name = weights_of(file).name
    assert refused(file) == (
        f"'{file}' keeps weights in '{name}', which is cut short. Copy '{name}' beside the .onnx file again."
    )


def test_what_is_no_onnx_file(tmp_path):
    (tmp_path / "text.onnx").write_bytes(b"no protobuf")
    assert weights_fault(tmp_path / "text.onnx") is None
    assert weights_fault(tmp_path) is None
