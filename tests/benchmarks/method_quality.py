"""What every method finds where the truth is known, and what becomes of its maps when the weights do.

    FOVEAL_DATA=../shared/data python tests/benchmarks/method_quality.py --results DIR -o docs/methods.md

Measures every method of the registry on three trained networks (nodules, blood cells, two objects in one
picture) and its weight-randomisation check on two deep ones, and writes the table. What DIR holds already is
not measured again; remove a method's files to measure it anew. About half an hour on one core.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict
from functools import partial
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "networks"))

import known_truth  # noqa: E402 - beside this folder
import torch  # noqa: E402

from foveal.attribution import all_methods  # noqa: E402
from foveal.capture import choose_layer  # noqa: E402
from foveal.errors import UsageError  # noqa: E402
from foveal_audit.comparing.layers import layers_by_depth  # noqa: E402
from foveal_audit.comparing.randomisation import check_method  # noqa: E402
from foveal_audit.comparing.results import sum_up  # noqa: E402
from foveal_audit.comparing.running import Question, choose_methods, compare, contenders  # noqa: E402

#: Samples per cost class: slow methods are measured on fewer, and their intervals say so.
SAMPLES = {"one forward": 120, "one backward": 120, "many passes": 16, "optimisation": 6}
CHECKED = {"one forward": (12, 3), "one backward": (12, 3), "many passes": (4, 1), "optimisation": (3, 1)}
#: A product of two maps is no better than its worse factor: what it adds to the other comes from there.
FACTORS = {"guided-gradcam": ("guided-backprop", "gradcam")}
#: Draws that a single map needs to resemble its own repetition.
STEADY = {"smoothgrad": {"samples": 100}}
CAMS = ("gradcam", "gradcam++", "hirescam", "layercam")
VERDICTS = ("fails", "not measured", "mixed", "passes")


def main():
    """Measure what is not measured yet and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, required=True, help="folder for what was measured")
    parser.add_argument("-o", "--out", type=Path, help="file for the table; standard output by default")
    parser.add_argument("--method", action="append", help="measure these alone")
    asked = parser.parse_args()
    asked.results.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    measure(asked.results, asked.method or list(all_methods()))
    text = table(asked.results)
    if asked.out:
        asked.out.write_text(text)
    else:
        print(text)  # noqa: T201 - what a benchmark is for


def measure(folder, names):
    """Measure methods, the cheap ones first, one file per method and question."""
    order = sorted(names, key=lambda name: [*SAMPLES].index(all_methods()[name].cost))
    known = Networks(folder)
    for name in [*order, None]:
        for which in ("nodules", "cells", "two objects"):
            kept(folder, f"{name or 'baselines'} {which}", partial(find, known, which, name))
        for which in ("two objects", "nodules") if name else ():
            kept(folder, f"{name} check {which}", partial(check, known, which, name))


class Networks:
    """Trains each network once, when it is first asked for."""

    def __init__(self, folder):
        self.folder, self.made = folder, {}

    def __getitem__(self, which):
        if which not in self.made:
            data = known_truth.real_samples()
            make = {
                "nodules": known_truth.nodules,
                "cells": lambda: known_truth.cells(data / "blood-cells"),
                "two objects": lambda: known_truth.two_objects(data / "cifar10"),
            }
            self.made[which] = make[which]()
        return self.made[which]


def kept(folder, name, make):
    """Measure once and keep."""
    file = folder / f"{name}.json"
    if not file.is_file():
        start = time.perf_counter()
        try:
            result = make()
        except Exception as error:  # noqa: BLE001 - one broken method must not cost the others their figures
            sys.stderr.write(f"{name}: {type(error).__name__}: {error}\n")
            return
        file.write_text(json.dumps(result))
        sys.stderr.write(f"{name}: {time.perf_counter() - start:.0f} s\n")


def find(networks, which, name):
    """Score one method (or the baselines) on a network's cases: a record per layer."""
    known = networks[which]
    cases = known.cases[: SAMPLES[all_methods()[name].cost] if name else None]
    x = cases[0].x[None]
    methods = choose_methods([name]) if name else []
    layers = [*layers_by_depth(known.model, x)] if name in CAMS or name == "cam" else ["auto"]
    listed = contenders(known.model, x, methods, layers)
    listed = listed[:-2] if name else listed[-2:]
    if name and methods[0].place == "either":
        listed = listed[:1]
    question = Question(known.target, known.tolerance, faithful=False, training=known.training)
    start = time.process_time()
    results = [asdict(one) for one in sum_up(compare(known.model, cases, listed, question))]
    spent = (time.process_time() - start) / len(listed) / len(cases)
    auto = choose_layer(known.model, x)
    return {"auto": auto, "ratio": spent / forward_time(known), "results": results}


def forward_time(known):
    """Seconds of CPU that a plain forward takes per sample."""
    x = torch.stack([case.x for case in known.cases[:16]])
    with torch.inference_mode():
        known.model(x)
        start = time.process_time()
        for _ in range(5):
            known.model(x)
    return (time.process_time() - start) / 5 / len(x)


def check(networks, which, name):
    """Randomise the weights of a network and look at one method's maps."""
    known = networks[which]
    samples, draws = CHECKED[all_methods()[name].cost]
    x = torch.stack([case.x for case in known.cases[:samples]])
    if which == "two objects":  # the network's own samples, not the pairs
        x = known.training[::7][:samples]
    stages = (0.25, 0.5, 0.75, 1.0) if draws > 1 else (0.5, 1.0)
    layer = layers_by_depth(known.model, x[:1])[-1] if name == "cam" else "auto"
    try:
        found = check_method(
            known.model,
            x,
            name,
            layer=layer,
            training=known.training,
            stages=stages,
            draws=draws,
            options=STEADY.get(name),
        )
    except UsageError as error:
        return {"refused": str(error)}
    return {**asdict(found), "verdict": found.verdict, "samples": len(x), "draws": draws}


def verdict(folder, name):
    """Judge a method by both networks, and a product of maps by its factors too."""
    found = [read(folder, f"{name} check {which}") for which in ("two objects", "nodules")]
    verdicts = {one["verdict"] for one in found if "verdict" in one}
    own = (
        "mixed" if {"passes", "fails"} <= verdicts else min(verdicts, key=VERDICTS.index, default=VERDICTS[1])
    )
    factors = [verdict(folder, factor) for factor in FACTORS.get(name, ())]
    return min([own, *factors], key=VERDICTS.index)


def read(folder, name):
    """Read what was measured; nothing where it was not."""
    file = folder / f"{name}.json"
    return json.loads(file.read_text()) if file.is_file() else {}


def pointing(folder, name, which, layer=None):
    """Write the share of hits with its interval and count."""
    found = read(folder, f"{name} {which}")
    for one in found.get("results", []):
        right = layer or one["layer"] in (found["auto"], "input", "baseline") or name == "cam"
        if (layer in (None, one["layer"])) and right and one["measures"]:
            hits = one["measures"]["pointing"]
            return "{mean:.2f} ({low:.2f}-{high:.2f}), {count}".format(**hits)
    return "refused" if found else "not measured"


def correlation(folder, name, which):
    """Write the rank correlation with the upper half of the weights drawn anew, and with all of them."""
    found = read(folder, f"{name} check {which}")
    if "similarity" not in found:
        return "refused" if found else "not measured"
    at = dict(zip(found["stages"], found["similarity"], strict=True))
    return f"{at[0.5]['rank']:.2f}, {at[1.0]['rank']:.2f}"


def table(folder):
    """Write the page."""
    rows = [
        [
            name,
            method.cost,
            f"{ratio:.1f}" if (ratio := read(folder, f"{name} nodules").get("ratio")) else "",
            verdict(folder, name),
            correlation(folder, name, "two objects"),
            correlation(folder, name, "nodules"),
            *(pointing(folder, name, which) for which in ("nodules", "cells", "two objects")),
        ]
        for name, method in all_methods().items()
    ]
    for number, name in enumerate(("random map", "centre")):
        figures = []
        for which in ("nodules", "cells", "two objects"):
            found = read(folder, f"baselines {which}").get("results", [])
            figures.append(
                "{mean:.2f} ({low:.2f}-{high:.2f}), {count}".format(**found[number]["measures"]["pointing"])
                if found
                else ""
            )
        rows.append([f"*{name}*", "", "", "", "", "", *figures])
    return PAGE.format(methods=markdown(HEADER, rows), layers=markdown(LAYER_HEADER, layer_rows(folder)))


def layer_rows(folder):
    """Write pointing of the CAM family, shallow to deep."""
    rows = []
    for which in ("nodules", "cells", "two objects"):
        found = read(folder, f"gradcam {which}")
        for one in found.get("results", []):
            layer = one["layer"]
            shown = f"{layer} (auto)" if layer == found["auto"] else layer
            rows.append(
                [which, shown, *(pointing(folder, name, which, layer).partition(",")[0] for name in CAMS)]
            )
    return rows


def markdown(header, rows):
    """Write a table."""
    return "\n".join("| " + " | ".join(row) + " |" for row in [header, ["---"] * len(header), *rows])


HEADER = [
    "method",
    "cost",
    "x forward",
    "sanity",
    "randomised: ResNet-20",
    "randomised: nodule network",
    "nodules",
    "blood cells",
    "two objects",
]
LAYER_HEADER = ["network", "layer", *CAMS]

PAGE = (HERE / "method_quality.md.in").read_text()

if __name__ == "__main__":
    main()
