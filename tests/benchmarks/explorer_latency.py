"""How long people wait: sliders offline and live, and an explorer of 100,000 entries, in a real Chromium.

    python tests/benchmarks/explorer_latency.py                      # makes the library first, half a minute
    python tests/benchmarks/explorer_latency.py --keep FOLDER        # made once, asked again
    python tests/benchmarks/explorer_latency.py --bundle BUNDLE      # sliders of a real audit too

Browser and server share this machine. The explorer is `foveal explore`, a process of its own, over a library
in a database and a folder; a far jump goes to a random place of the list by activation, of which a screenful
lies in all files at once. CHROMIUM names another browser than /usr/bin/chromium.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "networks"))

import served_elements
import toy_frames
from element_pages import block, sealed
from hostile_audit import MODEL, crop
from playwright.sync_api import Browser, Page, sync_playwright

from foveal.library import Library
from foveal.records import Entry, Observation, SampleRecord, entry_id
from foveal.samples import encode_png

SAMPLES, EACH = 5000, 20
_NAME, _PER_SHARD = "wide", 1000
_JUMPS = 25
#: What is measured: what it is called, the bound in milliseconds, and the quantile that is held to it.
_BOUNDS = {
    "offline: slider to blend": (5.0, 0.5),
    "live: slider to new frame with the model's value": (50.0, 0.95),
    "live: slider to new frame alone": (50.0, 0.95),
    "first page, the explorer just started": (1000.0, 1.0),
    "first screen of the library": (1000.0, 1.0),
    "far jumps, the explorer just started": (200.0, 0.95),
    "longest blank while scrolling 20 rows a second": (200.0, 1.0),
    "far jumps, all files read once": (200.0, 0.95),
    "first page": (1000.0, 1.0),
    "audit: first frame of a feature": (1000.0, 1.0),
    "audit: slider to new frame": (50.0, 0.95),
}
_MOVES = """async ([moves, offline, cost]) => {
  const one = document.querySelector("foveal-sliders"), taken = [], { axes } = one.told;
  let answered = null;
  one.move = (z) => (answered = Object.getPrototypeOf(one).move.call(one, z));
  for (let i = 0; i < moves; i++) {
    if (cost !== null) one.modelCost = cost;
    const input = one.inputs[i % axes.length], { low, high } = axes[i % axes.length];
    input.value = low + (high - low) * ((i * 0.618) % 1);
    const start = performance.now();
    input.dispatchEvent(new Event("input"));
    if (!offline) await answered;
    taken.push(performance.now() - start);
    await new Promise(requestAnimationFrame);
  }
  return taken;
}"""
#: Whether a row in view is not drawn yet.
_BLANK = """() => {
  const box = document.getElementById("grid").getBoundingClientRect();
  const cells = [...document.querySelectorAll(".cell")].filter((cell) => {
    const place = cell.getBoundingClientRect();
    return place.bottom > box.top && place.top < box.bottom;
  });
  return cells.length < 10 || cells.some((cell) => !cell.dataset.filled);
}"""
_SCROLL = f"""async ([steps, pixels, pause]) => {{
  const grid = document.getElementById("grid"), blank = {_BLANK};
  let [since, worst, on] = [0, 0, true];
  const watch = (now) => {{
    if (!blank()) since = 0;
    else if (!since) since = now;
    if (since) worst = Math.max(worst, now - since);
    if (on) requestAnimationFrame(watch);
  }};
  requestAnimationFrame(watch);
  for (let step = 0; step < steps; step += 1) {{
    grid.scrollTop += pixels;
    await new Promise((done) => setTimeout(done, pause));
  }}
  await new Promise((done) => setTimeout(done, 500));
  on = false;
  return worst;
}}"""
_JUMP = f"""async (share) => {{
  const grid = document.getElementById("grid"), blank = {_BLANK};
  const frame = () => new Promise(requestAnimationFrame);
  const begin = performance.now();
  grid.scrollTop = share * grid.scrollHeight;
  await frame();
  await frame();
  while (blank()) await frame();
  return performance.now() - begin;
}}"""


def offline(browser: Browser) -> dict[str, list[float]]:
    """Move the sliders of a file 400 times."""
    page = browser.new_page()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "page.html"
        body = f"<foveal-sliders>{block('lattice', toy_frames.lattice().as_json('toy'))}</foveal-sliders>"
        path.write_text(sealed(body), "utf-8")
        page.goto(path.as_uri())
        page.wait_for_function("() => document.querySelector('foveal-sliders').kind")
        return {"offline: slider to blend": page.evaluate(_MOVES, [400, True, 0])}


def live(browser: Browser) -> dict[str, list[float]]:
    """Move the sliders of a server's page, with and without the model's value."""
    application = served_elements.app(toy_frames.frames(), toy_frames.lattice().as_json("toy", "/frames/toy"))
    with served_elements.running(application) as address:
        page = browser.new_page()
        page.goto(address)
        page.wait_for_function("() => document.querySelector('foveal-sliders').frame")
        page.evaluate(_MOVES, [20, False, 0])  # warms up
        told, alone = (page.evaluate(_MOVES, [200, False, cost]) for cost in (0, 100))
        page.close()
    return {
        "live: slider to new frame with the model's value": told,
        "live: slider to new frame alone": alone,
    }


def observations() -> Iterator[Observation]:
    """Make samples with many entries each; a few hundred crops stand for all of them."""
    rng = np.random.default_rng(0)
    crops = [encode_png(crop(rng, n % 2)) for n in range(300)]
    maps = [rng.normal(0.3, 1, (6, 6)).astype(np.float32) for _ in range(50)]
    for n in range(SAMPLES):
        shared: dict[str, Any] = {
            "row": 0, "source": "training", "time": "2026-03-01T12:00:00Z", "predicted": 0,
            "model_sha256": MODEL, "config_sha256": "c" * 64,
        }  # fmt: skip
        name = f"{n:05}.png"
        sample = SampleRecord(sample=name, scores=(1.0,), activations={}, sample_sha256=f"{n:064}",
                              shape=(64, 64, 1), **shared)  # fmt: skip
        yield Observation(sample, tuple(
            Entry(id=entry_id(name, 0, f"fc1:{at}", at, MODEL), feature=f"fc1:{at}", sample=name,
                  window=(0, 0, 24, 24), activation=float(rng.normal()), share=0.1,
                  crop=crops[(n * EACH + at) % 300], map=maps[at], vector=np.empty(0, np.float32),
                  method="gradcam", layer="fc1", threshold=0.0, **shared)
            for at in range(EACH)
        ))  # fmt: skip


def made(folder: Path) -> str:
    """Make the library unless it is there; gives the tracking store."""
    uri = f"sqlite:///{folder}/mlflow.db"
    library = Library(_NAME, uri)
    if not library.exists():
        observed = list(observations())
        for at in range(0, SAMPLES, _PER_SHARD):
            library.add(observed[at : at + _PER_SHARD], f"part-{at}")
    return uri


@contextmanager
def exploring(words: list[str], uri: str) -> Iterator[str]:
    """Run the command; gives the address with the token."""
    command = [sys.executable, "-c", "from foveal.cli import main; main()", "explore", *words, "--json"]
    environment = os.environ | {"MLFLOW_TRACKING_URI": uri}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as running:
        try:
            yield str(json.loads(running.stdout.readline())["address"])  # type: ignore[union-attr]
        finally:
            running.terminate()


def until(page: Page, holds: str, seconds: float = 60) -> None:
    """Wait until an expression holds: Playwright's own way is what the pages' policy forbids."""
    deadline = time.monotonic() + seconds
    while not page.evaluate(holds):
        if time.monotonic() > deadline:
            raise TimeoutError(holds)
        time.sleep(0.005)


def opened(page: Page, address: str, holds: str) -> float:
    """Open an address; gives the milliseconds until something holds."""
    page.goto("about:blank")
    begin = time.perf_counter()
    page.goto(address, wait_until="commit")
    until(page, holds)
    return 1000 * (time.perf_counter() - begin)


def library_pages(browser: Browser, uri: str, settle: float) -> dict[str, list[float]]:
    """Open, scroll and jump through the list of all entries."""
    rows = "() => document.querySelectorAll('.features tbody tr').length > 5"
    rng = random.Random(0)
    with exploring(["--library", _NAME], uri) as address:
        base = address.partition("/?")[0]
        page = browser.new_page(viewport={"width": 1300, "height": 950})
        first = opened(page, address, rows)
        screen = opened(page, f"{base}/entries", f"() => document.getElementById('grid') && !({_BLANK})()")
        soon = [page.evaluate(_JUMP, rng.random()) for _ in range(_JUMPS)]
        time.sleep(settle)  # the library is read once while people look at the first screen
        scrolled = page.evaluate(_SCROLL, [120, 116, 50])
        late = [page.evaluate(_JUMP, rng.random()) for _ in range(_JUMPS)]
        again = opened(page, f"{base}/", rows)
    return {
        "first page, the explorer just started": [first],
        "first screen of the library": [screen],
        "far jumps, the explorer just started": soon,
        "longest blank while scrolling 20 rows a second": [scrolled],
        "far jumps, all files read once": late,
        "first page": [again],
    }


def audit(browser: Browser, bundle: Path, uri: str) -> dict[str, list[float]]:
    """Move the sliders of a real audit's first generator."""
    feature = sorted(one.name for one in (bundle / "generators").iterdir())[0]
    shown = "() => document.querySelector('foveal-sliders')?.frame"
    with exploring([str(bundle)], uri) as address:
        base = address.partition("/?")[0]
        page = browser.new_page(viewport={"width": 1300, "height": 1900})
        page.goto(address)
        first = opened(page, f"{base}/entries?feature={quote(feature)}", shown)
        until(page, "() => document.querySelector('foveal-sliders').frame.pending === false")
        page.evaluate(_MOVES, [20, False, None])  # warms up
        return {
            "audit: first frame of a feature": [first],
            "audit: slider to new frame": page.evaluate(_MOVES, [200, False, None]),
        }


def table(found: dict[str, list[float]]) -> int:
    """Print what was measured; 1 where a bound is passed."""
    print("milliseconds | median | 95 % | most | bound")  # noqa: T201
    worse = 0
    for name, (bound, quantile) in _BOUNDS.items():
        if name not in found:
            continue
        median, high, most = np.quantile(found[name], (0.5, 0.95, 1))
        words = f"{'median' if quantile == 0.5 else 'most' if quantile == 1 else '95 %'} <= {bound:.0f}"
        print(f"{name} | {median:.1f} | {high:.1f} | {most:.1f} | {words}")  # noqa: T201
        worse |= int(np.quantile(found[name], quantile) > bound)
    return worse


def main() -> int:
    """Measure, print a table, and fail where a bound is passed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--keep", type=Path, default=None, help="folder of the library; a new one otherwise")
    parser.add_argument(
        "--bundle", type=Path, default=None, help="a real audit, its store in MLFLOW_TRACKING_URI"
    )
    parser.add_argument("--only", choices=("sliders", "library", "audit"), default=None)
    parser.add_argument("--settle", type=float, default=20, help="seconds until all files are taken as read")
    given = parser.parse_args()
    found: dict[str, list[float]] = {}
    with ExitStack() as stack:
        folder = given.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"), args=["--no-sandbox"]
        )
        if given.only in (None, "sliders"):
            found |= offline(browser) | live(browser)
        if given.only in (None, "library"):
            os.environ.setdefault("FOVEAL_CACHE_DIR", str(folder / "cache"))
            found |= library_pages(browser, made(folder.resolve()), given.settle)
        if given.bundle and given.only in (None, "audit"):
            found |= audit(browser, given.bundle, os.environ["MLFLOW_TRACKING_URI"])
        browser.close()
    return table(found)


if __name__ == "__main__":
    sys.exit(main())
