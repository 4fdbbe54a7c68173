"""Outlines on whole pictures of the report."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import planted
import torch
from planted_segments import audited
from small_segmenters import UNet

from foveal.samples import encode_png
from foveal.segmenting.outlines import COLOURS
from foveal_audit.bundle.evidence import WholeSample
from foveal_audit.bundle.schema import EntryRef
from foveal_audit.mask_outlines import outlining, unmarked
from foveal_audit.report.wholes import drawn
from foveal_audit.whole_samples import LONGEST, Reader


def half(net):
    """Let a network find class 1 in what is bright."""
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
        net.enc[0].weight[0, 0, 1, 1] = 1
        net.dec[0].weight[0, 0, 1, 1] = 1
        net.out.weight[1, 0] = 1
        net.out.bias[0] = 0.5
    return net.eval()


def test_what_the_network_finds_is_outlined(tmp_path):
    pixels = np.full((32, 32, 1), 100, np.uint8)
    pixels[8:16, 8:24] = 250
    picture, found = outlining(audited(half(UNet())), LONGEST)(pixels)
    assert found == "lesion (12.5%)"
    assert picture.shape == (224, 224, 3)
    rows, columns = np.nonzero((picture == COLOURS[1]).all(2))
    assert (rows.min(), rows.max() + 1, columns.min(), columns.max() + 1) == (56, 112, 56, 168)
    (tmp_path / "one.png").write_bytes(encode_png(pixels))
    reader = Reader.of(audited(half(UNet())))
    again, said = reader.outlined(reader.read(str(tmp_path / "one.png")))
    assert said == found
    assert np.array_equal(again, picture)


def test_classifiers_have_none():
    assert outlining(planted.model(), LONGEST) is unmarked
    pixels = np.zeros((4, 4, 1), np.uint8)
    assert unmarked(pixels)[0] is pixels


def test_the_report_says_what_is_outlined():
    ref = EntryRef(sample="a.png", window=[0, 0, 4, 4], activation=1.0, source="training")
    one = WholeSample(np.zeros((8, 8, 3), np.uint8), (0, 0, 0.5, 0.5), ref, found="lesion (12.5%)")
    whole = drawn([one], [ref], "Lesions")
    assert whole.note == "Outlined is what the network segments: 1 lesion (12.5%)."
    assert drawn([replace(one, found="")], [ref], "Lesions").note == ""
