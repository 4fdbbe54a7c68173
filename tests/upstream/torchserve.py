"""Run TorchServe's own tests with every archive wrapped: what passes bare has to pass wrapped.

    git clone https://github.com/pytorch/serve CHECKOUT
    python tests/upstream/torchserve.py CHECKOUT

Runs the tests twice, bare and wrapped, and compares test by test. TorchServe's tests use its default ports
8080 to 8082, 7070 and 7071 of this machine, which must be free. Needs the package ``orjson`` beside those of
``make setup``.
"""

from __future__ import annotations

import argparse
import os
import re
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree as ET

HERE = Path(__file__).resolve().parent
PORTS = (8080, 8081, 8082, 7070, 7071)
#: What runs without model files from elsewhere, without a GPU and without transformers.
TESTS = (
    "test_url_path.py",
    "test_auto_recover.py",
    "test_handler_traceback_logging.py",
    "test_send_intermediate_prediction_response.py",
    "test_model_config.py",
    "test_continuous_batching.py",
    "test_startup_timeout.py",
    "test_torch_compile.py",
    "test_async_worker_comm.py",
    "test_parallelism.py",
    "test_device_config.py",
)
#: What a checkout's own helpers want, and these tests do not.
STUBS = {"ts_scripts/marsgen.py": "def gen_mar(model_store=None):\n    pass\n", "ts_scripts/__init__.py": ""}


def main() -> int:
    """Run the tests both ways and compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkout", type=Path)
    parser.add_argument("tests", nargs="*", default=list(TESTS), help="files of test/pytest")
    asked = parser.parse_args()
    folder = (asked.checkout / "test" / "pytest").resolve()
    if not folder.is_dir():
        parser.error(f"{asked.checkout} is no checkout of pytorch/serve: it has no test/pytest")
    taken = [port for port in PORTS if is_taken(port)]
    if taken:
        parser.error(f"ports {taken} are taken: stop what listens there")
    with tempfile.TemporaryDirectory(prefix="fv-") as scratch:
        bare, wrapped = (run(folder, asked.tests, Path(scratch), wrap) for wrap in (False, True))
    return compare(bare, wrapped)


def is_taken(port: int) -> bool:
    """Tell whether somebody listens on a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def run(folder: Path, tests: list[str], scratch: Path, wrapped: bool) -> dict[str, str]:
    """Run tests of the checkout; gives every test's outcome by its name."""
    label = "wrapped" if wrapped else "bare"
    stubs, found, home = scratch / "stubs", scratch / f"{label}.xml", scratch / label
    for name, text in STUBS.items():
        (stubs / name).parent.mkdir(parents=True, exist_ok=True)
        (stubs / name).write_text(text)
    home.mkdir()
    environ = {
        **os.environ,
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
        "PYTHONPATH": os.pathsep.join((str(HERE), str(stubs), str(folder))),
        "TMPDIR": str(home),
        "FOVEAL_SPOOL_DIR": str(home / "spool"),
        **({"FOVEAL_WRAP": "1"} if wrapped else {}),
    }
    command = [sys.executable, "-m", "pytest", "-p", "wrapping_plugin", "-p", "no:cacheprovider", "-q"]
    command += [f"--junit-xml={found}", *(str(folder / test) for test in tests)]
    done = subprocess.run(command, cwd=home, env=environ, capture_output=True, text=True, check=False)
    print(f"== {label}\n{summary(done.stdout)}")  # noqa: T201 - a script reports
    return outcomes(found)


def summary(text: str) -> str:
    """Keep the lines that say what happened."""
    kept = [
        line
        for line in text.splitlines()
        if re.match(r"(FAILED|ERROR|archives wrapped|=+ .* in )|.* passed", line)
    ]
    return "\n".join(kept)


def outcomes(file: Path) -> dict[str, str]:
    """Read the outcome of every test from a JUnit file."""
    found = {}
    for case in ET.parse(file).iter("testcase"):
        tags = {child.tag for child in case} & {"failure", "error", "skipped"}
        found[f"{case.get('classname')}::{case.get('name')}"] = next(iter(tags), "passed")
    return found


def compare(bare: dict[str, str], wrapped: dict[str, str]) -> int:
    """Say which tests fare differently; 0 where none that passes bare fails wrapped."""
    passing = [name for name, outcome in bare.items() if outcome == "passed"]
    worse = [name for name in passing if wrapped.get(name) != "passed"]
    print(f"{len(passing)} of {len(bare)} tests pass bare, {len(passing) - len(worse)} of them wrapped")  # noqa: T201
    for name in worse:
        print(f"only bare: {name} ({wrapped.get(name, 'missing')})")  # noqa: T201
    return 1 if worse or not passing else 0


if __name__ == "__main__":
    sys.exit(main())
