"""A case's identity."""

import json
from dataclasses import replace

from foveal_audit.planting.case import Case, Gap, Mark, case_from
from foveal_audit.planting.marks.kinds import Look

CASE = Case(
    "some",
    "parts",
    "mobile",
    3,
    marks=(Mark(Look("text", "jitter", 0.5)),),
    gaps=(Gap("style"),),
    decoys=("prior",),
)


def test_a_case_survives_its_record():
    assert case_from(json.loads(json.dumps(CASE.record())), "some") == CASE


def test_the_key_follows_everything_but_the_name():
    assert replace(CASE, name="other").key == CASE.key
    changed = [
        replace(CASE, seed=4),
        replace(CASE, gaps=()),
        replace(CASE, marks=(Mark(Look("text", "jitter", 0.6)),)),
        replace(CASE, learning="debiased"),
        replace(CASE, sizes=replace(CASE.sizes, epochs=1)),
    ]
    assert len({CASE.key, *(case.key for case in changed)}) == len(changed) + 1


def test_kinds_name_all_that_is_planted():
    assert replace(CASE, control="balanced").kinds == ("text", "style", "prior", "balanced")
