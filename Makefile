# Foveal: `make demo` shows what it does, `make test` proves it. Both install what they need into .venv first.

PYTHON ?= python3
JOBS ?= 2
ARGS ?=

BIN := .venv/bin
INSTALLED := .venv/.installed
TYPES := $(BIN)/mypy --no-error-summary
# One thread per process: more of them on busy cores cost several times as much.
export OMP_NUM_THREADS ?= 1
# Large tensors come from memory that is kept (glibc): mapped anew each time, training costs a third more.
export MALLOC_MMAP_THRESHOLD_ ?= 268435456
export MALLOC_TRIM_THRESHOLD_ ?= 536870912
# Our own modules are compiled once as well, not by every process.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup peers demo test check style types test-full bench clean

help:  ## Say what can be made.
	@sed -n 's/^\([a-z-]*\):.*##/\1:/p' Makefile

setup: $(INSTALLED)  ## Install Foveal with all it needs into .venv.

# Compiled at once, on all cores: where Python may not write bytecode (containers often say so), every process
# would compile anew what it imports, which costs up to fifteen seconds each time.
$(INSTALLED): pyproject.toml constraints.txt
	@echo "== Installing Foveal into .venv (several minutes the first time)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
		|| { echo "$(PYTHON) is too old. Install Python 3.10 or newer, or: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 3; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --no-compile --constraint constraints.txt --editable '.[test]'
	@$(BIN)/python -m compileall -j 0 -qq $(BIN)/../lib || true  # some packages ship templates that are no Python
	@touch $@

peers: $(INSTALLED)  ## Install the tools that Foveal is compared with; tests that need them are skipped without.
	@$(BIN)/python -m pip install --quiet --no-deps --constraint constraints.txt --requirement tests/benchmarks/requirements.txt

demo: $(INSTALLED)  ## Run the whole main job on a made-up study: make demo ARGS="--quick --out DIR".
	@echo "== Running the demo: foveal demo $(ARGS)"
	@$(BIN)/foveal demo $(ARGS)

check: style types  ## Check style, types and the arrows between the packages.

style: $(INSTALLED)
	@echo "== Checking style and imports"
	@$(BIN)/ruff format --check --quiet . && $(BIN)/ruff check --quiet . && \
		{ $(BIN)/lint-imports >.lint-imports.log || { cat .lint-imports.log; false; }; }

types: $(INSTALLED)
	@echo "== Checking types"
	@$(TYPES)

# Types are checked beside the tests: a minute on one core that the tests would not use.
test: style  ## Run all checks and tests; slow ones too, on JOBS processes.
	@$(TYPES) & types=$$!; \
		echo "== Testing on $(JOBS) processes (FOVEAL_DATA=$${FOVEAL_DATA:-not set: tests on real samples are skipped})"; \
		$(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile --no-loadscope-reorder -m "not full"; tested=$$?; \
		wait $$types && exit $$tested

test-full: $(INSTALLED)  ## Run the studies in full size as well.
	@$(BIN)/python -m pytest -m full

bench: peers  ## Measure what attribution costs, beside captum, pytorch-grad-cam and torch-cam.
	@$(BIN)/python tests/benchmarks/attribution_cost.py $(ARGS)

clean:  ## Remove what was installed and cached.
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .lint-imports.log
