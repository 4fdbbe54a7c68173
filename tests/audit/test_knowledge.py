"""What experts know, hashed: audits that know the same are the same."""

from __future__ import annotations

import numpy as np

from foveal_audit.engine.knowing import CONCEPTS, ROIS, keep_knowledge, read_kept_rois
from foveal_audit.knowledge import NOTHING, Knowledge

ROIS_OF = {"a.png": np.array([[0, 1, 2, 3], [4, 5, 6, 7]]), "b.png": np.array([[1, 1, 9, 9]])}


def concepts(folder, content=b"x"):
    (folder / "lung").mkdir(parents=True)
    (folder / "lung" / "1.png").write_bytes(content)
    return folder


def test_the_identity_is_of_what_is_known(tmp_path):
    assert NOTHING.identity == {}
    one = Knowledge(ROIS_OF, concepts(tmp_path / "one"))
    same = Knowledge(dict(reversed(ROIS_OF.items())), concepts(tmp_path / "same"))
    other = Knowledge({"a.png": ROIS_OF["a.png"]}, concepts(tmp_path / "other", b"y"))
    assert one.identity == same.identity
    assert set(one.identity) == {"rois", "concepts"}
    assert not set(one.identity.values()) & set(other.identity.values())


def test_what_is_kept_is_what_was_told(tmp_path):
    kept = {}

    def keep(name, settings, make):
        folder = tmp_path / "kept" / name
        folder.mkdir(parents=True)
        make(folder)
        kept[name] = settings
        return folder

    knowledge = Knowledge(ROIS_OF, concepts(tmp_path / "concepts"))
    folders = keep_knowledge(keep, knowledge)
    assert kept == {name: {"sha256": value} for name, value in knowledge.identity.items()}
    read = read_kept_rois(folders[ROIS])
    assert {name: own.tolist() for name, own in read.items()} == {
        name: own.tolist() for name, own in ROIS_OF.items()
    }
    assert (folders[CONCEPTS] / "lung" / "1.png").read_bytes() == b"x"
    assert keep_knowledge(keep, NOTHING) == {}
