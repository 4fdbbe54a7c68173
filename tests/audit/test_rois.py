"""Regions of interest, as experts write them down."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveal.errors import UsageError
from foveal_audit.rois import read_rois, require_known

MEND = "Write a CSV file with the columns path,y0,x0,y1,x1, one row per region, pixels of the original"
boxes = st.tuples(*[st.integers(0, 50)] * 2, *[st.integers(51, 99)] * 2).map(list)


def write(folder, text):
    path = folder / "rois.csv"
    path.write_text(text)
    return path


def test_regions_by_sample(tmp_path):
    path = write(tmp_path, "path,y0,x0,y1,x1\na.png,1,2,3,4\nb.png,0,0,9,9\na.png,5,6,7,8\n")
    found = read_rois(path)
    assert {name: own.tolist() for name, own in found.items()} == {
        "a.png": [[1, 2, 3, 4], [5, 6, 7, 8]],
        "b.png": [[0, 0, 9, 9]],
    }
    assert found["a.png"].dtype == np.int64


def test_regions_of_traces_and_volumes(tmp_path):
    traces = read_rois(write(tmp_path, "path,t0,t1\na.wav,100,250\n"))
    volumes = read_rois(write(tmp_path, "path,z0,y0,x0,z1,y1,x1\nb.nii,1,2,3,4,5,6\n"))
    assert traces["a.wav"].tolist() == [[100, 250]]
    assert volumes["b.nii"].tolist() == [[1, 2, 3, 4, 5, 6]]
    require_known(traces, ["a.wav"], axes=1)


def test_regions_of_another_kind_of_sample_are_refused(tmp_path):
    traces = read_rois(write(tmp_path, "path,t0,t1\na.wav,100,250\n"))
    with pytest.raises(UsageError) as told:
        require_known(traces, ["a.wav"], axes=3)
    assert told.value.fault == "The regions of interest have 1 axis, the library's samples have 3"
    assert told.value.mend == (
        "Write a CSV file with the columns path,z0,y0,x0,z1,y1,x1, one row per region, voxels of the original"
    )


def test_a_region_of_time_that_ends_before_it_begins_is_refused(tmp_path):
    path = write(tmp_path, "path,t0,t1\na.wav,9,9\n")
    with pytest.raises(UsageError) as told:
        read_rois(path)
    assert told.value.fault == f"{path}, line 2: the box 9,9 is empty or begins outside the sample"
    assert told.value.mend == (
        "Write a CSV file with the columns path,t0,t1, one row per region, steps of the original"
    )


@given(st.dictionaries(st.text("abc/.", min_size=1), st.lists(boxes, min_size=1), max_size=4))
def test_what_is_written_is_read(tmp_path_factory, table):
    lines = [",".join(map(str, (name, *box))) for name, own in table.items() for box in own]
    path = write(tmp_path_factory.mktemp("rois"), "\n".join(["path,y0,x0,y1,x1", *lines]))
    assert {name: own.tolist() for name, own in read_rois(path).items()} == table


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("path,y0,x0,y1\n", "The regions in {} lack the column 'x1'"),
        ("", "The regions in {} lack the column 'path'"),
        ("path,y0,x0,y1,x1\na,1,2,3,x\n", "{}, line 2: 1,2,3,x is no box of four whole numbers"),
        ("path,y0,x0,y1,x1\na,1,2,3\n", "{}, line 2: 1,2,3,None is no box of four whole numbers"),
        (
            "path,y0,x0,y1,x1\na,1,2,3,4\nb,3,2,3,4\n",
            "{}, line 3: the box 3,2,3,4 is empty or begins outside the sample",
        ),
        (
            "path,y0,x0,y1,x1\na,-1,2,3,4\n",
            "{}, line 2: the box -1,2,3,4 is empty or begins outside the sample",
        ),
    ],
)
def test_what_is_no_table_of_regions(tmp_path, text, fault):
    path = write(tmp_path, text)
    with pytest.raises(UsageError) as caught:
        read_rois(path)
    assert (caught.value.fault, caught.value.mend) == (fault.format(path), MEND)


def test_a_file_that_is_not_there(tmp_path):
    path = tmp_path / "none.csv"
    with pytest.raises(UsageError) as caught:
        read_rois(path)
    assert caught.value.fault == (
        f"The regions in {path} cannot be read ([Errno 2] No such file or directory: '{path}')"
    )


def test_regions_of_other_samples():
    rois = {"a.png": np.zeros((1, 4), np.int64)}
    require_known(rois, ["a.png", "b.png"])
    require_known({}, ["a.png"])
    with pytest.raises(UsageError) as caught:
        require_known(rois, ["y.png", "x.png"])
    assert (caught.value.fault, caught.value.mend) == (
        (
            "None of the 1 samples with regions of interest is in the library, which calls them 'x.png' "
            "and the like"
        ),
        "Name samples as they were named when they were collected",
    )
