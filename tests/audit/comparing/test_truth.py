"""Masks and boxes on disk."""

import numpy as np
import pytest

from foveal.errors import UsageError
from foveal.samples import encode_png
from foveal_audit.comparing.truth import read_truth


def png(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_png(np.asarray(values, np.uint8)))


def table(path, *lines):
    path.write_text("\n".join(lines) + "\n")
    return path


def fault(call):
    with pytest.raises(UsageError) as caught:
        call()
    return str(caught.value)


def test_masks_are_found_by_path_and_stem(tmp_path):
    png(tmp_path / "cat" / "1.png", [[[0], [255]], [[1], [0]]])
    np.save(tmp_path / "2.npy", np.array([0.0, 0.5, -1.0]))
    of = read_truth(tmp_path)
    assert of("cat/1.jpg", (2, 2)).tolist() == [[False, True], [True, False]]
    assert of("2.wav", (3,)).tolist() == [False, True, True]
    assert of("1.jpg", (2, 2)) is None


def test_any_colour_but_black_is_the_object_and_alpha_is_none(tmp_path):
    png(tmp_path / "a.png", [[[0, 0, 9, 255], [0, 0, 0, 255]]])
    assert read_truth(tmp_path)("a.png", (1, 2)).tolist() == [[True, False]]


def test_a_mask_of_another_size_is_refused(tmp_path):
    png(tmp_path / "a.png", [[[0], [255]]])
    assert fault(lambda: read_truth(tmp_path)("a.jpg", (2, 2))) == (
        "Mask 'a.png' is 1x2, its sample 'a.jpg' is 2x2. Give masks as large as the samples."
    )


def test_two_masks_of_one_sample_are_refused(tmp_path):
    png(tmp_path / "a.png", [[[0], [255]]])
    np.save(tmp_path / "a.npy", np.zeros((1, 2)))
    assert fault(lambda: read_truth(tmp_path)("a.jpg", (1, 2))) == (
        "Sample 'a.jpg' has the masks 'a.npy' and 'a.png'. Leave one of them."
    )


def test_a_mask_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "a.npy").write_bytes(b"nothing")
    assert fault(lambda: read_truth(tmp_path)("a.png", (1, 1))).startswith(
        f"Mask '{tmp_path / 'a.npy'}' cannot be read: "
    )


@pytest.mark.parametrize("header", ["path,label,y0,x0,y1,x1", "path,label,ymin,xmin,ymax,xmax"])
def test_boxes_are_filled_and_cut_at_the_border(tmp_path, header):
    of = read_truth(
        table(tmp_path / "b.csv", header, "d/a.png,WBC,0,1,1,3", "d/a.png,RBC,1,-1,5,1", "c.png,WBC,0,0,1,1")
    )
    assert of("d/a.png", (2, 3)).tolist() == [[False, True, True], [True, False, False]]
    assert of("e/c.png", (2, 2)).tolist() == [[True, False], [False, False]]
    assert of("f.png", (2, 2)) is None


def test_boxes_of_one_label(tmp_path):
    boxes = table(tmp_path / "b.csv", "path,label,y0,x0,y1,x1", "a.png,WBC,0,1,1,2", "b.png,RBC,0,0,1,1")
    of = read_truth(boxes, "WBC")
    assert of("a.png", (1, 2)).tolist() == [[False, True]]
    assert of("b.png", (1, 2)) is None
    assert fault(lambda: read_truth(boxes, "wbc")) == (
        f"Table '{boxes}' holds no box of label 'wbc'. Its labels are RBC, WBC."
    )


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["path,y,x"], "Table '{}' has the columns path, y, x. Name them path, y0, x0, y1, x1."),
        (["path,y0,x0,y1,x1"], "Table '{}' holds no box. Its labels are not given."),
        (
            ["path,y0,x0,y1,x1", "a.png,0,0,1,one"],
            "Table '{}' row 2 has a corner that is no number. Give pixels.",
        ),
        (
            ["path,y0,x0,y1,x1", "a.png,0,0,1,1", "a.png,3,0,3,1"],
            "Table '{}' row 3 has an empty box. Give first and last corner in order.",
        ),
    ],
)
def test_a_wrong_table_is_refused(tmp_path, lines, said):
    path = table(tmp_path / "b.csv", *lines)
    assert fault(lambda: read_truth(path)) == said.format(path)


def test_no_truth_at_all(tmp_path):
    missing, empty = tmp_path / "missing", tmp_path / "empty"
    empty.mkdir()
    assert fault(lambda: read_truth(missing)) == (
        f"Truth '{missing}' does not exist. Give a folder of masks or a CSV with boxes."
    )
    assert fault(lambda: read_truth(empty)) == (
        f"Folder '{empty}' holds no mask. Give images or .npy files named like the samples."
    )


def test_boxes_do_not_fit_a_signal(tmp_path):
    of = read_truth(table(tmp_path / "b.csv", "path,y0,x0,y1,x1", "a.wav,0,0,1,1"))
    assert (
        fault(lambda: of("a.wav", (9,)))
        == "Sample 'a.wav' has 1 axes, boxes have 2. Give masks as .npy files."
    )
