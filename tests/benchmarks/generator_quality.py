# ruff: noqa: T201 (prints its table)
"""How good generators are on the demo study's features: one line each, with hold-out sizes and intervals.

    python tests/benchmarks/generator_quality.py OUT --seeds 0 1 2 --plan full --kind pca-vae

OUT keeps the studies (network and library), so that they are made once; about four CPU minutes each.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from foveal import Library
from foveal.archives import AuditedModel, load_model
from foveal.collecting import collect
from foveal.library.connection import quiet
from foveal_audit.demo.making import train_network, write_study
from foveal_audit.demo.pictures import PICTURE
from foveal_audit.demo.running import archive_of, pack_demo
from foveal_audit.depicting import draw_generator
from foveal_audit.examining import examine
from foveal_audit.generators import KINDS, QualityCard
from foveal_audit.judgement.facet import Facet
from foveal_audit.reproducible import one_thread
from foveal_audit.settings import AuditSettings
from foveal_audit.windows import read_evidence

PLANS = {"full": PICTURE.full, "quick": PICTURE.quick}
#: Figure: where it stands on the card, what is wanted, and whether more is better.
WANTED = {"activation": (0.9, True), "c2st": (0.62, False), "density": (0.9, True), "coverage": (0.7, True)}
HEAD = (
    f"{'feature':20} {'kind':8} {'learn':>5} {'held':>4} {'CPU s':>5} | {'activation':>20} | "
    f"{'C2ST network':>17} | {'C2ST plain':>17} | {'density':>11} | {'coverage':>11} | "
    "near smooth grain | missed"
)


def main() -> None:
    """Measure and print."""
    asked = _asked()
    quiet()
    with one_thread():
        print(HEAD)
        for seed in asked.seeds:
            cards = list(_study(asked.out, asked.plan, seed, asked.kind, asked.features))
            _sum_up(seed, cards)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--plan", choices=PLANS, default="full")
    parser.add_argument("--kind", choices=KINDS, default="pca-vae")
    parser.add_argument("--features", type=int, default=16)
    return parser.parse_args()


def _study(out: Path, plan: str, seed: int, kind: str, count: int) -> Iterator[QualityCard]:
    model, library = _made(out / f"standard-{plan}-{seed}", plan, seed)
    evidence = read_evidence(library, model.sha256)
    settings = AuditSettings(generator_kind=kind)
    for facet in _kept(examine(evidence, settings).facets, count):
        began = time.process_time()
        drawn = draw_generator(facet.windows, evidence.samples, model, settings, facet.unit)
        if drawn is not None:
            card = drawn.learned.card
            print(_line(f"{seed}/{facet.unit.name}", card, time.process_time() - began), flush=True)
            yield card


def _made(folder: Path, plan: str, seed: int) -> tuple[AuditedModel, Library]:
    """Give the study's network and library, made now unless they are there."""
    library = Library(PICTURE.name, f"sqlite:///{folder / 'mlflow.db'}")
    if (folder / "mlflow.db").is_file():
        return load_model(str(archive_of(folder, PICTURE))), library
    files = write_study(folder / "data", PICTURE, "standard", PLANS[plan], seed)
    model = load_model(str(pack_demo(folder, PICTURE, train_network(files, PLANS[plan], seed))))
    collect(model, files.training, "training", library)
    collect(model, files.production, "production", library)
    return model, library


def _kept(facets: list[Facet], count: int) -> list[Facet]:
    """Take the largest facet of each feature, the features with most entries first."""
    firsts: dict[str, Facet] = {}
    for facet in sorted(facets, key=lambda one: -len(one.windows)):
        firsts.setdefault(facet.unit.name, facet)
    return list(firsts.values())[:count]


def _figures(card: QualityCard) -> dict[str, list[float]]:
    """Give each wanted figure: of activation one, of the others in the network's eyes and in plain ones."""
    shares, plain = card["activation"], card["appearance"]
    pairs = {
        name: [float(seen[name]) for seen in (card, plain) if seen and seen[name] is not None]  # type: ignore[literal-required]
        for name in ("c2st", "density", "coverage")
    }
    return {"activation": [shares["relative"]] if shares else [], **pairs}


def _missed(card: QualityCard) -> list[str]:
    return [
        name
        for name, values in _figures(card).items()
        for wanted, more in [WANTED[name]]
        if not values or any(value < wanted if more else value > wanted for value in values)
    ]


def _line(name: str, card: QualityCard, cpu: float) -> str:
    shares, plain, found = card["activation"], card["appearance"], _figures(card)
    active = _with(shares["relative"], shares["relative_interval"]) if shares else "-"
    eyes = [
        (card["c2st"], card["c2st_interval"]),
        (plain and plain["c2st"], plain and plain["c2st_interval"]),
    ]
    told = [_with(value, interval) if interval else "-" for value, interval in eyes]
    both = [" ".join(f"{value:.2f}" for value in found[key]) for key in ("density", "coverage")]
    near = "-" if card["nearest_ratio"] is None else f"{card['nearest_ratio']:.2f}"
    return (
        f"{name:20} {card['kind']:8} {card['n_train']:5} {card['n_heldout']:4} {cpu:5.1f} | {active:>20} | "
        f"{told[0]:>17} | {told[1]:>17} | {both[0]:>11} | {both[1]:>11} | "
        f"{near:4} {card['smoothness']:6.2f} {card['grain']!s:>5} | {', '.join(_missed(card)) or 'none'}"
    )


def _with(value: float | None, interval: list[float]) -> str:
    return "-" if value is None else f"{value:.2f} ({interval[0]:.2f}-{interval[1]:.2f})"


def _sum_up(seed: int, cards: list[QualityCard]) -> None:
    middle = {
        name: [round(float(np.median(column)), 2) for column in zip(*values, strict=False)]
        for name in WANTED
        if (values := [_figures(card)[name] for card in cards if _figures(card)[name]])
    }
    clean = sum(not _missed(card) for card in cards)
    print(f"study {seed}: {clean} of {len(cards)} features reach every figure; medians {middle}", flush=True)


if __name__ == "__main__":
    main()
