"""What every method finds where the truth is known, and what becomes of its maps when the weights do.

    FOVEAL_DATA=../shared/data python tests/benchmarks/method_quality.py --results DIR -o docs/methods.md

Measures every method of the registry on four trained networks (nodules, blood cells, two objects in one
picture, and a transformer on digits) and its weight-randomisation check on two deep ones, for methods that
follow the attention on the transformer, and writes the table. What DIR holds already is not measured again;
remove a method's files to measure it anew. About an hour on one core.
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

#: The networks on which every method points.
NETWORKS = ("nodules", "cells", "two objects", "digits")
#: Methods that no network but a transformer can be asked for.
ATTENTIVE = ("attention", "attention-rollout", "gradient-rollout")
#: Methods whose training samples must have the shape of what is explained.
ALIKE = ("gradient-shap", "prediction-difference")
#: Samples per cost class, or per method: slow methods are measured on fewer, and their intervals say so.
SAMPLES = {
    "one forward": 120,
    "one backward": 120,
    "many passes": 16,
    "optimisation": 6,
    "rise": 8,
    "shapley-sampling": 8,
    "prediction-difference": 6,
}
#: Samples and draws of the weights.
CHECKED = {
    "one forward": (12, 3),
    "one backward": (12, 3),
    "many passes": (4, 1),
    "optimisation": (3, 1),
    "lime": (6, 1),
    "kernel-shap": (6, 1),
    "shapley-sampling": (6, 1),
    "prediction-difference": (3, 1),
}
#: A product of two maps is no better than its worse factor: what it adds to the other comes from there.
FACTORS = {"guided-gradcam": ("guided-backprop", "gradcam")}
#: Draws, and parts few enough, that a single map needs to resemble its own repetition.
STEADY = {
    "smoothgrad": {"samples": 400},
    "gradient-shap": {"samples": 200},
    "lime": {"samples": 1500, "segments": 16},
    "kernel-shap": {"samples": 1500, "segments": 16},
    "shapley-sampling": {"samples": 50, "segments": 16},
}
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
        for which in NETWORKS:
            kept(folder, f"{name or 'baselines'} {which}", partial(find, known, which, name))
        for which in judges(name) if name else ():
            kept(folder, f"{name} check {which}", partial(check, known, which, name))


def judges(name):
    """Name the networks on which a method's sanity is checked."""
    return ("two objects", "nodules", "digits") if name in ATTENTIVE else ("two objects", "nodules")


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
                "digits": known_truth.digits,
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


def budget(table, name):
    """Look up what a method may cost: its own entry, or that of its cost class."""
    return table.get(name, table[all_methods()[name].cost])


def find(networks, which, name):
    """Score one method (or the baselines) on a network's cases: a record per layer."""
    known = networks[which]
    cases = known.cases[: budget(SAMPLES, name) if name else None]
    x = cases[0].x[None]
    methods = choose_methods([name]) if name else []
    layers = depths(known.model, x, name)
    listed = contenders(known.model, x, methods, layers)
    listed = listed[:-2] if name else listed[-2:]
    if name and methods[0].place == "either":
        listed = listed[:1]
    training = known.alike if name in ALIKE else known.training
    question = Question(known.target, known.tolerance, faithful=False, training=training)
    start = time.process_time()
    results = [asdict(one) for one in sum_up(compare(known.model, cases, listed, question))]
    spent = (time.process_time() - start) / len(listed) / len(cases)
    auto = choose_layer(known.model, x)
    return {"auto": auto, "ratio": spent / forward_time(known), "results": results}


def depths(model, x, name):
    """Name the layers at which a method is measured."""
    if name in CAMS:
        return layers_by_depth(model, x)
    return layers_by_depth(model, x)[-1:] if name == "cam" else ["auto"]


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
    samples, draws = budget(CHECKED, name)
    x = CHECKED_ON[which](known)[:samples]
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


#: Where two cases or two objects share a picture, each picture once.
CHECKED_ON = {
    "nodules": lambda known: torch.stack([case.x for case in known.cases]),
    "two objects": lambda known: known.training[::7],
    "digits": lambda known: torch.stack([case.x for case in known.cases[::2]]),
}


def verdict(folder, name):
    """Judge a method by the networks on which it was checked, and a product of maps by its factors too."""
    found = [read(folder, f"{name} check {which}") for which in judges(name)]
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
    if which not in judges(name):
        return ""
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
            relative_cost(folder, name),
            verdict(folder, name),
            *(correlation(folder, name, which) for which in ("two objects", "nodules", "digits")),
            *(pointing(folder, name, which) for which in NETWORKS),
        ]
        for name, method in all_methods().items()
    ]
    for number, name in enumerate(("random map", "centre")):
        figures = []
        for which in NETWORKS:
            found = read(folder, f"baselines {which}").get("results", [])
            figures.append(
                "{mean:.2f} ({low:.2f}-{high:.2f}), {count}".format(**found[number]["measures"]["pointing"])
                if found
                else ""
            )
        rows.append([f"*{name}*", *[""] * 6, *figures])
    return PAGE.format(methods=markdown(HEADER, rows), layers=markdown(LAYER_HEADER, layer_rows(folder)))


def relative_cost(folder, name):
    """Write the cost in forwards of the first network that the method takes."""
    found = [read(folder, f"{name} {which}") for which in NETWORKS]
    taken = (one["ratio"] for one in found if any(not layer["refused"] for layer in one.get("results", [])))
    return next((f"{ratio:.1f}" for ratio in taken), "")


def layer_rows(folder):
    """Write pointing of the CAM family, shallow to deep."""
    rows = []
    for which in NETWORKS[:-1]:
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
    "randomised: transformer",
    "nodules",
    "blood cells",
    "two objects",
    "digits (transformer)",
]
LAYER_HEADER = ["network", "layer", *CAMS]

PAGE = (HERE / "method_quality.md.in").read_text()

if __name__ == "__main__":
    main()
