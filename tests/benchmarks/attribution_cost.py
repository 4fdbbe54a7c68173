"""What maps cost, ours and the peers', as ratios to the plain ``inference_mode`` forward of the same run.

Run it with ``python tests/benchmarks/attribution_cost.py``; ``requirements.txt`` there installs the peers.
CPU time of one thread; in every round all contenders have their turn in a new order; medians over the rounds
of the ratio to the round's plain forward. On a busy machine only ratios mean anything. Random weights, images
of 224 x 224 noise.

=============  ===============================================================================================
plain ms       the plain forward under ``torch.inference_mode``
ours           prediction and Grad-CAM for the predicted class, last block (a tap, made and calibrated once)
ours 16        prediction and 16 maps, of the penultimate nodes that speak loudest for the predicted class,
               chosen from the same forward (densenet121 has no module that gives them: 16 likeliest classes)
captum         as TorchServe does it: the prediction, then ``LayerGradCam.attribute``
captum 16      the same, one ``attribute`` for each of the 16; in every fifth round only
grad-cam       pytorch-grad-cam: its own forward and prediction; it scales maps to the input's size, always
torch-cam      the caller's forward with gradients, then the extractor
memory         peak of what "ours" takes, over that of the plain forward; weights not counted
memory 16      the same for "ours 16"
differs        largest relative distance (by norm) of our maps, one and 16, from captum's
=============  ===============================================================================================
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path

import torch

sys.path.append(str(Path(__file__).parents[1] / "networks"))

import torchvision_shim  # noqa: F401 - declares what torchvision's import asks for
from contenders import (
    CONTENDERS,
    Call,
    Case,
    Contender,
    captum_nodes,
    captum_top,
    ours_nodes,
    ours_top,
    plain,
)
from peak_memory import peak_bytes
from torchvision_nets import ARCHITECTURES, SIDE

#: Contenders so slow that a part of the rounds must do.
SELDOM = {"captum 16": 5}
#: CPU seconds that one turn takes at least; a single call of a small network is over too soon to be timed.
TURN = 0.2


@dataclass(frozen=True)
class Plan:
    """What is measured: networks, batch sizes, side of the images, rounds."""

    networks: tuple[str, ...] = tuple(ARCHITECTURES)
    batches: tuple[int, ...] = (1, 8)
    side: int = SIDE
    rounds: int = 15


QUICK = Plan(("resnet18", "mobilenet_v3_large"), (1,), 96, 3)


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    network: str
    batch: int
    plain_ms: float
    ratios: dict[str, float]
    memory: float
    memory_16: float
    differs: float

    def cells(self) -> dict[str, str]:
        """Write the line, by column."""
        ratios = {name: f"{ratio:.2f}" for name, ratio in self.ratios.items()}
        memory = {"memory": f"{self.memory:.2f}", "memory 16": f"{self.memory_16:.2f}"}
        start = {"network": self.network, "batch": str(self.batch), "plain ms": f"{self.plain_ms:.1f}"}
        return start | ratios | memory | {"differs": f"{self.differs:.0e}"}


def cpu_seconds(call: Call, calls: int) -> float:
    """Time a call, in CPU seconds per run."""
    before = time.process_time()
    for _ in range(calls):
        call()
    return (time.process_time() - before) / calls


def turn(name: str, case: Case, calls: int) -> float:
    """Give a contender its turn; its hooks come and go outside of what is timed."""
    with CONTENDERS[name](case) as call:
        return cpu_seconds(call, calls)


def race(case: Case, rounds: int) -> dict[str, list[float]]:
    """Give every contender its turn in each round, in an order drawn anew; CPU seconds per call."""
    order = random.Random(0)
    calls = {name: max(1, round(TURN / turn(name, case, 1))) for name in CONTENDERS}
    seconds: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    for number in range(rounds):
        turns = [name for name in CONTENDERS if number % SELDOM.get(name, 1) == 0]
        for name in order.sample(turns, len(turns)):
            seconds[name].append(turn(name, case, calls[name]))
    return seconds


def ratios(seconds: dict[str, list[float]]) -> dict[str, float]:
    """Divide by the plain forward of the same round; medians."""
    base = seconds["plain"]
    return {
        name: statistics.median(one / base[SELDOM.get(name, 1) * index] for index, one in enumerate(own))
        for name, own in seconds.items()
        if name != "plain"
    }


def peak(contender: Contender, case: Case) -> int:
    """Measure the memory of one call, in bytes."""
    with contender(case) as call:
        return peak_bytes(call)


def distance(ours: Contender, peer: Contender, case: Case) -> float:
    """Give the distance of our maps from a peer's, relative to the norm of the latter."""
    with ours(case) as call:
        mine = call()
    with peer(case) as call:
        other = call()
    return float((mine - other).norm() / other.norm())


def measure(name: str, batch: int, plan: Plan) -> Row:
    """Measure one network with one batch size."""
    case = Case.make(name, batch, plan.side)
    seconds, base = race(case, plan.rounds), peak(plain, case)
    return Row(
        network=name,
        batch=batch,
        plain_ms=1000 * statistics.median(seconds["plain"]),
        ratios=ratios(seconds),
        memory=peak(ours_top, case) / base,
        memory_16=peak(ours_nodes, case) / base,
        differs=max(distance(ours_top, captum_top, case), distance(ours_nodes, captum_nodes, case)),
    )


def table(rows: list[Row]) -> str:
    """Write the rows in markdown."""
    cells = [row.cells() for row in rows]
    lines = [list(cells[0]), ["---"] * len(cells[0]), *(list(one.values()) for one in cells)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def failures(name: str = "resnet18") -> list[str]:
    """Try everyone with frozen parameters, and under the modes in which servers predict."""
    frozen, case = Case.make(name, 1, 64), Case.make(name, 1, 64)
    frozen.model.requires_grad_(False)
    trials = [("frozen parameters", frozen, nullcontext), ("no_grad", case, torch.no_grad)]
    trials.append(("inference_mode", case, torch.inference_mode))
    found = [
        (label, where, fault(make, own, mode))
        for label, make in CONTENDERS.items()
        for where, own, mode in trials
    ]
    return [f"{label} fails with {where}: {what}" for label, where, what in found if what]


def fault(contender: Contender, case: Case, mode: Callable[[], AbstractContextManager]) -> str:
    """Give what a contender raises, in one line; empty where nothing."""
    try:
        with contender(case) as call, mode():
            call()
    except RuntimeError as error:
        return str(error).splitlines()[0]
    return ""


def parse(words: list[str] | None = None) -> tuple[Plan, bool]:
    """Read the command line: the plan, and whether JSON is wanted."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--quick", action="store_true", help="two networks, small images, few rounds: a smoke test"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    parser.add_argument("--networks", nargs="+", choices=ARCHITECTURES, metavar="NAME", help="only these")
    parser.add_argument("--batches", nargs="+", type=int, metavar="SIZE", help="only these batch sizes")
    parser.add_argument("--rounds", type=int, help="how often everyone has a turn")
    given = vars(parser.parse_args(words))
    start, as_json = QUICK if given.pop("quick") else Plan(), given.pop("json")
    return replace(start, **{name: value for name, value in given.items() if value is not None}), as_json


def main() -> None:
    """Measure, and print one table."""
    torch.set_num_threads(1)
    plan, as_json = parse()
    rows = []
    for name, batch in product(plan.networks, plan.batches):
        rows.append(measure(name, batch, plan))
        print(*rows[-1].cells().values(), file=sys.stderr)  # noqa: T201 - it takes minutes
    notes = failures()
    shown = json.dumps({"rows": [asdict(row) for row in rows], "failures": notes}, indent=1)
    print(shown if as_json else "\n".join([table(rows), "", *notes]))  # noqa: T201 - a table is what this is for


if __name__ == "__main__":
    main()
